use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::error::CommandError;
use crate::output;

/// The completion script, from the same declarations as the help.
pub fn completion(shell: Shell) -> Result<u8, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "belay", &mut script);
    output::print(&String::from_utf8_lossy(&script));
    Ok(0)
}
