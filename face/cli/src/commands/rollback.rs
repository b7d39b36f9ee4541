use belay_engine::{EndState, Event, RunState};
use belay_facts::{CopyKind, Destination};
use belay_node::{Link, Restorable};
use belay_plan::{Goal, Plan};
use belay_runner::{RunDir, RunError, Runner};

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
    let resumed = Runner::resume(&dir, node.clone(), artifact, sinks(context, &plan), listen(), true).await;
    let runner = match resumed {
        Err(error @ RunError::Ended { .. }) => return Err(with_another(error.into(), &plan.id, node.as_ref()).await),
        resumed => resumed?,
    };
    if !runner.goes_back() {
        return Err(CommandError::refused(format!(
            "run {} has begun to commit; its way back is being taken away",
            plan.id
        ))
        .hinted(format!("finish it: belay resume {}", plan.id)));
    }
    finish(context, &dir, runner).await
}

/// This run leads nowhere back; an earlier one may.
async fn with_another(mut error: CommandError, run: &str, node: Option<&Destination>) -> CommandError {
    let name = node.map_or_else(|| "this node".to_owned(), ToString::to_string);
    if let Ok(mut link) = Link::open(&name, node).await {
        let there = link.restorables().await.unwrap_or_default();
        error.hints.splice(0..0, way_back_of_another(&there, run));
    }
    error
}

/// What to type for the newest way back that another run has left on the node.
pub fn way_back_of_another(there: &[Restorable], run: &str) -> Option<String> {
    let other = there.iter().rfind(|one| one.what == CopyKind::Kept && one.run != run)?;
    Some(format!("the way back of run {0}, to {1}, is still there: belay rollback {0}", other.run, other.version))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_backup_the_run_before_it_was_not_named() {
        let left = |what, run: &str| Restorable {
            what,
            run: run.to_owned(),
            version: "v1.35.4+k3s1".parse().unwrap(),
            datastore: belay_facts::DatastoreKind::Sqlite,
            taken_at_unix: 0,
            revision: 1,
            path: String::new(),
            binary: String::new(),
            binary_digest: belay_facts::Digest::of(b""),
            binary_size: 0,
        };
        let there = [left(CopyKind::Backup, "r1"), left(CopyKind::Kept, "r1"), left(CopyKind::Backup, "r2")];
        let hint = way_back_of_another(&there, "r2").unwrap();
        assert!(hint.contains("v1.35.4+k3s1") && hint.ends_with("belay rollback r1"), "{hint}");
        assert_eq!(way_back_of_another(&there, "r1"), None);
        assert_eq!(way_back_of_another(&there[2..], "r1"), None);
    }
}
