use std::path::Path;

use clap::CommandFactory;

use crate::args::Args;
use crate::error::CommandError;

/// One page for `belay`, one for each command, from the same declarations as the help.
pub fn man(directory: &Path) -> Result<u8, CommandError> {
    std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Args::command(), directory)).map_err(
        |error| {
            CommandError::refused(format!("could not write man pages to {}: {error}", directory.display()))
                .hinted("name a directory that you may write: belay man ./man")
        },
    )?;
    Ok(0)
}
