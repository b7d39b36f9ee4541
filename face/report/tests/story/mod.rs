//! Journals as a run would write them, told step by step, for the report's tests.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "told for tests only, and each tells some"
)]

mod proofs;
mod server;
mod tales;

use std::collections::BTreeMap;

use belay_engine::{EndState, Event, Fault, FaultKind, GateAnswer, Outage, Record, TurnCause, Verdict};
use belay_facts::Span;
use belay_plan::{GateName, Plan, Reached, StepKind};
use jiff::Timestamp;
pub use proofs::{answer, proof};
use serde_json::Value;
pub use server::{facts, plan, within_a_minor};
pub use tales::*;

pub struct Story {
    pub plan: Plan,
    pub records: Vec<Record>,
    pub now: u64,
    pub generation: u64,
}

impl Story {
    pub fn begin() -> Self {
        Self::of(plan())
    }

    pub fn of(plan: Plan) -> Self {
        let mut story = Self { plan, records: Vec::new(), now: 0, generation: 7 };
        let (digest, from, to) = (story.plan.digest, story.plan.from.clone(), story.plan.to.clone());
        story.event(Event::Open { plan: digest, from, to, by: "root@n1".to_owned(), belay: "0.1.0".to_owned() });
        story
    }

    pub fn at(&self) -> Timestamp {
        Timestamp::from_millisecond(1_795_452_002_000 + i64::try_from(self.now).unwrap()).unwrap()
    }

    pub fn event(&mut self, event: Event) {
        let at = self.at();
        let (run, generation) = (self.plan.id.clone(), self.generation);
        self.records.push(Record { run, generation, at, up: 100_000 + self.now, boot: "b1".to_owned(), event });
        self.now += 3;
    }

    pub fn intent(&mut self, step: &str) {
        let begun = |r: &&Record| matches!(&r.event, Event::Intent { step: s, .. } if s == step);
        let attempt = u32::try_from(self.records.iter().filter(begun).count()).unwrap() + 1;
        self.event(Event::Intent { step: step.to_owned(), attempt });
    }

    pub fn outcome(&mut self, step: &str, took: u64, proof: Value, fault: Option<Fault>) {
        let ok = fault.is_none();
        self.event(Event::Outcome { step: step.to_owned(), ok, proof, fault, took: Span::millis(took) });
    }

    pub fn done(&mut self, step: &str, took: u64) {
        self.intent(step);
        self.now += took;
        self.outcome(step, took, proof(step), None);
    }

    pub fn fails(&mut self, step: &str, took: u64, fault: Fault) {
        self.intent(step);
        self.now += took;
        self.outcome(step, took, Value::Null, Some(fault));
    }

    pub fn gate(&mut self, step: &str, name: GateName, verdict: Verdict, says: &str, evidence: Value, after: u64) {
        let answer = GateAnswer { name, verdict, says: says.to_owned(), evidence, after: Span::millis(after) };
        self.event(Event::Gate { step: step.to_owned(), answer });
    }

    /// All gates of a step say yes, within `took`.
    pub fn gates_yes(&mut self, step: &str, took: u64) {
        self.intent(step);
        self.yes(step, took);
        self.outcome(step, took, Value::Null, None);
    }

    fn yes(&mut self, step: &str, took: u64) {
        let gates = self.plan.any_step(step).unwrap().gates;
        let each = took / u64::try_from(gates.len()).unwrap();
        for (index, gate) in gates.into_iter().enumerate() {
            self.now += each;
            let (says, evidence) = answer(gate);
            self.gate(step, gate, Verdict::Yes, says, evidence, each * (u64::try_from(index).unwrap() + 1));
        }
    }

    pub fn forward(&mut self, until: StepKind) {
        for (kind, took) in [
            (StepKind::Fence, 412),
            (StepKind::Stage, 11_240),
            (StepKind::Backup, 1_310),
            (StepKind::ProveBackup, 640),
            (StepKind::Baseline, 2_030),
            (StepKind::ArmGuard, 90),
            (StepKind::Stop, 2_100),
            (StepKind::Keep, 140),
            (StepKind::Swap, 60),
            (StepKind::Start, 5_230),
            (StepKind::Gate, 12_400),
            (StepKind::Soak, 60_020),
            (StepKind::Commit, 210),
        ] {
            if kind == until {
                return;
            }
            let step = format!("n1.{kind}");
            match kind {
                StepKind::Baseline | StepKind::Gate | StepKind::Soak => self.gates_yes(&step, took),
                _ => self.done(&step, took),
            }
        }
    }

    pub fn turn(&mut self, reached: Reached, step: Option<&str>, why: &str, fault: Option<Fault>) {
        let cause = TurnCause { step: step.map(str::to_owned), asked: step.is_none(), why: why.to_owned(), fault };
        self.event(Event::Turn { reached, cause });
    }

    pub fn measured(&mut self, outages: &[(u64, u64)]) {
        let outage = |(from, gap): &(u64, u64)| {
            let from = Timestamp::from_millisecond(1_795_452_002_000 + i64::try_from(*from).unwrap()).unwrap();
            let to = from.checked_add(std::time::Duration::from_millis(*gap)).unwrap();
            let causes = BTreeMap::from([("refused".to_owned(), gap / 110), ("timeout".to_owned(), 2)]);
            Outage { from, to: Some(to), gap: Span::millis(*gap), causes }
        };
        let outages = outages.iter().map(outage).collect();
        self.event(Event::Measured { outages, shots: self.now / 100, seen: 4790, on_node: None });
    }

    pub fn end(&mut self, state: EndState, why: &str) {
        self.event(Event::End { state, why: why.to_owned() });
    }

    /// The time of the intent of a step, in milliseconds of the story.
    pub fn began(&self, step: &str) -> u64 {
        let of = |r: &&Record| matches!(&r.event, Event::Intent { step: s, .. } if s == step);
        self.records.iter().find(of).map(|r| r.up - 100_000).unwrap()
    }
}

pub fn fault(kind: FaultKind, message: &str, hint: Option<&str>) -> Fault {
    Fault { kind, message: message.to_owned(), hint: hint.map(str::to_owned) }
}
