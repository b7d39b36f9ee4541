use belay_facts::CopyKind;
use belay_node::Link;
use belay_node::Restorable;
use belay_report::moment;

use super::Context;
use super::backup::place;
use super::run::ensure_root;
use super::take_back::{Earlier, refused, take_back};
use crate::args::{OutputFormat, RestoreArgs};
use crate::error::CommandError;
use crate::output;

/// backup → plan → steps → events → report: the backup of a run made live again, with the version that wrote it.
pub async fn restore(context: &Context, args: &RestoreArgs) -> Result<u8, CommandError> {
    ensure_root(context.node())?;
    let Some(run) = &args.run else { return list(context).await };
    let known = context.state.find(Some(run)).ok().and_then(|dir| dir.facts("facts.json"));
    let earlier = Earlier { what: CopyKind::Backup, run: run.clone(), since: None, known };
    let to = place(&args.backup)?;
    take_back(context, context.node().cloned(), earlier, &args.discard, to).await
}

async fn list(context: &Context) -> Result<u8, CommandError> {
    let name = context.node().map_or_else(|| "this node".to_owned(), ToString::to_string);
    let mut link = Link::open(&name, context.node()).await.map_err(refused)?;
    let mut found = link.restorables().await.map_err(refused)?;
    found.retain(|one| one.what == CopyKind::Backup);
    match context.format {
        OutputFormat::Json => output::json(&found)?,
        OutputFormat::Text => show(&found),
    }
    Ok(0)
}

fn show(found: &[Restorable]) {
    let style = output::style();
    if found.is_empty() {
        output::print("There is no backup here that could be restored. Take one: belay backup\n");
        return;
    }
    for one in found {
        let at = jiff::Timestamp::from_second(i64::try_from(one.taken_at_unix).unwrap_or(0)).unwrap_or_default();
        let line = format!("{}  {}  {}  revision {}", one.run, moment(at), one.version, one.revision);
        output::print(&format!("{}  {}\n", style.plain(&line), style.dim(&one.path)));
    }
    output::print("Look what would be lost: belay restore RUN\n");
}
