use std::io::IsTerminal;

use belay_engine::{EndState, Event, RunState};
use belay_facts::{Coordinator, Life};
use belay_node::Link;
use belay_plan::Plan;
use belay_runner::{Holding, RunDir, RunError};
use serde::Serialize;

use super::Context;
use super::run::is_root;
use super::watch::follow;
use crate::args::{HaltArgs, OutputFormat};
use crate::display::Display;
use crate::error::{CommandError, Kind};
use crate::output;

/// What was asked, and what came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Halted {
    run: String,
    by: Coordinator,
    /// The process that was asked.
    to: Coordinator,
    /// How the run ended; `None` when that was not waited for, or the process is gone.
    state: Option<EndState>,
    why: Option<String>,
}

/// A wish in the run's directory → the run's own journal → its end. Decides nothing: the coordinator does, as after Ctrl-C.
pub async fn halt(context: &Context, args: &HaltArgs) -> Result<u8, CommandError> {
    let dir = match running(context, args.run.as_deref()) {
        Ok(dir) => dir,
        Err(error) => return Err(nothing_here(context, error).await),
    };
    let plan = dir.plan()?;
    let to = coordinator(&dir, &plan)?;
    let wish = dir.wish_halt(to)?;
    let mut halted = Halted { run: dir.id(), by: wish.by, to: wish.to, state: None, why: None };
    if context.format == OutputFormat::Text {
        output::say(&format!(
            "Asked {} to halt run {}: its current step is finished or undone, then it goes back.",
            halted.to, halted.run
        ));
    }
    if !args.no_wait {
        let screen = context.format == OutputFormat::Text;
        let mut display = screen.then(|| Display::new(&plan, std::io::stderr().is_terminal()));
        follow(&dir, &plan, &mut display, true).await?;
        let end = dir.records()?.into_iter().rev().find_map(|record| match record.event {
            Event::End { state, why } => Some((state, why)),
            _ => None,
        });
        (halted.state, halted.why) = end.unzip();
    }
    tell(context, &halted, args.no_wait)
}

/// The run that was named; else the newest that somebody carries out, else the newest of all.
fn running(context: &Context, run: Option<&str>) -> Result<RunDir, RunError> {
    let going = match run {
        None => context.state.runs()?.into_iter().rev().find(RunDir::is_held),
        Some(_) => None,
    };
    going.map_or_else(|| context.state.find(run), Ok)
}

/// The live process that carries the run out.
fn coordinator(dir: &RunDir, plan: &Plan) -> Result<Coordinator, CommandError> {
    let records = dir.records()?;
    let state = RunState::replay(plan, &records).map_err(|source| RunError::Story { run: dir.id(), source })?;
    if let Some(end) = state.end() {
        return Err(RunError::Ended { run: dir.id(), state: end.to_string() }.into());
    }
    let holding = dir.holding();
    let run = &holding.run;
    match (holding.life, holding.by.clone()) {
        (Life::Lives, Some(by)) => Ok(by),
        (Life::Paused, Some(by)) => Err(CommandError::refused(format!(
            "{by} carries run {run} out and is paused (SIGSTOP or Ctrl-Z): it cannot hear"
        ))
        .hinted(holding.hint())),
        (Life::Elsewhere, Some(by)) => Err(CommandError::refused(format!(
            "run {run} is carried out by {by}, another machine, and only there it can be halted"
        ))
        .hinted(format!("on {}: belay halt {run}", by.host))),
        _ => Err(CommandError::refused(format!(
            "nobody carries run {run} out now ({}), so nothing can be halted",
            holding.last
        ))
        .hinted(format!("go on with it: belay resume {run}; go back: belay rollback {run}"))),
    }
}

/// There is no such run here; the node may know one that is carried out from elsewhere.
async fn nothing_here(context: &Context, error: RunError) -> CommandError {
    let missing = matches!(error, RunError::NoRun { .. } | RunError::NoRuns);
    let plain = CommandError::from(error);
    if !missing {
        return plain;
    }
    if context.node().is_none() && !is_root() {
        return plain.hinted("as whoever began it: sudo belay halt");
    }
    let name = context.node().map_or_else(|| "this node".to_owned(), ToString::to_string);
    let held = match Link::open(&name, context.node()).await {
        Ok(mut link) => link.held().await.ok().flatten(),
        Err(_) => None,
    };
    match held.map(Holding::of_node) {
        Some(holding) => {
            let hint = holding.hint();
            CommandError::refused(format!("the coordinator is not here, so it cannot be halted from here: {holding}"))
                .hinted(hint)
        }
        None => CommandError::refused(format!("nothing runs: {}", plain.message))
            .hinted("what was done before: belay report"),
    }
}

fn tell(context: &Context, halted: &Halted, no_wait: bool) -> Result<u8, CommandError> {
    let run = &halted.run;
    if context.format == OutputFormat::Json {
        output::json(halted)?;
    }
    let failed = match halted.state {
        Some(EndState::Restored | EndState::Unchanged) => None,
        None if no_wait => None,
        Some(EndState::Committed) => Some(
            CommandError::refused(format!(
                "run {run} could not be halted any more: it had begun to commit, and has committed"
            ))
            .hinted(format!("how it ended: belay report {run}; to take it back: belay rollback {run}")),
        ),
        Some(EndState::NeedsHuman) => Some(CommandError {
            kind: Kind::NeedsHuman,
            ..CommandError::refused(format!(
                "run {run} ended and needs a human: {}",
                halted.why.as_deref().unwrap_or("")
            ))
            .hinted(format!("belay report {run}, then `belay resume {run}`"))
        }),
        None => Some(CommandError {
            kind: Kind::NeedsHuman,
            ..CommandError::refused(format!("{} is gone, and run {run} has not ended", halted.to))
                .hinted(format!("go back: belay rollback {run}; go on: belay resume {run}"))
        }),
    };
    match (failed, context.format) {
        // One document, with the state in it.
        (Some(error), OutputFormat::Json) => Ok(error.exit_code()),
        (Some(error), OutputFormat::Text) => Err(error),
        (None, OutputFormat::Json) => Ok(0),
        (None, OutputFormat::Text) => {
            let text = match (halted.state, &halted.why) {
                (Some(state), Some(why)) => {
                    format!("Run {run} has halted, and everything is as it was ({state}): {why}\n")
                }
                _ => format!("It goes on until its end; follow it with: belay watch {run}\n"),
            };
            output::print(&text);
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests;
