use std::path::PathBuf;

use belay_facts::{CopyKind, Destination, Facts};
use belay_node::{Difference, Restorable};
use belay_node::{Link, LinkError};
use belay_plan::{Plan, RestoreSource, restore_plan};
use belay_report::{LostObject, Mark, count, people_first};

use super::policy::today;
use super::rollback::way_back_of_another;
use super::run::{Prepared, carry_out, refuse_held};
use super::{Context, check::take};
use crate::args::{DiscardArgs, OutputFormat};
use crate::error::CommandError;
use crate::output;

/// So many lost objects are shown on a screen; JSON has them all.
const SHOWN: usize = 20;

/// The state that shall be live again.
pub struct Earlier {
    pub what: CopyKind,
    /// The run that left it.
    pub run: String,
    /// What has to be typed to give writes up, where that is not when it was taken: the time of the commit (design.md §5).
    pub since: Option<jiff::Timestamp>,
    /// What was known of the cluster then: its API may not answer any more.
    pub known: Option<Facts>,
}

/// facts → plan → steps → events → report: an earlier state in place of the present. What was written since is listed
/// first, and given up only by whoever says from when on.
pub async fn take_back(
    context: &Context,
    node: Option<Destination>,
    earlier: Earlier,
    args: &DiscardArgs,
    backup_to: Option<String>,
) -> Result<u8, CommandError> {
    if !args.dry_run {
        refuse_held(context, node.as_ref()).await?;
    }
    let name = node.as_ref().map_or_else(|| "this node".to_owned(), ToString::to_string);
    let mut link = Link::open(&name, node.as_ref()).await.map_err(refused)?;
    let there = link.restorables().await.map_err(refused)?;
    let found = there.iter().find(|one| one.what == earlier.what && one.run == earlier.run).cloned();
    let found = found.ok_or_else(|| gone(&earlier, &there))?;
    let taken = at(&found);
    // Whole seconds, as it is shown and typed.
    let since = jiff::Timestamp::from_second(earlier.since.unwrap_or(taken).as_second()).unwrap_or(taken);
    let typed = args.discard_writes_since.map(jiff::Timestamp::as_second);
    if typed != Some(since.as_second()) && !args.dry_run {
        let lost = link.difference(earlier.what, &earlier.run).await.map_err(refused)?;
        return not_given_up(context, &found, since, typed.is_some(), lost);
    }
    drop(link);
    let mut facts = take(node.as_ref()).await?.facts;
    if facts.cluster.is_none() {
        facts.cluster = earlier.known.and_then(|known| known.cluster);
    }
    let source = RestoreSource {
        what: found.what,
        run: found.run,
        taken_at: taken,
        revision: found.revision,
        path: found.path,
        binary: found.binary,
        binary_digest: found.binary_digest,
        binary_size: found.binary_size,
    };
    let plan = restore_plan(&facts, found.version, found.datastore, source, (node, backup_to), args.soak, today())?;
    if args.dry_run {
        return shown(context, &plan);
    }
    carry_out(context, Prepared { plan, facts, findings: Vec::new(), preview: None, artifact: PathBuf::new() }).await
}

fn shown(context: &Context, plan: &Plan) -> Result<u8, CommandError> {
    match context.format {
        OutputFormat::Json => output::json(plan)?,
        OutputFormat::Text => {
            output::print(&belay_report::plan_text(plan, output::style()));
            output::print("\nNothing was changed (--dry-run).\n");
        }
    }
    Ok(0)
}

/// What would be lost, and how to say that it may be.
fn not_given_up(
    context: &Context,
    found: &Restorable,
    since: jiff::Timestamp,
    typed: bool,
    lost: Difference,
) -> Result<u8, CommandError> {
    let objects: Vec<LostObject> = lost.objects.iter().map(named).collect();
    let n = objects.len() + usize::try_from(lost.unlisted).unwrap_or(usize::MAX);
    let (verb, moment) = match found.what {
        CopyKind::Kept => ("rollback", "commit"),
        CopyKind::Backup => ("restore", "backup"),
    };
    let why = if typed { format!("that is not the time of the {moment}; ") } else { String::new() };
    let error = CommandError::refused(format!(
        "{why}going back to {} as of {} gives up {} written since then",
        found.version,
        at(found),
        count(n, "object", "objects"),
    ))
    .hinted(format!(
        "to give them up, name the time of the {moment}: belay {verb} {} --discard-writes-since {since}",
        found.run
    ))
    .hinted("the present is backed up first, and comes back by itself if the earlier version does not hold");
    match context.format {
        OutputFormat::Text => {
            show(&objects, n, lost.complete);
            Err(error)
        }
        // One document, the error in it.
        OutputFormat::Json => {
            let (complete, uncounted) = (lost.complete, &lost.uncounted);
            let message = serde_json::json!({ "message": error.message, "next": error.hints });
            let model = serde_json::json!({
                "error": message, "earlier": found, "discard-writes-since": since,
                "lost": objects, "lost-complete": complete, "uncounted": uncounted,
            });
            output::json(&model)?;
            Ok(error.exit_code())
        }
    }
}

fn show(objects: &[LostObject], n: usize, complete: bool) {
    let style = output::style();
    for object in people_first(objects).into_iter().take(SHOWN) {
        let line = format!("{:13} {}", object.change.replace('-', " "), object.display());
        output::print(&style.paragraph(Mark::Plain, &line));
    }
    if n > SHOWN {
        output::print(&style.paragraph(Mark::Plain, &format!("and {} more: --output json", n - SHOWN)));
    }
    if !complete {
        let unsure = "Not all that was written can be told any more: there may be more than this list.";
        output::print(&style.paragraph(Mark::Unsure, unsure));
    }
}

fn named(lost: &belay_node::LostObject) -> LostObject {
    let change = serde_json::to_value(lost.change).ok().and_then(|value| value.as_str().map(str::to_owned));
    LostObject {
        resource: lost.resource.clone(),
        namespace: lost.namespace.clone(),
        name: lost.name.clone(),
        change: change.unwrap_or_default(),
        key: lost.key.clone(),
    }
}

fn at(found: &Restorable) -> jiff::Timestamp {
    jiff::Timestamp::from_second(i64::try_from(found.taken_at_unix).unwrap_or(0)).unwrap_or_default()
}

fn gone(earlier: &Earlier, there: &[Restorable]) -> CommandError {
    match earlier.what {
        CopyKind::Kept => {
            let why = format!(
                "what would lead back from run {} is not on the node any more: the next run that commits and `belay prune` \
                 remove it",
                earlier.run
            );
            let other = way_back_of_another(there, &earlier.run);
            let error = other.into_iter().fold(CommandError::refused(why), CommandError::hinted);
            error.hinted("a backup of it may still be there: belay restore")
        }
        CopyKind::Backup => {
            CommandError::refused(format!("there is no proven backup of run {} on the node", earlier.run))
                .hinted("list them: belay restore")
        }
    }
}

pub fn refused(error: LinkError) -> CommandError {
    let hint = error.hint();
    hint.into_iter().fold(CommandError::refused(error), CommandError::hinted)
}
