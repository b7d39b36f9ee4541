use belay_checks::{Fate, config_diff};
use belay_facts::Facts;
use belay_report::Mark;

use super::Context;
use super::check::{read, take};
use super::policy::{running, target};
use crate::args::{ConfigCommand, ConfigDiffArgs, OutputFormat};
use crate::error::CommandError;
use crate::output;

mod fix;
mod proposal;

/// What concerns the configuration of a node.
pub async fn config(context: &Context, verb: &ConfigCommand) -> Result<u8, CommandError> {
    match verb {
        ConfigCommand::Diff(args) => diff(context, args).await,
        ConfigCommand::Fix(args) => fix::fix(context, args).await,
    }
}

/// What of the configuration could not be read, and what to type so that it can.
fn show_unread(facts: &Facts) {
    let style = output::style();
    for why in facts.nodes.iter().flat_map(|node| &node.config.unreadable) {
        output::print(&style.paragraph(Mark::Unsure, &format!("not read: {why}")));
    }
    let unread = facts.unread.iter().filter(|one| one.fact == "node.config");
    for fix in unread.filter_map(|one| one.fix.as_ref()) {
        output::print(&style.paragraph(Mark::Plain, fix));
    }
}

/// What a release does with everything that is set.
async fn diff(context: &Context, args: &ConfigDiffArgs) -> Result<u8, CommandError> {
    let to = target(&args.to, &args.channels).await?;
    let facts = match &args.facts {
        Some(file) => read(file)?,
        None => take(context.node()).await?.facts,
    };
    let from = running(&facts)?;
    let knowledge = &context.known()?.knowledge;
    let lines: Vec<_> = facts.nodes.iter().flat_map(|node| config_diff(node, &from, &to, knowledge)).collect();
    let unreadable: Vec<&String> = facts.nodes.iter().flat_map(|node| &node.config.unreadable).collect();
    match context.format {
        OutputFormat::Json => output::json(&serde_json::json!({
            "from": from, "to": to, "as-of": knowledge.removed.as_of, "lines": lines, "unreadable": unreadable,
        }))?,
        OutputFormat::Text => {
            let style = output::style();
            output::print(&belay_report::config_text(&lines, unreadable.is_empty(), style));
            show_unread(&facts);
            let note = format!(
                "{from} → {to}. Removals of component flags and gates as known on {}.",
                knowledge.removed.as_of
            );
            output::print(&format!("{}\n", style.dim(&note)));
        }
    }
    // A file that could not be read may hold anything.
    Ok(u8::from(!unreadable.is_empty() || lines.iter().any(|line| line.fate == Fate::Fatal)))
}
