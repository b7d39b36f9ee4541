use std::io::{BufRead, IsTerminal};

use super::Context;
use super::plan::{Planned, make, write_out};
use super::preview::show_preview;
use super::run::{Prepared, carry_out, ensure_root, refuse_held};
use crate::args::{OutputFormat, UpgradeArgs};
use crate::error::{CommandError, Kind};
use crate::output;

/// check + plan + apply with one confirmation.
pub async fn upgrade(context: &Context, args: &UpgradeArgs) -> Result<u8, CommandError> {
    ensure_root(context.node())?;
    refuse_held(context, context.node()).await?;
    let Planned { plan, facts, findings, preview, release } = match make(context, &args.plan).await {
        Err(error) if error.kind == Kind::NothingToDo => return done_already(context, &error),
        made => made?,
    };
    write_out(&args.plan, &plan.to_yaml()?)?;
    if context.format == OutputFormat::Text {
        output::print(&belay_report::plan_text(&plan, output::style()));
        show_preview(preview.as_ref());
    }
    if args.dry_run {
        match context.format {
            OutputFormat::Json => output::json(&plan)?,
            OutputFormat::Text => output::print("\nNothing was changed (--dry-run).\n"),
        }
        return Ok(0);
    }
    if !args.yes {
        confirm(&plan)?;
    }
    carry_out(context, Prepared { plan, facts, findings, preview, artifact: release.path }).await
}

/// A script that runs twice has what it wanted.
fn done_already(context: &Context, said: &CommandError) -> Result<u8, CommandError> {
    match context.format {
        OutputFormat::Json => output::json(&serde_json::json!({ "nothing-to-do": said.message }))?,
        OutputFormat::Text => output::print(&format!("{}\n", said.message)),
    }
    Ok(0)
}

/// The outage is announced and accepted (invariant I2 for one server).
fn confirm(plan: &belay_plan::Plan) -> Result<(), CommandError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CommandError::refused("nobody can confirm: the input is not a terminal")
            .hinted("say --yes, or review a plan: belay plan --to TAG -o plan.yaml, then belay apply plan.yaml"));
    }
    output::say(&format!("\nUpgrade to {}, with the API away for about {}? Type yes: ", plan.to, plan.expect.api_gap));
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    match read.map(|_| answer.trim().to_ascii_lowercase()) {
        Ok(answer) if answer == "yes" || answer == "y" => Ok(()),
        _ => Err(CommandError::refused("not confirmed; nothing was changed")),
    }
}
