use belay_engine::{Record, RunState};
use belay_journal::{JournalError, Tail};
use belay_runner::RunDir;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use crate::args::{JournalCommand, OutputFormat, RunArgs};
use crate::display;
use crate::error::CommandError;
use crate::output;

/// The journal itself, not what is made of it. Reads only, also while the run goes on.
pub fn journal(context: &Context, verb: &JournalCommand) -> Result<u8, CommandError> {
    match verb {
        JournalCommand::Show(args) => show(context, args),
        JournalCommand::Verify(args) => verify(context, args),
    }
}

fn show(context: &Context, args: &RunArgs) -> Result<u8, CommandError> {
    let dir = context.state.find(args.run.as_deref())?;
    match context.format {
        OutputFormat::Json => {
            let (records, _) =
                belay_journal::read::<Value>(&dir.journal_path()).map_err(|error| damaged(&dir, &error))?;
            let records: Vec<Value> = records
                .into_iter()
                .map(|record| serde_json::json!({ "seq": record.seq, "hash": record.hash, "record": record.body }))
                .collect();
            output::json(&records)?;
        }
        OutputFormat::Text => {
            let (records, tail) =
                belay_journal::read::<Record>(&dir.journal_path()).map_err(|error| damaged(&dir, &error))?;
            let records: Vec<Record> = records.into_iter().map(|record| record.body).collect();
            let style = output::style();
            if let Some(first) = records.first() {
                let heading = format!("{} · {} (UTC)", first.run, belay_report::moment(first.at));
                output::print(&format!("{}\n", style.bold(&heading)));
            }
            for (line, seq) in display::lines(&dir.plan()?, &records, style).iter().zip(1..) {
                output::print(&format!("{} {line}\n", style.dim(&format!("{seq:>4}"))));
            }
            if let Tail::Torn { bytes, .. } = tail {
                output::print(&style.dim(&format!("     {bytes} bytes of a record that was never acknowledged\n")));
            }
        }
    }
    Ok(0)
}

/// What `verify` found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Verified {
    run: String,
    whole: bool,
    /// Records before the first that is damaged; of a whole journal, all.
    records: u64,
    /// Hash of the last good record.
    last: Option<String>,
    /// Bytes of an incomplete last line, which was never acknowledged and is no damage.
    torn: u64,
    /// Number of the first record that is damaged or cannot follow what came before.
    damaged: Option<u64>,
    why: Option<String>,
}

fn verify(context: &Context, args: &RunArgs) -> Result<u8, CommandError> {
    let dir = context.state.find(args.run.as_deref())?;
    let found = examine(&dir)?;
    match context.format {
        OutputFormat::Json => output::json(&found)?,
        OutputFormat::Text => output::print(&told(&dir, &found)),
    }
    Ok(u8::from(!found.whole))
}

fn examine(dir: &RunDir) -> Result<Verified, CommandError> {
    let run = dir.id();
    let broken = |record: u64, why: String| Verified {
        run: dir.id(),
        whole: false,
        records: record.saturating_sub(1),
        last: None,
        torn: 0,
        damaged: Some(record),
        why: Some(why),
    };
    let verified = match belay_journal::verify(&dir.journal_path()) {
        Ok(verified) => verified,
        Err(JournalError::Damaged { record, damage, .. }) => return Ok(broken(record, damage.to_string())),
        Err(error) => return Err(damaged(dir, &error)),
    };
    // A chain that holds says that nobody altered it; a replay, that it is the story of this plan.
    let records = match belay_journal::read::<Record>(&dir.journal_path()) {
        Ok((records, _)) => records,
        Err(JournalError::Damaged { record, damage, .. }) => return Ok(broken(record, damage.to_string())),
        Err(error) => return Err(damaged(dir, &error)),
    };
    let bodies = records.iter().map(|record| &record.body);
    if let Err(illegal) = RunState::replay(&dir.plan()?, bodies) {
        return Ok(broken(u64::try_from(illegal.record).unwrap_or(u64::MAX), illegal.why.to_owned()));
    }
    let torn = match verified.tail {
        Tail::Torn { bytes, .. } => bytes,
        Tail::Clean => 0,
    };
    let last = (verified.records > 0).then_some(verified.last);
    Ok(Verified { run, whole: true, records: verified.records, last, torn, damaged: None, why: None })
}

fn told(dir: &RunDir, found: &Verified) -> String {
    let style = output::style();
    let path = dir.journal_path();
    if let (Some(record), Some(why)) = (found.damaged, &found.why) {
        let text =
            format!("{}: record {record} is not whole: {why}. Records before it: {}.", path.display(), found.records);
        return style.paragraph(belay_report::Mark::No, &text);
    }
    let records = belay_report::count(usize::try_from(found.records).unwrap_or(usize::MAX), "record", "records");
    let mut text = format!("{}: {records}, each whole and naming the one before.", path.display());
    if let Some(last) = &found.last {
        text.push_str(&format!(" The last is {}.", last.chars().take(16).collect::<String>()));
    }
    if found.torn > 0 {
        text.push_str(&format!(" {} bytes of a record that was never acknowledged follow.", found.torn));
    }
    style.paragraph(belay_report::Mark::Yes, &text)
}

fn damaged(dir: &RunDir, error: &JournalError) -> CommandError {
    CommandError::refused(error).hinted(format!("which record, and why: belay journal verify {}", dir.id()))
}

#[cfg(test)]
mod tests;
