//! The runs that reports are made of.

use belay_engine::{EndState, Event, FaultKind, Halt, ProbeState, TurnCause, Verdict};
use belay_plan::{GateName, Reached, StepKind};
use serde_json::{Value, json};

use super::{Story, answer, fault, proof, within_a_minor};

pub fn committed() -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Release);
    let stop = story.began("n1.stop");
    story.measured(&[(stop + 200, 8_120)]);
    story.end(EndState::Committed, "every gate said yes through the soak");
    story
}

/// Green everywhere, but the kubelet never came.
pub fn kubelet_no() -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Gate);
    let gate = "n1.gate";
    story.intent(gate);
    for name in [GateName::Identity, GateName::Invocation, GateName::Readyz] {
        story.now += 700;
        let (says, evidence) = answer(name);
        story.gate(gate, name, Verdict::Yes, says, evidence, 700);
    }
    story.now += 30_000;
    let says = "The node's lease was not renewed within 30 s of READY, though /readyz is ok and systemd says active.";
    let evidence = json!({"lease_renewed": false, "since_ready": "30s", "readyz": "ok", "unit": "active",
        "containerd": "never opened its socket", "log": ["containerd.log, last line 16:41:34"]});
    story.gate(gate, GateName::Kubelet, Verdict::No, says, evidence, 30_000);
    let fault = fault(FaultKind::GateNo, &format!("kubelet: {says}"), None);
    story.outcome(gate, 32_100, Value::Null, Some(fault.clone()));
    story.turn(Reached::Started, Some(gate), &format!("n1.gate: kubelet: {says}"), Some(fault));
    story.back();
    let (stop, back) = (story.began("n1.stop"), story.began("n1.back.stop"));
    story.measured(&[(stop + 200, 8_120), (back + 150, 7_910)]);
    story.end(EndState::Restored, &format!("n1.gate: kubelet: {says}"));
    story
}

/// Its coordinator was killed at the gates, and the node went back alone.
pub fn guarded(says: &str) -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Gate);
    story.intent("n1.gate");
    story.now += 500_000;
    story.generation = 8;
    story.event(Event::Resumed { by: "root".into(), belay: "0.1.0".into(), back: false });
    let cause = TurnCause { step: None, asked: false, why: says.to_owned(), fault: None };
    story.event(Event::Turn { reached: Reached::Started, cause });
    story.back();
    story.measured(&[]);
    story.end(EndState::Restored, says);
    story
}

impl Story {
    fn back(&mut self) {
        self.done("n1.back.stop", 2_020);
        self.done("n1.back.put-back", 230);
        self.done("n1.back.start", 4_900);
        self.gates_yes("n1.back.gate", 11_800);
        self.done("n1.back.release", 120);
    }
}

pub fn unchanged() -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Stage);
    let message =
        "the artifact k3s of v1.36.3+k3s1 has digest sha256:0000, the plan pins another: nothing was executed";
    let refused = fault(FaultKind::Refused, message, Some("download it again, or take another mirror with `--mirror`"));
    story.fails("n1.stage", 8_200, refused.clone());
    let why = format!("n1.stage: {message}");
    story.turn(Reached::Prepared, Some("n1.stage"), &why, Some(refused));
    story.done("n1.back.release", 90);
    story.measured(&[]);
    story.end(EndState::Unchanged, &why);
    story
}

pub fn needs_human() -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Start);
    let late = fault(FaultKind::Deadline, "K3s did not say READY within 120 s of its start", None);
    story.fails("n1.start", 120_000, late.clone());
    story.turn(
        Reached::Started,
        Some("n1.start"),
        "n1.start: K3s did not say READY within 120 s of its start",
        Some(late),
    );
    story.done("n1.back.stop", 2_020);
    let human = "the token in /etc/rancher/k3s/config.yaml is not the one of the kept server directory: put-back would start a server that cannot read its own data";
    story.fails(
        "n1.back.put-back",
        40,
        fault(FaultKind::Human, human, Some("put the former token back into config.yaml")),
    );
    let stop = story.began("n1.stop");
    story.measured(&[(stop + 200, 125_000)]);
    let last = story.records.last_mut().unwrap();
    if let Event::Measured { outages, .. } = &mut last.event {
        outages[0].to = None;
    }
    story.end(EndState::NeedsHuman, &format!("n1.back.put-back: {human}"));
    story
}

/// Killed in the swap, nobody has gone on with it.
pub fn open() -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Swap);
    story.intent("n1.swap");
    story
}

/// Killed in the swap, found done next morning, and brought to its end.
pub fn resumed() -> Story {
    let mut story = open();
    story.generation = 8;
    story.now += 9 * 3_600_000;
    story.event(Event::Resumed { by: "mara@laptop".to_owned(), belay: "0.1.1".to_owned(), back: false });
    let says = "the path names the new binary".to_owned();
    story.event(Event::Probed { step: "n1.swap".to_owned(), state: ProbeState::Done, proof: proof("n1.swap"), says });
    story.event(Event::Note { says: "K3s was down for 9 h while nobody went on".to_owned() });
    story.done("n1.start", 5_230);
    story.gates_yes("n1.gate", 12_400);
    story.gates_yes("n1.soak", 60_020);
    story.done("n1.commit", 210);
    story.measured(&[]);
    story.end(EndState::Committed, "every gate said yes through the soak");
    story
}

/// The new version never said READY: one long outage through the turn; asked for by nobody.
pub fn never_ready() -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Start);
    let late = fault(FaultKind::Deadline, "K3s did not say READY within 120 s of its start", None);
    story.fails("n1.start", 120_000, late.clone());
    story.turn(
        Reached::Started,
        Some("n1.start"),
        "n1.start: K3s did not say READY within 120 s of its start",
        Some(late),
    );
    story.back();
    let stop = story.began("n1.stop");
    story.measured(&[(stop + 200, 131_000)]);
    story.end(EndState::Restored, "n1.start: K3s did not say READY within 120 s of its start");
    story
}

/// A person changed her mind in the soak.
pub fn asked_back() -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Soak);
    story.intent("n1.soak");
    story.now += 12_000;
    story.turn(Reached::Started, None, "belay rollback by mara@laptop", None);
    story.back();
    let (stop, back) = (story.began("n1.stop"), story.began("n1.back.stop"));
    story.measured(&[(stop + 200, 8_120), (back + 150, 7_910)]);
    story.end(EndState::Restored, "belay rollback by mara@laptop");
    story
}

/// Halted in the soak, at its terminal or from another: the release was not at fault.
pub fn halted(halt: &Halt) -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Soak);
    let message = format!("the soak was not finished: {halt}");
    let refused = fault(FaultKind::Refused, &message, None);
    story.fails("n1.soak", 12_000, refused.clone());
    let why = format!("n1.soak: {message}");
    story.turn(Reached::Started, Some("n1.soak"), &why, Some(refused));
    story.back();
    let (stop, back) = (story.began("n1.stop"), story.began("n1.back.stop"));
    story.measured(&[(stop + 200, 8_120), (back + 150, 7_910)]);
    story.end(EndState::Restored, &why);
    story
}

/// Class binary: the kubelet never came, the binary was swapped back, and the data stayed.
pub fn swapped_back() -> Story {
    let mut story = turned(Story::of(within_a_minor()));
    story.gates_yes("n1.back.gate", 11_800);
    story.done("n1.back.release", 120);
    over(story)
}

/// The same, but the old version was not well on those data: the stopped copy followed.
pub fn fell() -> Story {
    let mut story = turned(Story::of(within_a_minor()));
    let says = "A write did not come back when it was read";
    let gate = "n1.back.gate";
    story.intent(gate);
    story.gate(gate, GateName::Datastore, Verdict::No, says, json!({"read-back": false}), 900);
    let no = fault(FaultKind::GateNo, &format!("gate datastore: {says}."), None);
    story.outcome(gate, 1_000, Value::Null, Some(no.clone()));
    let cause = belay_engine::TurnCause {
        step: Some(gate.to_owned()),
        asked: false,
        why: format!("{gate}: {}", no.message),
        fault: Some(no),
    };
    story.event(Event::Turn { reached: Reached::SwappedBack, cause });
    story.done("n1.back2.stop", 2_020);
    story.done("n1.back2.put-back", 230);
    story.done("n1.back2.start", 4_900);
    story.gates_yes("n1.back2.gate", 11_800);
    story.done("n1.back2.release", 120);
    over(story)
}

fn turned(mut story: Story) -> Story {
    story.forward(StepKind::Gate);
    story.intent("n1.gate");
    let says = "The node's lease was not renewed within 30 s of READY";
    story.now += 30_000;
    story.gate("n1.gate", GateName::Kubelet, Verdict::No, says, json!({"lease_renewed": false}), 30_000);
    let no = fault(FaultKind::GateNo, &format!("gate kubelet: {says}."), None);
    story.outcome("n1.gate", 30_100, Value::Null, Some(no.clone()));
    story.turn(Reached::Started, Some("n1.gate"), &format!("n1.gate: {}", no.message), Some(no));
    story.done("n1.back.stop", 2_020);
    story.done("n1.back.swap-back", 70);
    story.done("n1.back.start", 4_900);
    story
}

fn over(mut story: Story) -> Story {
    let (stop, back) = (story.began("n1.stop"), story.began("n1.back.stop"));
    story.measured(&[(stop + 200, 8_120), (back + 150, 7_910)]);
    let why = "n1.gate: gate kubelet: The node's lease was not renewed within 30 s of READY.";
    story.end(EndState::Restored, why);
    story
}
