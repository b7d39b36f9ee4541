use belay_runner::Runner;

use super::Context;
use super::run::{cached_artifact, finish, found, listen, sinks};
use crate::args::RunArgs;
use crate::error::CommandError;

/// journal → state → steps → events → report: the same run, from where it was left.
pub async fn resume(context: &Context, args: &RunArgs) -> Result<u8, CommandError> {
    let (dir, plan, node) = found(context, args.run.as_deref())?;
    let artifact = cached_artifact(context, &plan);
    let runner = Runner::resume(&dir, node, artifact, sinks(context, &plan), listen(), false).await?;
    finish(context, &dir, runner).await
}
