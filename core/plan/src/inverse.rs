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
}

impl Plan {
    /// The steps of the way back from a point of this plan, in order. The inverse plan: there is no other way back.
    #[must_use]
    pub fn inverse(&self, reached: Reached) -> Vec<Step> {
        use StepKind::{Gate, PutBack, Release, Start, Stop, SwapBack};
        let kinds: &[StepKind] = match reached {
            Reached::Prepared => &[Release],
            Reached::Stopped => &[SwapBack, Start, Gate, Release],
            Reached::Started => &[Stop, PutBack, Start, Gate, Release],
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
                let mut step = Step::new(node, "back.", kind, like.deadline);
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

    /// The step with this id, forward or on any way back.
    #[must_use]
    pub fn any_step(&self, id: &str) -> Option<Step> {
        let back = || {
            let ways = [Reached::Prepared, Reached::Stopped, Reached::Started];
            ways.into_iter().flat_map(|reached| self.inverse(reached)).find(|step| step.id == id)
        };
        self.steps().find(|step| step.id == id).cloned().or_else(back)
    }
}
