use std::path::{Path, PathBuf};

use belay_engine::Record;
use belay_journal::{JournalError, Tail};
use belay_node::Link;
use belay_runner::{NodeAccount, RunDir};
use serde_json::Value;

use super::Context;
use crate::args::{JournalCommand, JournalOf, OutputFormat};
use crate::display;
use crate::error::CommandError;
use crate::output;

mod verify;

/// The journal itself, not what is made of it. Reads only, also while the run goes on.
pub async fn journal(context: &Context, verb: &JournalCommand) -> Result<u8, CommandError> {
    match verb {
        JournalCommand::Show(args) => show(context, &found(context, args).await?),
        JournalCommand::Verify(args) => verify::verify(context, args).await,
    }
}

/// One journal: its bytes, and what is known of where they are from.
struct Found {
    /// What it is called.
    name: PathBuf,
    bytes: Vec<u8>,
    /// The run whose coordinator wrote it; `None` of a node's, and of a file.
    dir: Option<RunDir>,
}

async fn found(context: &Context, args: &JournalOf) -> Result<Found, CommandError> {
    if let Some(path) = args.run.as_deref().map(Path::new).filter(|path| path.is_file()) {
        if args.node_side {
            return Err(CommandError::usage("a file is what it is: --node-side goes with a run"));
        }
        return Ok(Found { bytes: read(path)?, name: path.to_owned(), dir: None });
    }
    // Of a node whose coordinator is elsewhere, the run need not be known here.
    if args.node_side {
        let (known, run) = match (context.state.find(args.run.as_deref()), &args.run) {
            (Ok(dir), _) => (Some(dir.clone()), dir.id()),
            (Err(_), Some(run)) => (None, run.clone()),
            (Err(error), None) => return Err(error.into()),
        };
        return node_side(context, known.as_ref(), &run).await;
    }
    let dir = context.state.find(args.run.as_deref())?;
    let path = dir.journal_path();
    Ok(Found { bytes: read(&path)?, name: path, dir: Some(dir) })
}

/// What the node of a run keeps of it, brought here.
async fn node_side(context: &Context, dir: Option<&RunDir>, run: &str) -> Result<Found, CommandError> {
    let plan = dir.and_then(|dir| dir.plan().ok());
    let over = context.node_of(plan.as_ref());
    let node = over.as_ref().map_or_else(|| "this node".to_owned(), ToString::to_string);
    let mut link = Link::open(&node, over.as_ref()).await.map_err(super::take_back::refused)?;
    let bytes = link.journal(run).await.map_err(super::take_back::refused)?;
    let bytes = bytes.ok_or_else(|| {
        CommandError::refused(format!("{node} remembers nothing of run {run}"))
            .hinted("which runs a node has had: ls /var/lib/belay/node/runs on it")
    })?;
    Ok(Found { name: PathBuf::from(format!("{node}:/var/lib/belay/node/runs/{run}/journal")), bytes, dir: None })
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path).map_err(|error| CommandError::refused(format!("could not read {}: {error}", path.display())))
}

fn show(context: &Context, found: &Found) -> Result<u8, CommandError> {
    let damaged = |error: JournalError| {
        let which = found.dir.as_ref().map_or_else(|| found.name.display().to_string(), RunDir::id);
        CommandError::refused(error).hinted(format!("which record, and why: belay journal verify {which}"))
    };
    let (values, tail) = belay_journal::read_bytes::<Value>(&found.name, &found.bytes).map_err(damaged)?;
    if context.format == OutputFormat::Json {
        let records: Vec<Value> = values
            .into_iter()
            .map(|record| serde_json::json!({ "seq": record.seq, "hash": record.hash, "record": record.body }))
            .collect();
        output::json(&records)?;
        return Ok(0);
    }
    let style = output::style();
    let accounts: Vec<NodeAccount> = values.iter().filter_map(|record| NodeAccount::of(&record.body)).collect();
    let (heading, lines) = if accounts.is_empty() {
        let (records, _) = belay_journal::read_bytes::<Record>(&found.name, &found.bytes).map_err(damaged)?;
        let records: Vec<Record> = records.into_iter().map(|record| record.body).collect();
        let heading = records.first().map(|first| (first.run.clone(), first.at));
        let plan = found.dir.as_ref().map(RunDir::plan).transpose()?.or_else(|| beside(&found.name));
        let plan = plan.ok_or_else(|| {
            CommandError::refused(format!("{} has no plan beside it to tell its steps by", found.name.display()))
                .hinted("its records as they are: the same command with --output json")
        })?;
        (heading, display::lines(&plan, &records, style))
    } else {
        let heading = accounts.first().map(|first| (format!("{}, as the node tells it", first.run), moment(first)));
        (heading, accounts.iter().map(|account| line(account, style)).collect())
    };
    if let Some((run, at)) = heading {
        output::print(&format!("{}\n", style.bold(&format!("{run} · {} (UTC)", belay_report::moment(at)))));
    }
    for (line, seq) in lines.iter().zip(1..) {
        output::print(&format!("{} {line}\n", style.dim(&format!("{seq:>4}"))));
    }
    if let Tail::Torn { bytes, .. } = tail {
        output::print(&style.dim(&format!("     {bytes} bytes of a record that was never acknowledged\n")));
    }
    Ok(0)
}

/// The plan that a coordinator keeps beside its journal.
fn beside(journal: &Path) -> Option<belay_plan::Plan> {
    belay_plan::Plan::from_yaml(&std::fs::read_to_string(journal.with_file_name("plan.yaml")).ok()?).ok()
}

fn moment(account: &NodeAccount) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(i64::try_from(account.wall).unwrap_or(0)).unwrap_or_default()
}

fn line(account: &NodeAccount, style: belay_report::Style) -> String {
    use belay_report::Mark;
    let (mark, word) = match account.event.as_str() {
        "intent" => (Mark::Plain, "begun"),
        "outcome" => (Mark::Yes, "done"),
        "failed" => (Mark::No, "not done"),
        "vouched" => (Mark::Yes, "the gates said yes"),
        "turned" => (Mark::Back, "goes back"),
        "stood-down" => (Mark::No, "needs a human"),
        "ended" => (Mark::Plain, "ended"),
        other => (Mark::Known, other),
    };
    let text = [account.step.as_deref(), Some(word)].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let text = account.says.as_ref().map_or_else(|| text.clone(), |says| format!("{text}: {says}"));
    let (at, generation) = (belay_report::clock(moment(account)), account.generation);
    format!(
        "{} {} {} {}",
        style.dim(&at),
        style.mark(mark),
        style.plain(&text),
        style.dim(&format!("(gen {generation})"))
    )
}

#[cfg(test)]
mod tests;
