use belay_engine::EndState;
use belay_runner::{RunError, Runner};

use super::Context;
use super::run::{cached_artifact, finish, found, listen, sinks};
use crate::args::RunArgs;
use crate::error::CommandError;

/// The same run, turned back: its plan's inverse, from where it was left.
pub async fn rollback(context: &Context, args: &RunArgs) -> Result<u8, CommandError> {
    let (dir, plan, node) = found(context, args.run.as_deref())?;
    let artifact = cached_artifact(context, &plan);
    let runner = match Runner::resume(&dir, node, artifact, sinks(context, &plan), listen(), true).await {
        Err(RunError::Ended { run, state }) if state == EndState::Committed.name() => {
            return Err(CommandError::refused(format!(
                "run {run} has committed: going back now would lose everything written since, which this build does not do yet"
            ))
            .hinted(format!("the old server directory and binary are still on the node: belay report {run}")));
        }
        other => other?,
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
