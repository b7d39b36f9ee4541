use belay_checks::{Severity, worst};
use belay_facts::{Destination, Facts};
use belay_node::Link;
use belay_runner::{Clock, Gathered, gather};
use serde::Serialize;

use super::Context;
use super::policy::{judge, policy, target};
use crate::args::{CheckArgs, FailOn, OutputFormat};
use crate::error::CommandError;
use crate::output;

/// facts → findings → screen.
pub async fn check(context: &Context, args: &CheckArgs) -> Result<u8, CommandError> {
    let policy = policy(&args.accept.accept)?;
    let to = match &args.to {
        Some(to) => Some(target(to, &args.channels).await?),
        None => None,
    };
    let Gathered { facts, notes } = match &args.facts {
        Some(file) => Gathered { facts: read(file)?, notes: Vec::new() },
        None => take(context.node()).await?,
    };
    if let Some(file) = &args.save_facts {
        let text = serde_json::to_string_pretty(&facts).map_err(CommandError::internal)?;
        std::fs::write(file, text + "\n").map_err(|error| {
            CommandError::refused(format!("could not write the facts to {}: {error}", file.display()))
        })?;
    }
    let findings = judge(&facts, to.clone(), &policy)?;
    match context.format {
        OutputFormat::Json => {
            #[derive(Serialize)]
            struct Checked<'a> {
                to: Option<belay_facts::K3sVersion>,
                findings: &'a [belay_checks::Finding],
                notes: &'a [String],
                facts: &'a Facts,
            }
            output::json(&Checked { to, findings: &findings, notes: &notes, facts: &facts })?;
        }
        OutputFormat::Text => show(to.as_ref(), &findings, &notes),
    }
    let limit = match args.fail_on {
        FailOn::Info => Severity::Info,
        FailOn::Warn => Severity::Warn,
        FailOn::Block => Severity::Block,
    };
    Ok(u8::from(worst(&findings).is_some_and(|worst| worst >= limit)))
}

/// Findings, and what could not be read, for people.
pub fn show(to: Option<&belay_facts::K3sVersion>, findings: &[belay_checks::Finding], notes: &[String]) {
    let style = output::style();
    output::print(&belay_report::findings_text(findings, style));
    for note in notes {
        output::print(&format!("{} {}\n", style.dim("not read:"), style.plain(note)));
    }
    if to.is_none() {
        let more = style.dim("Judged without a target; more is known with one: belay check --to TAG");
        output::print(&format!("{more}\n"));
    }
}

/// The facts of a node, or of this machine.
pub async fn take(over: Option<&Destination>) -> Result<Gathered, CommandError> {
    let name = over.map_or_else(|| "this node".to_owned(), ToString::to_string);
    let mut link = Link::open(&name, over).await.map_err(|error| {
        let hint = error.hint();
        let refused = CommandError::refused(error);
        hint.into_iter().fold(refused, CommandError::hinted)
    })?;
    Ok(gather(&mut link, &Clock::of_this_machine()).await?)
}

const WRITE_FACTS: &str = "write them with: belay check --save-facts FILE";

fn read(file: &std::path::Path) -> Result<Facts, CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CommandError::refused(format!("could not read the facts from {}: {error}", file.display())))
        .map_err(|error| error.hinted(WRITE_FACTS))?;
    Facts::from_json(&text).map_err(|error| CommandError::refused(error).about(file).hinted(WRITE_FACTS))
}
