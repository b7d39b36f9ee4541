use std::collections::BTreeMap;

use belay_engine::{Event, Outage, Record};
use belay_facts::Span;
use jiff::Timestamp;
use serde::Serialize;

use crate::duration;

/// How long the API did not answer, as the probe measured it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApiGap {
    /// Sum of the outages before the turn; `None` when nothing was measured.
    pub forward: Option<Span>,
    /// Sum of those after it.
    pub back: Option<Span>,
    /// Sum of those that lasted through it: the API never came up in between.
    pub through: Option<Span>,
    /// False when a part was not measured: the run was left and resumed, or the API was still down at the end.
    pub complete: bool,
    pub outages: Vec<OutageReport>,
    /// Shots of the probe.
    pub shots: u64,
    /// The highest revision that any of them saw.
    pub seen: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutageReport {
    pub direction: Direction,
    /// Start of the last good shot before it.
    pub from: Timestamp,
    /// End of the first good shot after it; `None`: it lasted when the probe ended.
    pub to: Option<Timestamp>,
    pub gap: Span,
    /// Failed shots by cause.
    pub causes: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Forward,
    /// It began before the turn and ended after it.
    Through,
    Back,
}

impl OutageReport {
    fn is_unseen(&self) -> bool {
        !self.causes.is_empty() && self.causes.keys().all(|cause| cause == Outage::UNSEEN)
    }
}

impl ApiGap {
    /// `8.1 s + 7.9 s`: forward and back; what could not be measured is said.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.parts() {
            (gaps, "") => gaps,
            (gaps, remark) => format!("{gaps} {remark}"),
        }
    }

    /// The gaps, and what is to be said about them.
    pub(crate) fn parts(&self) -> (String, &'static str) {
        let gaps: Vec<String> = [self.forward, self.through, self.back]
            .into_iter()
            .flatten()
            .map(|gap| duration(gap).replace(' ', "\u{a0}"))
            .collect();
        let still_down = self.outages.last().is_some_and(|outage| outage.to.is_none());
        let remark = match (self.complete, self.through) {
            _ if still_down => "and still down when the probe ended",
            (false, _) if self.shots == 0 => "",
            (false, _) => "(incomplete)",
            (true, Some(_)) => "from the first stop to the old version",
            (true, None) => "",
        };
        match gaps.is_empty() {
            true if self.complete => ("none".to_owned(), remark),
            true if self.shots == 0 => ("not measured".to_owned(), remark),
            true => ("none seen".to_owned(), remark),
            false => (gaps.join(" + "), remark),
        }
    }
}

pub(super) fn api(records: &[Record], turn_at: Option<usize>) -> ApiGap {
    // A record holds all that its process has measured so far, so of one process only the last counts.
    let mut processes: BTreeMap<u64, (&Vec<Outage>, u64, u64)> = BTreeMap::new();
    for record in records {
        if let Event::Measured { outages, shots, seen } = &record.event {
            processes.insert(record.generation, (outages, *shots, *seen));
        }
    }
    let turn = turn_at.and_then(|index| records.get(index)).map(|record| record.at);
    let outages: Vec<OutageReport> =
        processes.values().flat_map(|(outages, ..)| outages.iter()).map(|outage| place(outage, turn)).collect();
    // A lost connection to the node is no outage of its API: that time is listed, and was not measured.
    let unseen = processes.values().any(|(outages, ..)| outages.iter().any(Outage::is_unseen));
    let sum = |direction| {
        let counted = outages.iter().filter(|o| o.direction == direction && !o.is_unseen());
        let gaps: Vec<Span> = counted.map(|o| o.gap).collect();
        (!gaps.is_empty()).then(|| gaps.into_iter().sum())
    };
    let resumed = records.iter().any(|record| matches!(record.event, Event::Resumed { .. }));
    ApiGap {
        forward: sum(Direction::Forward),
        back: sum(Direction::Back),
        through: sum(Direction::Through),
        complete: !processes.is_empty() && !resumed && !unseen && outages.iter().all(|outage| outage.to.is_some()),
        shots: processes.values().map(|(_, shots, _)| *shots).fold(0, u64::saturating_add),
        seen: processes.values().map(|(_, _, seen)| *seen).max().unwrap_or(0),
        outages,
    }
}

fn place(outage: &Outage, turn: Option<Timestamp>) -> OutageReport {
    let direction = match turn {
        Some(turn) if outage.from >= turn => Direction::Back,
        Some(turn) if outage.to.is_none_or(|to| to > turn) => Direction::Through,
        _ => Direction::Forward,
    };
    OutageReport { direction, from: outage.from, to: outage.to, gap: outage.gap, causes: outage.causes.clone() }
}
