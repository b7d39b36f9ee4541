use belay_facts::{NodeFacts, Span};
use serde::{Deserialize, Serialize};

use crate::planner::Measures;
use crate::{MeasuredRun, Plan, StepKind};

/// How long the API will be away, how long it takes in all, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expected {
    pub basis: Basis,
    pub api_gap: Range,
    /// Without the soak.
    pub duration: Range,
    /// `None` while there is no plan.
    pub soak: Option<Span>,
    /// What it is known from, the latest first; empty for an estimate.
    pub runs: Vec<MeasuredRun>,
    /// Beside an estimate: what was measured elsewhere, and where that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Earlier upgrades of this node.
    Measured,
    /// The node's last start, and sizes.
    Estimated,
}

/// From the shortest to the longest that was measured; of an estimate both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Range {
    pub least: Span,
    pub most: Span,
}

impl Range {
    fn over(spans: impl Iterator<Item = Span> + Clone) -> Option<Self> {
        Some(Self { least: spans.clone().min()?, most: spans.max()? })
    }

    const fn only(span: Span) -> Self {
        Self { least: span, most: span }
    }
}

/// An API gap: docs/performance.md, "The gap", real K3s, four of each.
const ELSEWHERE: &str = "5.00 s (median of 15, K3s 1.35.4 to 1.36.3, SQLite, 2 processors; docs/performance.md)";

impl Expected {
    pub(super) fn of(node: &NodeFacts, plan: Option<&Plan>, measured: &[MeasuredRun]) -> Self {
        let soak = plan.and_then(|plan| plan.steps().find(|step| step.kind == StepKind::Soak)?.length);
        let gaps = Range::over(measured.iter().map(|run| run.api_gap));
        let durations = Range::over(measured.iter().map(|run| run.duration));
        if let Some((api_gap, duration)) = gaps.zip(durations) {
            let runs = measured.to_vec();
            return Self { basis: Basis::Measured, api_gap, duration, soak, runs, elsewhere: None };
        }
        let expect = plan.map_or_else(
            || Measures::of(node, node.binary.as_ref().map_or(0, |binary| binary.size), Span::ZERO).expect(),
            |plan| plan.expect.clone(),
        );
        let soaked = soak.unwrap_or(Span::ZERO).as_millis();
        Self {
            basis: Basis::Estimated,
            api_gap: Range::only(expect.api_gap),
            duration: Range::only(Span::millis(expect.duration.as_millis().saturating_sub(soaked))),
            soak,
            runs: Vec::new(),
            elsewhere: Some(ELSEWHERE.to_owned()),
        }
    }
}
