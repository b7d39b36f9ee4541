//! One file a command. Each says in its first lines what it does with the library; none of them decides anything.

mod apply;
mod check;
mod completion;
mod man;
mod plan;
mod policy;
mod report;
mod resume;
mod rollback;
mod run;
mod upgrade;

use crate::args::{Args, Command, OutputFormat};
use crate::error::CommandError;
use belay_runner::StateDir;

/// What every command needs to know.
pub struct Context {
    pub state: StateDir,
    pub format: OutputFormat,
}

/// Runs the command; the number is the exit code.
pub async fn run(args: Args) -> Result<u8, CommandError> {
    let state = args.state.map_or_else(StateDir::of_this_user, StateDir::new);
    let context = Context { state, format: args.output };
    match args.command {
        Command::Check(args) => check::check(&context, &args).await,
        Command::Plan(args) => plan::plan(&context, &args).await,
        Command::Apply(args) => apply::apply(&context, &args).await,
        Command::Upgrade(args) => upgrade::upgrade(&context, &args).await,
        Command::Rollback(args) => rollback::rollback(&context, &args).await,
        Command::Resume(args) => resume::resume(&context, &args).await,
        Command::Report(args) => report::report(&context, &args),
        Command::Completion { shell } => completion::completion(shell),
        Command::Man { directory } => man::man(&directory),
    }
}
