use std::path::PathBuf;

use belay_plan::backup_plan;

use super::policy::today;
use super::run::{Prepared, carry_out, ensure_root};
use super::{Context, check::take};
use crate::args::{BackupArgs, BackupTo};
use crate::error::CommandError;

/// facts → plan → steps → events → report: the plan of an upgrade's backup, without the upgrade.
pub async fn backup(context: &Context, args: &BackupArgs) -> Result<u8, CommandError> {
    ensure_root(context.node())?;
    let to = place(context, &args.to)?;
    let facts = take(context.node()).await?.facts;
    let plan = backup_plan(&facts, context.node().cloned(), to, today())?;
    carry_out(context, Prepared { plan, facts, findings: Vec::new(), artifact: PathBuf::new() }).await
}

/// The directory that was asked for, as an absolute path: a resume may be typed elsewhere.
pub fn place(context: &Context, to: &BackupTo) -> Result<Option<String>, CommandError> {
    let Some(dir) = &to.backup_to else { return Ok(None) };
    if let Some(node) = context.node() {
        return Err(CommandError::refused(format!(
            "--backup-to copies a backup that lies on this machine, and the one of {node} lies there"
        ))
        .hinted("run it on the node, or leave --backup-to out and copy the backup yourself"));
    }
    let absolute = std::path::absolute(dir)
        .map_err(|error| CommandError::usage(format!("--backup-to {}: {error}", dir.display())))?;
    match absolute.to_str() {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(CommandError::usage(format!("--backup-to {}: a plan is text, and this is not", dir.display()))),
    }
}
