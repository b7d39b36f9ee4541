use belay_checks::{Knowledge, table};

use super::Context;
use crate::args::{ExplainArgs, OutputFormat};
use crate::error::CommandError;
use crate::output;

/// One rule, whole. Asks nobody.
pub fn explain(context: &Context, args: &ExplainArgs) -> Result<u8, CommandError> {
    let knowledge = Knowledge::embedded().map_err(CommandError::internal)?;
    let asked = args.rule.trim();
    let named = if asked.starts_with("belay-") { asked.to_owned() } else { format!("belay-{asked}") };
    let Some(rule) = table(&knowledge).into_iter().find(|rule| rule.id == named) else {
        let meant = knowledge.nearest(asked).into_iter().map(|id| format!("belay explain {id}"));
        return Err(meant.fold(CommandError::refused(format!("there is no rule {asked}")), CommandError::hinted));
    };
    match context.format {
        OutputFormat::Json => output::json(&rule)?,
        OutputFormat::Text => output::print(&belay_report::rule_text(&rule, output::style())),
    }
    Ok(0)
}
