use std::collections::BTreeSet;
use std::fmt;

use belay_facts::{Span, WayClass};

use crate::lease::shortest_lease;
use crate::{Goal, Plan, Step, StepKind};

/// A rule for plans that a plan breaks. A planner's bug, or an edited file with a forged digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lint {
    NoSteps,
    RepeatedStep(String),
    StrangeNode {
        step: String,
        node: String,
    },
    /// A step that must come before another one on the same node does not (I4, I6, I7, I10).
    Order {
        node: String,
        first: StepKind,
        then: StepKind,
    },
    NoDeadline(String),
    /// Nobody finishes alone what a coordinator that goes away leaves on the node (I9, I25). Plans of earlier builds.
    Unguarded {
        node: String,
    },
    /// A coordinator that only waits for a step would be taken for gone (I17).
    ShortLease {
        step: String,
        lease: Span,
        shortest: Span,
    },
    SoakWithoutLength(String),
    GateAsksNothing(String),
    /// The id is a file name on the coordinator and on nodes.
    Id(String),
    WrongWay(String),
    /// A plan that restores names what, and no other plan does.
    RestoresNothing,
    /// The class of the way back is not one that a plan of this goal, or between these versions, can have.
    WrongClass(WayClass),
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSteps => f.write_str("it has no steps"),
            Self::RepeatedStep(id) => write!(f, "step {id} is there twice"),
            Self::StrangeNode { step, node } => write!(f, "step {step} is for {node}, which its wave does not name"),
            Self::Order { node, first, then } => write!(f, "on {node}, {first} must come before {then}"),
            Self::NoDeadline(id) => write!(f, "step {id} has no deadline"),
            Self::Unguarded { node } => {
                write!(f, "on {node}, no arm-guard comes before stop: nothing would bring it back without us")
            }
            Self::ShortLease { step, lease, shortest } => {
                write!(f, "step {step} has a lease of {lease}; the deadlines of the steps after it need {shortest}")
            }
            Self::SoakWithoutLength(id) => {
                write!(f, "step {id} does not say how long to soak, or its deadline is shorter")
            }
            Self::GateAsksNothing(id) => write!(f, "step {id} asks nothing"),
            Self::Id(id) => write!(f, "its id `{id}` is not a date and four hex digits of its digest"),
            Self::RestoresNothing => f.write_str("what it restores and what it is for do not agree"),
            Self::WrongClass(class) => write!(f, "its way back cannot be of class {class}"),
            Self::WrongWay(id) => write!(f, "step {id} has no place in a plan like this"),
        }
    }
}

impl Plan {
    /// Every rule that this plan breaks; empty for a good plan.
    #[must_use]
    pub fn lint(&self) -> Vec<Lint> {
        let mut lints = Vec::new();
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !self.id.chars().all(safe) || !self.id.ends_with(&format!("-{}", self.digest.short(4))) {
            lints.push(Lint::Id(self.id.clone()));
        }
        if self.steps().next().is_none() {
            lints.push(Lint::NoSteps);
        }
        if (self.goal == Goal::Restore) != self.restore.is_some() {
            lints.push(Lint::RestoresNothing);
        }
        let same_minor = self.from.minor_name() == self.to.minor_name();
        let fits = match self.way_back.class {
            WayClass::Keep => self.goal != Goal::Backup,
            WayClass::Binary => self.goal == Goal::Upgrade && same_minor,
            WayClass::Untouched => self.goal == Goal::Backup,
        };
        if !fits {
            lints.push(Lint::WrongClass(self.way_back.class));
        }
        let mut seen = BTreeSet::new();
        let expected = self.goal.steps(self.backup_to.is_some());
        for wave in &self.waves {
            for step in &wave.steps {
                if !seen.insert(&step.id) {
                    lints.push(Lint::RepeatedStep(step.id.clone()));
                }
                if !wave.nodes.contains(&step.node) {
                    lints.push(Lint::StrangeNode { step: step.id.clone(), node: step.node.clone() });
                }
                if step.deadline == Span::ZERO {
                    lints.push(Lint::NoDeadline(step.id.clone()));
                }
                if !expected.contains(&step.kind) {
                    lints.push(Lint::WrongWay(step.id.clone()));
                }
                if step.kind == StepKind::Soak && step.length.is_none_or(|length| length >= step.deadline) {
                    lints.push(Lint::SoakWithoutLength(step.id.clone()));
                }
                let asks = matches!(step.kind, StepKind::Baseline | StepKind::Gate | StepKind::Soak);
                if asks && step.gates.is_empty() {
                    lints.push(Lint::GateAsksNothing(step.id.clone()));
                }
            }
            for node in &wave.nodes {
                let steps = || wave.steps.iter().filter(|step| step.node == *node);
                let kinds: Vec<StepKind> = steps().map(|step| step.kind).collect();
                let mut expected = expected.clone();
                if expected.contains(&StepKind::ArmGuard) && !kinds.contains(&StepKind::ArmGuard) {
                    lints.push(Lint::Unguarded { node: node.clone() });
                    expected.retain(|kind| *kind != StepKind::ArmGuard);
                }
                lints.extend(order(node, &expected, &kinds));
                let shortest = shortest_lease(steps());
                lints.extend(
                    steps().find(|step| step.kind == StepKind::ArmGuard).and_then(|step| short(step, shortest)),
                );
            }
        }
        lints
    }
}

/// The guard of a plan fires only when nobody waits any more.
fn short(step: &Step, shortest: Span) -> Option<Lint> {
    let lease = step.lease.unwrap_or(Span::ZERO);
    (lease < shortest).then(|| Lint::ShortLease { step: step.id.clone(), lease, shortest })
}

/// All kinds that the goal asks for, in order.
fn order(node: &str, expected: &[StepKind], kinds: &[StepKind]) -> Option<Lint> {
    for (first, then) in expected.iter().zip(expected.iter().skip(1)) {
        let place = |kind| kinds.iter().position(|k| k == kind);
        let in_order = matches!((place(first), place(then)), (Some(a), Some(b)) if a < b);
        if !in_order {
            return Some(Lint::Order { node: node.to_owned(), first: *first, then: *then });
        }
    }
    None
}
