use belay_engine::{EndState, Event, RunState};
use belay_facts::CopyKind;
use belay_plan::{Goal, Plan};
use belay_runner::{RunDir, Runner};

use super::Context;
use super::run::{cached_artifact, finish, found, listen, sinks};
use super::take_back::{Earlier, take_back};
use crate::args::RollbackArgs;
use crate::error::CommandError;

/// The same run, turned back: its plan's inverse, from where it was left. One that has committed is taken back by a run of
/// its own (ADR 0008), since there is a present to go back to by now.
pub async fn rollback(context: &Context, args: &RollbackArgs) -> Result<u8, CommandError> {
    let (dir, plan, node) = found(context, args.run.as_deref())?;
    if let Some(at) = committed(&dir, &plan)? {
        let earlier =
            Earlier { what: CopyKind::Kept, run: plan.id.clone(), since: Some(at), known: dir.facts("facts.json") };
        return take_back(context, node, earlier, &args.discard, None).await;
    }
    if args.discard.discard_writes_since.is_some() || args.discard.dry_run {
        return Err(CommandError::usage(format!(
            "run {} has not committed: it goes back without being asked to give anything up. What was written since its \
             stop is set aside on the node, and its report lists it",
            plan.id
        ))
        .hinted(format!("belay rollback {}", plan.id)));
    }
    let artifact = cached_artifact(context, &plan);
    let runner = Runner::resume(&dir, node, artifact, sinks(context, &plan), listen(), true).await?;
    if !runner.goes_back() {
        return Err(CommandError::refused(format!(
            "run {} has begun to commit; its way back is being taken away",
            plan.id
        ))
        .hinted(format!("finish it: belay resume {}", plan.id)));
    }
    finish(context, &dir, runner).await
}

/// When the run committed a change; `None` when it has not, or changed nothing.
fn committed(dir: &RunDir, plan: &Plan) -> Result<Option<jiff::Timestamp>, CommandError> {
    let records = dir.records()?;
    let ended = RunState::replay(plan, &records).is_ok_and(|state| state.end() == Some(EndState::Committed));
    if !ended || plan.goal == Goal::Backup {
        return Ok(None);
    }
    let end = records.iter().rev().find(|record| matches!(record.event, Event::End { .. }));
    Ok(end.map(|record| record.at))
}
