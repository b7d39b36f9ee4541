//! Whether K3s may be down because of this run.

use belay_plan::{Plan, Step, StepKind};

use super::{RunState, StepState};

impl RunState {
    /// Whether K3s may be down because of this run: from the begin of a stop until a start is proven. Here nothing halts
    /// (design.md §5), not even without a journal.
    #[must_use]
    pub fn may_be_down(&self, plan: &Plan) -> bool {
        if self.end.is_some() {
            return false;
        }
        let forward: Vec<Step> = plan.steps().cloned().collect();
        let stopped = |way: &[Step]| way.iter().any(|s| s.kind == StepKind::Stop && self.tries(&s.id) > 0);
        let started = |way: &[Step]| {
            let mut starts = way.iter().filter(|step| step.kind == StepKind::Start).peekable();
            starts.peek().is_some() && starts.all(|step| matches!(self.step(&step.id), StepState::Done { .. }))
        };
        match &self.turn {
            None => stopped(&forward) && !started(&forward),
            Some((reached, _)) => {
                let back = plan.inverse(*reached);
                let down = if back.iter().any(|step| step.kind == StepKind::Stop) {
                    // Until its own stop is begun, K3s is as the way before left it.
                    stopped(&back) || !started(&forward)
                } else {
                    stopped(&forward)
                };
                down && !started(&back)
            }
        }
    }
}
