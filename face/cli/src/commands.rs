//! One file a command. Each says in its first lines what it does with the library; none of them decides anything.

mod apply;
mod backup;
mod check;
mod completion;
mod config;
mod context;
mod explain;
mod halt;
mod journal;
mod knowledge;
mod man;
mod plan;
mod policy;
mod preview;
mod prune;
mod report;
mod restore;
mod resume;
mod rollback;
mod run;
mod take_back;
mod upgrade;
mod versions;
mod watch;

use std::path::PathBuf;

use crate::args::{Args, Command, OutputFormat};
use crate::error::CommandError;
use belay_facts::Destination;
use belay_runner::StateDir;

pub use context::Context;

/// Runs the command; the number is the exit code.
pub async fn run(args: Args) -> Result<u8, CommandError> {
    let state = args.state.map_or_else(StateDir::of_this_user, StateDir::new);
    let output = args.output;
    // Of what is no command's own, JSON is what a machine is told an error in.
    let format = match (output.of_every_command(), &args.command) {
        (Some(format), _) => format,
        (None, Command::Check(_)) => OutputFormat::Json,
        (None, _) => {
            return Err(CommandError::usage("only `belay check` prints junit, sarif and markdown")
                .hinted("a run's report as such: belay report --format junit|markdown"));
        }
    };
    let context = Context::new(state, format, destination(args.node, args.ssh_config)?);
    match args.command {
        Command::Check(args) => check::check(&context, &args, output).await,
        Command::Plan(args) => plan::plan(&context, args).await,
        Command::Apply(args) => apply::apply(&context, &args).await,
        Command::Upgrade(args) => upgrade::upgrade(&context, &args).await,
        Command::Backup(args) => backup::backup(&context, &args).await,
        Command::Rollback(args) => rollback::rollback(&context, &args).await,
        Command::Restore(args) => restore::restore(&context, &args).await,
        Command::Resume(args) => resume::resume(&context, &args).await,
        Command::Halt(args) => halt::halt(&context, &args).await,
        Command::Watch(args) => watch::watch(&context, &args).await,
        Command::Report(args) => report::report(&context, &args),
        Command::Journal(args) => journal::journal(&context, &args.verb).await,
        Command::Prune(args) => prune::prune(&context, &args).await,
        Command::Versions(args) => versions::versions(&context, &args).await,
        Command::Explain(args) => explain::explain(&context, &args),
        Command::Knowledge(args) => knowledge::knowledge(&context, &args.verb).await,
        Command::Config(args) => config::config(&context, &args.verb).await,
        Command::Completion { shell } => completion::completion(shell),
        Command::Man { directory } => man::man(&directory),
    }
}

fn destination(node: Option<Destination>, config: Option<PathBuf>) -> Result<Option<Destination>, CommandError> {
    let Some(config) = config else { return Ok(node) };
    let node =
        node.ok_or_else(|| CommandError::usage("--ssh-config says how, and --node [USER@]HOST[:PORT] is missing"))?;
    // A plan may be applied from another directory.
    let path = std::path::absolute(&config).ok().filter(|path| path.is_file());
    let path = path.ok_or_else(|| CommandError::usage(format!("there is no file {}", config.display())))?;
    Ok(Some(node.with_config(Some(path.to_string_lossy().into_owned()))))
}
