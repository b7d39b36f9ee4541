use belay_checks::{Acceptance, Finding};
use belay_engine::{EndState, Event, Record, RunState};
use belay_facts::{Digest, Facts, K3sVersion, Span};
use belay_plan::{Artifact, Expect, Goal, Plan, Preview, WayBack, WayClass};
use serde::Serialize;

use crate::{quantity, verdict};

mod api;
mod disturbed;
mod facts;
mod gate;
mod journal;
mod lost;
mod receipt;
mod step;
mod turn;
mod unmeasured;

pub use api::{ApiGap, Direction, OutageReport, PortReport};
pub use disturbed::Disturbed;
pub use facts::{FactRow, FactsReport};
pub use gate::GateReport;
pub use journal::{EndReport, JournalReport, Noted, ResumeReport};
pub use lost::{Lost, LostObject, people_first};
pub use receipt::Receipt;
pub use step::{Attempt, Found, StepOutcome, StepReport};
pub use turn::TurnReport;
pub use unmeasured::Unmeasured;

/// The first line of a report as JSON.
pub const FORMAT: &str = "report/v1";

/// Everything that is known about one run; also what `--output json` prints. Times are UTC, spans in `ms` or `s`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    pub belay: &'static str,
    pub run: String,
    /// UID of the namespace kube-system.
    pub cluster: String,
    pub nodes: Vec<String>,
    pub goal: Goal,
    pub from: K3sVersion,
    pub to: K3sVersion,
    pub plan: Digest,
    /// One sentence.
    pub verdict: String,
    /// `None` while the run is open.
    pub end: Option<EndReport>,
    pub exit_code: Option<u8>,
    /// What to do next, in order.
    pub next: Vec<String>,
    pub started: Option<jiff::Timestamp>,
    pub took: Option<Span>,
    /// Forward, and after a turn the way back.
    pub steps: Vec<StepReport>,
    pub gates: Vec<GateReport>,
    pub turn: Option<TurnReport>,
    /// Class binary did not hold, and the stopped copy followed: why.
    pub fall: Option<TurnReport>,
    /// The class that it went back by, once the new version may have written; after a fall `keep`.
    pub went_back_by: Option<WayClass>,
    pub api: ApiGap,
    pub way_back: WayBack,
    pub expect: Expect,
    pub receipt: Option<Receipt>,
    /// Where the backup was copied to, off the node if that could be.
    pub copied: Option<String>,
    pub lost: Option<Lost>,
    /// What leads back and stays on the nodes.
    pub stays: Vec<String>,
    pub artifacts: Vec<Artifact>,
    pub accepted: Vec<Acceptance>,
    pub findings: Vec<Finding>,
    /// What was foretold for workloads; `None` where nothing was, or it was not kept.
    pub preview: Option<Preview>,
    /// What became of the pods that ran before.
    pub disturbed: Option<Disturbed>,
    pub facts: Option<FactsReport>,
    pub resumes: Vec<ResumeReport>,
    pub notes: Vec<Noted>,
    pub journal: JournalReport,
}

impl Report {
    /// Folds a run. Total: a journal that ends in the middle, or that does not fit the plan, gives a report that says so.
    #[must_use]
    pub fn of(
        plan: &Plan,
        records: &[Record],
        before: Option<&Facts>,
        after: Option<&Facts>,
        findings: &[Finding],
    ) -> Self {
        let mut turns = records.iter().enumerate().filter(|(_, record)| matches!(record.event, Event::Turn { .. }));
        let (turn_at, fall_at) = (turns.next().map(|(index, _)| index), turns.next().map(|(index, _)| index));
        let mut steps = step::steps(plan, records, turn_at);
        let gates = gate::gates(&steps, records);
        gate::tally(&mut steps, &gates);
        let turn = turn::turn(records, turn_at, &gates);
        let fall = turn::turn(records, fall_at, &gates);
        let went_back_by = turn::class(plan.way_back.class, &steps);
        let end = journal::end(records);
        let wished = records.iter().any(|record| matches!(record.event, Event::Resumed { back: true, .. }));
        let mut report = Self {
            belay: FORMAT,
            run: plan.id.clone(),
            cluster: plan.cluster.id.clone(),
            nodes: plan.waves.iter().flat_map(|wave| wave.nodes.iter().cloned()).collect(),
            goal: plan.goal,
            from: plan.from.clone(),
            to: plan.to.clone(),
            plan: plan.digest,
            verdict: String::new(),
            exit_code: end
                .as_ref()
                .map(|end| end.state.exit_code(wished || turn.as_ref().is_some_and(|turn| turn.asked))),
            next: Vec::new(),
            started: records.first().map(|record| record.at),
            took: records.first().zip(records.last()).map(|(first, last)| quantity::between(first.at, last.at)),
            api: api::api(records, turn_at, &steps),
            way_back: plan.way_back.clone(),
            expect: plan.expect.clone(),
            receipt: receipt::receipt(&steps),
            copied: receipt::copied(&steps),
            lost: lost::lost(&steps, turn_at.is_some()),
            stays: receipt::stays(&steps),
            artifacts: plan.artifacts.clone(),
            accepted: plan.accepted.clone(),
            findings: findings.to_vec(),
            preview: None,
            disturbed: disturbed::disturbed(before, after),
            facts: facts::compare(before, after),
            resumes: journal::resumes(records),
            notes: journal::notes(records),
            journal: journal::journal(records, RunState::replay(plan, records).err()),
            end,
            steps,
            gates,
            turn,
            fall,
            went_back_by,
        };
        report.verdict = verdict::verdict(&report);
        report.next = verdict::next(&report);
        report
    }

    /// Of a run that somebody carries out now: it was not left, and nobody need go on with it.
    #[must_use]
    pub fn under_way(mut self, who: &str) -> Self {
        if self.end.is_none() {
            self.verdict = format!("This run goes on: {who} carries it out.");
            self.next = vec![format!("`belay watch {0}` follows it, `belay halt {0}` stops it safely.", self.run)];
        }
        self
    }

    /// The same with what was foretold for workloads when the run was begun.
    #[must_use]
    pub fn foretold(self, preview: Option<Preview>) -> Self {
        Self { preview, ..self }
    }

    /// The end state; `None` while the run is open.
    #[must_use]
    pub fn state(&self) -> Option<EndState> {
        self.end.as_ref().map(|end| end.state)
    }

    /// What the run was about, as its heading.
    #[must_use]
    pub fn title(&self) -> String {
        crate::title(self.goal, &self.from, &self.to, &self.subject())
    }

    /// Its nodes, for a sentence.
    #[must_use]
    pub fn subject(&self) -> String {
        self.nodes.join(", ")
    }
}
