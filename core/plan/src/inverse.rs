use belay_facts::WayClass;

use crate::{GateName, Plan, Step, StepKind};

/// How far a run has gone on its node when it turns back. Decides what the way back consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// `stop` was never begun: K3s runs as it was found, only our own files are taken away.
    Prepared,
    /// `stop` was begun and `start` was not: the new version never ran, so the data are the old version's.
    Stopped,
    /// `start` was begun, and the new version may have written; or `restore` was, and the data may be others.
    Started,
    /// The way back of class binary was begun and does not hold: the old version may have written as well, and the
    /// stopped copy follows. Not reached on the way forward.
    SwappedBack,
}

impl Reached {
    pub const ALL: [Self; 4] = [Self::Prepared, Self::Stopped, Self::Started, Self::SwappedBack];

    /// What the ids of its steps begin with, after the node: each step that a journal can name is named once.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Prepared | Self::Stopped | Self::Started => "back.",
            Self::SwappedBack => "back2.",
        }
    }
}

impl Plan {
    /// The steps of the way back from a point of this plan, in order. The inverse plan: there is no other way back.
    #[must_use]
    pub fn inverse(&self, reached: Reached) -> Vec<Step> {
        use StepKind::{Gate, PutBack, Release, Start, Stop, SwapBack};
        let kinds: &[StepKind] = match (reached, self.class_from(reached)) {
            (Reached::Prepared, _) => &[Release],
            (Reached::Stopped, _) => &[SwapBack, Start, Gate, Release],
            (Reached::Started, WayClass::Binary) => &[Stop, SwapBack, Start, Gate, Release],
            (Reached::Started, _) => &[Stop, PutBack, Start, Gate, Release],
            (Reached::SwappedBack, _) if self.falls_from(Reached::Started) => &[Stop, PutBack, Start, Gate, Release],
            (Reached::SwappedBack, _) => &[],
        };
        let mut steps = Vec::new();
        for node in self.waves.iter().rev().flat_map(|wave| &wave.nodes) {
            let forward = |kind| self.steps().find(|step| step.node == *node && step.kind == kind);
            for &kind in kinds {
                // A way back takes the deadline of the step that it undoes or repeats.
                let like = match kind {
                    SwapBack | PutBack => StepKind::Keep,
                    Release => StepKind::Commit,
                    other => other,
                };
                let Some(like) = forward(like) else { continue };
                let mut step = Step::new(node, reached.prefix(), kind, like.deadline);
                if kind == Gate {
                    // The old binary may never have run from an extracted directory that this run recorded, so
                    // invocation is asked in its weaker form; the rest is the same question.
                    step.gates = like.gates.iter().copied().filter(|gate| *gate != GateName::Probe).collect();
                    step.not_asked = like.not_asked.clone();
                }
                steps.push(step);
            }
        }
        steps
    }

    /// The class of the way back from a point of this plan.
    #[must_use]
    pub const fn class_from(&self, reached: Reached) -> WayClass {
        match reached {
            Reached::Prepared => WayClass::Untouched,
            Reached::Stopped | Reached::Started => self.way_back.class,
            Reached::SwappedBack => WayClass::Keep,
        }
    }

    /// Whether another way back follows the one from this point when that does not hold. The last has none.
    #[must_use]
    pub const fn falls_from(&self, reached: Reached) -> bool {
        matches!((reached, self.way_back.class), (Reached::Started, WayClass::Binary))
    }

    /// The step with this id, forward or on any way back.
    #[must_use]
    pub fn any_step(&self, id: &str) -> Option<Step> {
        let back = || Reached::ALL.into_iter().flat_map(|reached| self.inverse(reached)).find(|step| step.id == id);
        self.steps().find(|step| step.id == id).cloned().or_else(back)
    }
}
