//! Whether a journal is whole, on either side, and whether both sides tell one story.

use belay_engine::{Record, RunState};
use belay_journal::{JournalError, Tail};
use belay_plan::Plan;
use belay_runner::{NodeAccount, RunDir, disagreements};
use serde::Serialize;
use serde_json::Value;

use super::{Found, beside, found, node_side};
use crate::args::{JournalOf, OutputFormat};
use crate::commands::Context;
use crate::error::CommandError;
use crate::output;

/// What was found of one journal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verified {
    pub journal: String,
    pub side: Side,
    /// As its records say; `None` where there is none.
    pub run: Option<String>,
    pub whole: bool,
    /// Records before the first that is damaged; of a whole journal, all.
    pub records: u64,
    /// Hash of the last good record.
    pub last: Option<String>,
    /// Bytes of an incomplete last line, which was never acknowledged and is no damage.
    pub torn: u64,
    /// Number of the first record that is damaged or cannot follow what came before.
    pub damaged: Option<u64>,
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Coordinator,
    Node,
}

/// Both sides of a run, where both are there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Both {
    #[serde(flatten)]
    first: Verified,
    node: Option<Verified>,
    /// What one side has and the other denies.
    disagreements: Vec<String>,
    /// Why the node's journal was not looked at.
    not_compared: Option<String>,
}

pub async fn verify(context: &Context, args: &JournalOf) -> Result<u8, CommandError> {
    let journal = found(context, args).await?;
    let first = examine(&journal)?;
    let mut both = Both { first, node: None, disagreements: Vec::new(), not_compared: None };
    if let Some(dir) = &journal.dir {
        match node_side(context, Some(dir), &dir.id()).await {
            Ok(other) => {
                let node = examine(&other)?;
                if both.first.whole && node.whole {
                    both.disagreements = disagreements(&dir.records()?, &accounts(&other)?);
                }
                both.node = Some(node);
            }
            Err(error) => both.not_compared = Some(error.message),
        }
    }
    match context.format {
        OutputFormat::Json => output::json(&both)?,
        OutputFormat::Text => tell(&both),
    }
    let whole = both.first.whole && both.node.as_ref().is_none_or(|node| node.whole) && both.disagreements.is_empty();
    Ok(u8::from(!whole))
}

fn accounts(found: &Found) -> Result<Vec<NodeAccount>, CommandError> {
    let (records, _) = belay_journal::read_bytes::<Value>(&found.name, &found.bytes).map_err(CommandError::refused)?;
    Ok(records.iter().filter_map(|record| NodeAccount::of(&record.body)).collect())
}

/// A chain that holds says that nobody altered it; a replay, that it is the story of its plan.
pub(super) fn examine(found: &Found) -> Result<Verified, CommandError> {
    let mut verified = Verified {
        journal: found.name.display().to_string(),
        side: Side::Coordinator,
        run: found.dir.as_ref().map(RunDir::id),
        whole: true,
        records: 0,
        last: None,
        torn: 0,
        damaged: None,
        why: None,
    };
    let (records, tail) = match belay_journal::read_bytes::<Value>(&found.name, &found.bytes) {
        Ok(read) => read,
        Err(JournalError::Damaged { record, damage, .. }) => return Ok(verified.broken(record, damage.to_string())),
        Err(error) => return Err(CommandError::refused(error)),
    };
    verified.records = u64::try_from(records.len()).unwrap_or(u64::MAX);
    verified.last = records.last().map(|record| record.hash.clone());
    if let Tail::Torn { bytes, .. } = tail {
        verified.torn = bytes;
    }
    let told: Vec<NodeAccount> = records.iter().filter_map(|record| NodeAccount::of(&record.body)).collect();
    if !told.is_empty() {
        verified.side = Side::Node;
        verified.run = told.first().map(|first| first.run.clone());
        let odd = if told.len() < records.len() {
            records.iter().find(|record| NodeAccount::of(&record.body).is_none()).map(|odd| odd.seq)
        } else {
            None
        };
        let out_of_line = odd.map(|seq| (seq, "it is no record of a node")).or_else(|| out_of_line(&told));
        return Ok(match out_of_line {
            Some((seq, why)) => verified.broken(seq, why.to_owned()),
            None => verified,
        });
    }
    let records = match belay_journal::read_bytes::<Record>(&found.name, &found.bytes) {
        Ok((records, _)) => records,
        Err(JournalError::Damaged { record, damage, .. }) => return Ok(verified.broken(record, damage.to_string())),
        Err(error) => return Err(CommandError::refused(error)),
    };
    verified.run = verified.run.or_else(|| records.first().map(|first| first.body.run.clone()));
    let plan: Option<Plan> = found.dir.as_ref().map(RunDir::plan).transpose()?.or_else(|| beside(&found.name));
    if let Some(plan) = plan
        && let Err(illegal) = RunState::replay(&plan, records.iter().map(|record| &record.body))
    {
        let seq = u64::try_from(illegal.record).unwrap_or(u64::MAX);
        return Ok(verified.broken(seq, illegal.why.to_owned()));
    }
    Ok(verified)
}

/// The first record of a node that cannot follow the ones before it.
fn out_of_line(told: &[NodeAccount]) -> Option<(u64, &'static str)> {
    let mut before: Option<&NodeAccount> = None;
    for (account, seq) in told.iter().zip(1..) {
        if let Some(before) = before {
            if account.run != before.run {
                return Some((seq, "it belongs to another run"));
            }
            if account.generation < before.generation {
                return Some((seq, "its generation is older than one before it"));
            }
        }
        before = Some(account);
    }
    None
}

impl Verified {
    fn broken(self, record: u64, why: String) -> Self {
        let records = record.saturating_sub(1);
        Self { whole: false, records, last: None, torn: 0, damaged: Some(record), why: Some(why), ..self }
    }
}

fn tell(both: &Both) {
    output::print(&told(&both.first));
    if let Some(node) = &both.node {
        output::print(&told(node));
    }
    let style = output::style();
    for disagreement in &both.disagreements {
        output::print(&style.paragraph(belay_report::Mark::No, &format!("{disagreement}.")));
    }
    if let Some(why) = &both.not_compared {
        output::print(
            &style.paragraph(belay_report::Mark::Known, &format!("Not held against the node's journal: {why}.")),
        );
    } else if both.node.as_ref().is_some_and(|node| node.whole) && both.first.whole && both.disagreements.is_empty() {
        output::print(&style.paragraph(belay_report::Mark::Yes, "Coordinator and node tell one story."));
    }
}

/// The same words for either side.
pub(super) fn told(found: &Verified) -> String {
    let style = output::style();
    let name = &found.journal;
    if let (Some(record), Some(why)) = (found.damaged, &found.why) {
        let text = format!("{name}: record {record} is not whole: {why}. Records before it: {}.", found.records);
        return style.paragraph(belay_report::Mark::No, &text);
    }
    let records = belay_report::count(usize::try_from(found.records).unwrap_or(usize::MAX), "record", "records");
    let mut text = format!("{name}: {records}, each whole and naming the one before.");
    if let Some(last) = &found.last {
        text.push_str(&format!(" The last is {}.", last.chars().take(16).collect::<String>()));
    }
    if found.torn > 0 {
        text.push_str(&format!(" {} bytes of a record that was never acknowledged follow.", found.torn));
    }
    style.paragraph(belay_report::Mark::Yes, &text)
}
