use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use belay_engine::RunState;
use belay_node::Link;
use belay_report::{count, size};
use belay_runner::Holding;
use serde::Serialize;

use super::Context;
use super::run::{ensure_root, holding};
use crate::args::{OutputFormat, PruneArgs};
use crate::error::CommandError;
use crate::output;

/// What is left on the node and here, with sizes; removed when somebody says yes.
pub async fn prune(context: &Context, args: &PruneArgs) -> Result<u8, CommandError> {
    ensure_root(context.node())?;
    let name = context.node().map_or_else(|| "this node".to_owned(), ToString::to_string);
    let mut link = Link::open(&name, context.node()).await.map_err(refused)?;
    let here = cached_releases(context)?;
    // The node would refuse as well, but only we know whether that process lives.
    if let Some(holding) = holding(context, &mut link).await {
        return Err(nothing_beside(&holding));
    }
    let on_node = link.leftovers().await.map_err(refused)?;
    let items: Vec<Item> = on_node
        .iter()
        .map(|left| Item {
            what: left.what.name(),
            path: left.path.clone(),
            bytes: left.bytes,
            run: Some(left.run.clone()),
        })
        .chain(here)
        .collect();
    let dry = args.dry_run || items.is_empty();
    if context.format == OutputFormat::Text {
        show(&items);
    }
    if dry {
        return told(context, &items, &[]);
    }
    if !args.yes {
        confirm()?;
    }
    let paths = on_node.into_iter().map(|left| left.path).collect();
    let gone = link.prune(paths).await.map_err(refused)?;
    let mut removed: Vec<String> = gone.into_iter().map(|left| left.path).collect();
    for item in items.iter().filter(|item| item.run.is_none()) {
        belay_journal::durable::remove_tree(Path::new(&item.path))
            .map_err(|error| CommandError::refused(format!("{} could not be removed: {error}", item.path)))?;
        removed.push(item.path.clone());
    }
    told(context, &items, &removed)
}

/// One thing that may go.
#[derive(Clone, Debug, Serialize)]
struct Item {
    what: &'static str,
    path: String,
    /// Bytes.
    bytes: u64,
    /// `None` for a cached release, which belongs to no run.
    run: Option<String>,
}

/// The releases in the cache that no open run may still need.
fn cached_releases(context: &Context) -> Result<Vec<Item>, CommandError> {
    for run in context.state.runs()? {
        let (Ok(plan), Ok(records)) = (run.plan(), run.records()) else { continue };
        if RunState::replay(&plan, &records).is_ok_and(|state| state.end().is_none()) {
            return Err(nothing_beside(&run.holding()));
        }
    }
    let entries = std::fs::read_dir(context.state.releases()).into_iter().flatten().flatten();
    let mut releases: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    releases.sort();
    let item = |path: PathBuf| Item {
        what: "cached release",
        bytes: size_of(&path),
        path: path.to_string_lossy().into_owned(),
        run: None,
    };
    Ok(releases.into_iter().map(item).collect())
}

/// What lies there may lead an open run back.
fn nothing_beside(holding: &Holding) -> CommandError {
    CommandError::refused(format!("nothing is removed beside a run: {holding}")).hinted(holding.hint())
}

/// Bytes of the files in a directory of the cache, which has no directories in it.
fn size_of(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

fn show(items: &[Item]) {
    let style = output::style();
    for item in items {
        let of = item.run.as_ref().map_or_else(String::new, |run| format!("of run {run}"));
        let line = format!("{:>10}  {:16}{}", size(item.bytes), item.what, item.path);
        output::print(&format!("{} {}\n", style.plain(&line), style.dim(&of)));
    }
    if items.iter().any(|item| matches!(item.what, "other binary" | "kept copy")) {
        let warn = "The other binary and the kept copy are the way back to the version before; without them it is the backup alone.";
        output::print(&style.paragraph(belay_report::Mark::Unsure, warn));
    }
}

fn told(context: &Context, items: &[Item], removed: &[String]) -> Result<u8, CommandError> {
    #[derive(Serialize)]
    struct Pruned<'a> {
        leftovers: &'a [Item],
        removed: &'a [String],
    }
    match context.format {
        OutputFormat::Json => output::json(&Pruned { leftovers: items, removed })?,
        OutputFormat::Text if items.is_empty() => {
            output::print("Nothing to remove. The last good backup always stays.\n")
        }
        OutputFormat::Text if removed.is_empty() => {
            let all = size(items.iter().map(|item| item.bytes).sum());
            output::print(&format!(
                "{} in all. Nothing was removed (--dry-run). The last good backup always stays.\n",
                all
            ));
        }
        OutputFormat::Text => {
            let gone = items.iter().filter(|item| removed.contains(&item.path));
            let freed = size(gone.map(|item| item.bytes).sum());
            let things = count(removed.len(), "thing", "things");
            output::print(&format!("Removed {things}, about {freed}. The last good backup stays.\n"));
        }
    }
    Ok(0)
}

fn confirm() -> Result<(), CommandError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CommandError::refused("nobody can confirm: the input is not a terminal")
            .hinted("say --yes, or look first: belay prune --dry-run"));
    }
    output::say("\nRemove all of this? Type yes: ");
    let mut answer = String::new();
    match input.lock().read_line(&mut answer).map(|_| answer.trim().to_ascii_lowercase()) {
        Ok(answer) if answer == "yes" || answer == "y" => Ok(()),
        _ => Err(CommandError::refused("not confirmed; nothing was removed")),
    }
}

fn refused(error: belay_node::LinkError) -> CommandError {
    let hint = error.hint();
    hint.into_iter().fold(CommandError::refused(error), CommandError::hinted)
}

#[cfg(test)]
mod tests {
    use belay_plan::StepKind;
    use belay_runner::StateDir;

    use super::*;
    use crate::story::{self, Story};

    #[test]
    fn beside_a_run_that_goes_on_it_said_to_resume_it() {
        let temp = tempfile::tempdir().unwrap();
        let context = Context::new(StateDir::new(temp.path()), OutputFormat::Text, None);
        let mut story = Story::begin();
        story.forward(StepKind::Keep);
        let run = context.state.run(&story.plan.id);
        let mut journal = run.create(&story.plan.to_yaml().unwrap(), &story::facts("v1.35.4+k3s1", 3)).unwrap();
        for record in &story.records {
            journal.append(record).unwrap();
        }
        let goes_on = cached_releases(&context).unwrap_err();
        assert!(goes_on.hints.join(" ").contains("belay watch"), "{goes_on:?}");
        assert!(
            goes_on.message.contains("nothing is removed beside a run") && !goes_on.hints.join(" ").contains("resume")
        );
        drop(journal);
        let sign = run.path().join("journal.lock");
        let gone = std::fs::read_to_string(&sign).unwrap().replace("\"started\":", "\"started\":1");
        std::fs::write(&sign, gone).unwrap();
        let left = cached_releases(&context).unwrap_err();
        assert!(left.hints.join(" ").contains("belay resume"), "{left:?}");
    }
}
