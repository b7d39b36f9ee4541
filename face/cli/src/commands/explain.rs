use belay_checks::table;

use super::Context;
use crate::args::{ExplainArgs, OutputFormat};
use crate::error::CommandError;
use crate::output;

/// One rule, whole, or all of them in a line each. Asks nobody.
pub fn explain(context: &Context, args: &ExplainArgs) -> Result<u8, CommandError> {
    let knowledge = &context.known()?.knowledge;
    let Some(asked) = args.rule.as_deref().map(str::trim) else {
        let rules = table(knowledge);
        match context.format {
            OutputFormat::Json => output::json(&rules)?,
            OutputFormat::Text => output::print(&belay_report::rules_text(&rules, output::style())),
        }
        return Ok(0);
    };
    // A rule of a bundle may be named otherwise than those of the build.
    let whole = asked.starts_with("belay-") || knowledge.rule(asked).is_some();
    let named = if whole { asked.to_owned() } else { format!("belay-{asked}") };
    let Some(rule) = table(knowledge).into_iter().find(|rule| rule.id == named) else {
        let meant = knowledge.nearest(asked).into_iter().map(|id| format!("belay explain {id}"));
        let meant = meant.chain(["all of them: belay explain".to_owned()]);
        return Err(meant.fold(CommandError::refused(format!("there is no rule {asked}")), CommandError::hinted));
    };
    match context.format {
        OutputFormat::Json => output::json(&rule)?,
        OutputFormat::Text => output::print(&belay_report::rule_text(&rule, output::style())),
    }
    Ok(0)
}
