use std::collections::BTreeMap;

use belay_engine::{Event, NodeProbe, Outage, Record};
use belay_facts::Span;
use jiff::Timestamp;
use serde::Serialize;

use super::unmeasured::unmeasured;
use super::{StepReport, Unmeasured};
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
    /// The parts of which nobody knows, since the run was left and resumed.
    pub unmeasured: Vec<Unmeasured>,
    pub outages: Vec<OutageReport>,
    /// Shots of the probe.
    pub shots: u64,
    /// The highest revision that any of them saw.
    pub seen: u64,
    /// Over SSH: what the node itself saw. It is another question than the probe's, so the two are never added or compared.
    pub on_node: Option<PortReport>,
}

/// How long nobody listened on the API's port, as the helper on the node saw it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortReport {
    pub port: u16,
    /// As for the gap of the API.
    pub forward: Option<Span>,
    pub back: Option<Span>,
    pub through: Option<Span>,
    /// False when a part was not seen: the run was left and resumed, or the connection was lost.
    pub complete: bool,
    pub closed: Vec<OutageReport>,
    pub looks: u64,
}

impl PortReport {
    /// `On the node nobody listened on port 6443 for 5.2 s.`
    #[must_use]
    pub fn sentence(&self) -> String {
        let remark = if self.complete { "" } else { ", as far as it was seen" };
        match spans([self.forward, self.through, self.back]).as_str() {
            "" => format!("On the node somebody always listened on port {}{remark}.", self.port),
            gaps => format!("On the node nobody listened on port {} for {gaps}{remark}.", self.port),
        }
    }
}

fn spans(spans: [Option<Span>; 3]) -> String {
    let told: Vec<String> = spans.into_iter().flatten().map(|span| duration(span).replace(' ', "\u{a0}")).collect();
    told.join(" + ")
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
        let (gaps, remark) = self.parts();
        if remark.is_empty() { gaps } else { format!("{gaps} {remark}") }
    }

    /// The gaps, and what is to be said about them.
    pub(crate) fn parts(&self) -> (String, String) {
        let gaps = spans([self.forward, self.through, self.back]);
        let still_down = self.outages.last().is_some_and(|outage| outage.to.is_none());
        let remark = match (self.complete, self.through) {
            _ if still_down => "and still down when the probe ended",
            (false, _) if self.shots == 0 => "",
            (false, _) => self.unknown(),
            (true, Some(_)) => "from the first stop to the old version",
            (true, None) => "",
        };
        let least = if self.unmeasured.is_empty() { "" } else { "at least " };
        let gaps = match gaps.is_empty() {
            true if self.complete => "none".to_owned(),
            true if self.shots == 0 => "not measured".to_owned(),
            true => "none seen".to_owned(),
            false => format!("{least}{gaps}"),
        };
        (gaps, remark.to_owned())
    }

    /// What was not measured.
    fn unknown(&self) -> &'static str {
        let killed = self.unmeasured.iter().any(|part| part.killed);
        let down = self.unmeasured.iter().any(|part| part.down);
        match (self.unmeasured.is_empty(), killed, down) {
            (true, ..) => "(incomplete)",
            (_, true, true) => "(not measured until the run was resumed, and K3s was down then)",
            (_, true, false) => "(not measured until the run was resumed)",
            (_, false, true) => "(not measured while the run was left, and K3s was down then)",
            (_, false, false) => "(not measured while the run was left)",
        }
    }
}

pub(super) fn api(records: &[Record], turn_at: Option<usize>, steps: &[StepReport]) -> ApiGap {
    // A record holds all that its process has measured so far, so of one process only the last counts.
    let mut processes: BTreeMap<u64, (&Vec<Outage>, u64, u64)> = BTreeMap::new();
    let mut on_node: BTreeMap<u64, &NodeProbe> = BTreeMap::new();
    for record in records {
        if let Event::Measured { outages, shots, seen, on_node: probe } = &record.event {
            processes.insert(record.generation, (outages, *shots, *seen));
            on_node.extend(probe.iter().map(|probe| (record.generation, probe)));
        }
    }
    let turn = turn_at.and_then(|index| records.get(index)).map(|record| record.at);
    let outages: Vec<OutageReport> =
        processes.values().flat_map(|(outages, ..)| outages.iter()).map(|outage| place(outage, turn)).collect();
    // A lost connection to the node is no outage of its API: that time is listed, and was not measured.
    let unseen = processes.values().any(|(outages, ..)| outages.iter().any(Outage::is_unseen));
    let sum = |direction| sum(&outages, direction);
    let resumed = records.iter().any(|record| matches!(record.event, Event::Resumed { .. }));
    ApiGap {
        forward: sum(Direction::Forward),
        back: sum(Direction::Back),
        through: sum(Direction::Through),
        unmeasured: unmeasured(records, steps),
        complete: !processes.is_empty() && !resumed && !unseen && outages.iter().all(|outage| outage.to.is_some()),
        shots: processes.values().map(|(_, shots, _)| *shots).fold(0, u64::saturating_add),
        seen: processes.values().map(|(_, _, seen)| *seen).max().unwrap_or(0),
        on_node: on_node.values().next_back().map(|last| {
            let closed: Vec<OutageReport> =
                on_node.values().flat_map(|probe| &probe.closed).map(|closed| place(closed, turn)).collect();
            PortReport {
                port: last.port,
                forward: self::sum(&closed, Direction::Forward),
                back: self::sum(&closed, Direction::Back),
                through: self::sum(&closed, Direction::Through),
                complete: !resumed
                    && on_node.values().all(|probe| probe.whole)
                    && closed.iter().all(|c| c.to.is_some()),
                looks: on_node.values().map(|probe| probe.looks).fold(0, u64::saturating_add),
                closed,
            }
        }),
        outages,
    }
}

/// `None` when there was none in this direction.
fn sum(outages: &[OutageReport], direction: Direction) -> Option<Span> {
    let counted = outages.iter().filter(|o| o.direction == direction && !o.is_unseen());
    let gaps: Vec<Span> = counted.map(|o| o.gap).collect();
    (!gaps.is_empty()).then(|| gaps.into_iter().sum())
}

fn place(outage: &Outage, turn: Option<Timestamp>) -> OutageReport {
    let direction = match turn {
        Some(turn) if outage.from >= turn => Direction::Back,
        Some(turn) if outage.to.is_none_or(|to| to > turn) => Direction::Through,
        _ => Direction::Forward,
    };
    OutageReport { direction, from: outage.from, to: outage.to, gap: outage.gap, causes: outage.causes.clone() }
}
