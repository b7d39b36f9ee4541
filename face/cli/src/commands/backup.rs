use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use belay_plan::backup_plan;

use super::policy::today;
use super::run::{Prepared, carry_out, ensure_root, refuse_held};
use super::{Context, check::take};
use crate::args::{BackupArgs, BackupTo};
use crate::error::CommandError;
use crate::output;

/// facts → plan → steps → events → report: the plan of an upgrade's backup, without the upgrade.
pub async fn backup(context: &Context, args: &BackupArgs) -> Result<u8, CommandError> {
    ensure_root(context.node())?;
    refuse_held(context, context.node()).await?;
    let to = place(&args.to)?;
    let facts = take(context.node()).await?.facts;
    let plan = backup_plan(&facts, context.node().cloned(), to, today())?;
    carry_out(context, Prepared { plan, facts, findings: Vec::new(), preview: None, artifact: PathBuf::new() }).await
}

/// The directory that was asked for, as an absolute path: a resume may be typed elsewhere.
pub fn place(to: &BackupTo) -> Result<Option<String>, CommandError> {
    let Some(dir) = &to.backup_to else { return Ok(None) };
    let absolute = std::path::absolute(dir)
        .map_err(|error| CommandError::usage(format!("--backup-to {}: {error}", dir.display())))?;
    warn_of_one_disk(&absolute);
    match absolute.to_str() {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(CommandError::usage(format!("--backup-to {}: a plan is text, and this is not", dir.display()))),
    }
}

/// A disk that is not mounted looks like an empty directory, and a second copy on the same disk goes with the first.
fn warn_of_one_disk(to: &Path) {
    let device = |path: &Path| path.ancestors().find_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.dev());
    let own = device(Path::new("/var/lib/belay"));
    if own.is_some() && device(to) == own {
        output::say(&format!(
            "warn: {} is on the same file system as Belay's own directory on this machine: is its disk mounted?",
            to.display()
        ));
    }
}
