use belay_engine::{EndState, Event, IllegalEvent, Record};
use belay_facts::Digest;
use jiff::Timestamp;
use serde::Serialize;

/// How the run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EndReport {
    pub state: EndState,
    pub at: Timestamp,
    pub why: String,
}

/// Somebody went on with the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResumeReport {
    pub at: Timestamp,
    pub by: String,
    /// The version of Belay that went on.
    pub belay: String,
    pub generation: u64,
}

/// Something to know that is no step and no gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Noted {
    pub at: Timestamp,
    pub says: String,
}

/// What the journal itself is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct JournalReport {
    pub records: usize,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub opened_by: Option<String>,
    /// The version of Belay that opened it.
    pub belay: Option<String>,
    /// The plan that it was opened with; equal to the report's, or the journal is of another plan.
    pub plan: Option<Digest>,
    /// The highest fence.
    pub generation: u64,
    /// In order of first sight; more than one when the machine was restarted in between.
    pub boots: Vec<String>,
    /// Why the records cannot follow each other; `None` for a sound journal.
    pub unsound: Option<String>,
}

pub(super) fn journal(records: &[Record], illegal: Option<IllegalEvent>) -> JournalReport {
    let mut boots: Vec<String> = Vec::new();
    for record in records {
        if !boots.contains(&record.boot) {
            boots.push(record.boot.clone());
        }
    }
    let open = records.iter().find_map(|record| match &record.event {
        Event::Open { plan, by, belay, .. } => Some((*plan, by.clone(), belay.clone())),
        _ => None,
    });
    let (plan, opened_by, belay) =
        open.map_or((None, None, None), |(plan, by, belay)| (Some(plan), Some(by), Some(belay)));
    JournalReport {
        records: records.len(),
        first: records.first().map(|record| record.at),
        last: records.last().map(|record| record.at),
        opened_by,
        belay,
        plan,
        generation: records.iter().map(|record| record.generation).max().unwrap_or(0),
        boots,
        unsound: illegal.map(|illegal| illegal.to_string()),
    }
}

pub(super) fn end(records: &[Record]) -> Option<EndReport> {
    records.iter().rev().find_map(|record| match &record.event {
        Event::End { state, why } => Some(EndReport { state: *state, at: record.at, why: why.clone() }),
        _ => None,
    })
}

pub(super) fn resumes(records: &[Record]) -> Vec<ResumeReport> {
    let resume = |record: &Record| match &record.event {
        Event::Resumed { by, belay, .. } => {
            Some(ResumeReport { at: record.at, by: by.clone(), belay: belay.clone(), generation: record.generation })
        }
        _ => None,
    };
    records.iter().filter_map(resume).collect()
}

pub(super) fn notes(records: &[Record]) -> Vec<Noted> {
    let note = |record: &Record| match &record.event {
        Event::Note { says } | Event::Superseded { says } => Some(Noted { at: record.at, says: says.clone() }),
        _ => None,
    };
    records.iter().filter_map(note).collect()
}
