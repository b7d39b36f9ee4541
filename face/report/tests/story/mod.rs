//! Journals as a run would write them, told step by step, for the report's tests.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "told for tests only, and each tells some"
)]

use std::collections::BTreeMap;

use belay_engine::{EndState, Event, Fault, FaultKind, GateAnswer, Outage, ProbeState, Record, TurnCause, Verdict};
use belay_facts::{Digest, Facts, Span};
use belay_plan::{Artifact, GateName, Plan, PlanRequest, Reached, StepKind};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Facts of one server with SQLite, before (`35.4`) or after (`36.3`).
pub fn facts(version: &str, ready: u32) -> Facts {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let disk = json!({"path": "/var/lib/rancher/k3s", "device": 1, "free": 9_000_000_000_u64, "total": 20_000_000_000_u64,
        "inodes_free": 900_000, "read_only": false, "exchange": true, "reflink": false});
    let value = json!({
        "belay": "facts/v1", "taken_at": "2026-11-23T16:39:40Z",
        "cluster": {
            "id": "ab434ebf-2dac-4817-9897-044681445b2d", "ca": digest("ca"), "version": version,
            "readiness": {"ok": true, "failing": []},
            "nodes": [{"name": "n1", "uid": "u1", "roles": ["control-plane"], "kubelet": version, "ready": true,
                "unschedulable": false, "pressure": []}],
            "workloads": [
                {"kind": "Deployment", "namespace": "default", "name": "web", "desired": 3, "ready": ready},
                {"kind": "StatefulSet", "namespace": "shop", "name": "db", "desired": 1, "ready": 1}],
            "dns": null, "canary": {"image": "docker.io/rancher/mirrored-pause:3.6"},
            "deprecated_apis": [], "upgrade_tools": []
        },
        "nodes": [{
            "name": "n1", "role": "server", "boot_id": "b1", "arch": "amd64", "kernel": "6.1.0", "os": "Debian GNU/Linux 12",
            "init": "systemd", "cgroup": "v2", "memory": null, "data_dir": "/var/lib/rancher/k3s",
            "unit": {"name": "k3s.service", "fragment": "/etc/systemd/system/k3s.service", "drop_ins": [], "digest": digest("unit"),
                "kind": "notify", "kill_mode": "process", "active_state": "active", "sub_state": "running", "enabled": true,
                "timeout_stop": "90s", "main_pid": 812, "invocation": "i1", "restarts": 0, "exec": ["/usr/local/bin/k3s", "server"],
                "last_start": "5s"},
            "binary": {"path": "/usr/local/bin/k3s", "resolved": "/usr/local/bin/k3s", "digest": digest(version), "size": 107_667_618,
                "version": version},
            "process": {"pid": 812, "exe": "/var/lib/rancher/k3s/data/x/bin/k3s", "data_hash": Digest::of(version.as_bytes()).short(8),
                "start_ticks": 1, "resident": 1},
            "data_links": [{"name": "current", "target": format!("data/{}", Digest::of(version.as_bytes()).short(8))}],
            "config": {"files": [], "digest": null, "keys": [], "unreadable": []},
            "datastore": {"kind": "sqlite", "path": "/var/lib/rancher/k3s/server/db/state.db", "size": 4_214_784, "integrity": "ok",
                "revision": 4711, "keys": 812},
            "certificates": [], "disks": {"data": disk}, "helper": {"version": "0.1.0", "uid": 0, "open_run": null}
        }]
    });
    Facts::from_json(&value.to_string()).unwrap()
}

pub fn plan() -> Plan {
    let request = PlanRequest {
        to: "v1.36.3+k3s1".parse().unwrap(),
        artifacts: vec![Artifact {
            name: "k3s".to_owned(),
            arch: "amd64".to_owned(),
            sha256: Digest::of(b"new"),
            size: 107_667_618,
            source: "https://github.com/k3s-io/k3s/releases/download/v1.36.3+k3s1/k3s".to_owned(),
            trust: "sums over https".to_owned(),
        }],
        soak: Span::seconds(60),
        backup_to: None,
        accepted: vec![belay_checks::Acceptance {
            rule: "belay-unknown-release".to_owned(),
            reason: "tried on the bench".to_owned(),
            by: "mara".to_owned(),
            until: "2026-12-31".parse().unwrap(),
        }],
        ssh: None,
        etcd: None,
        date: "2026-11-23".parse().unwrap(),
    };
    belay_plan::plan(&facts("v1.35.4+k3s1", 3), &[], &request).unwrap()
}

pub struct Story {
    pub plan: Plan,
    pub records: Vec<Record>,
    pub now: u64,
    pub generation: u64,
}

impl Story {
    pub fn begin() -> Self {
        let plan = plan();
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

    fn outcome(&mut self, step: &str, took: u64, proof: Value, fault: Option<Fault>) {
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
        let all: Vec<_> = self.plan.steps().cloned().chain(self.plan.inverse(Reached::Started)).collect();
        let gates = all.iter().find(|s| s.id == step).unwrap().gates.clone();
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
        self.event(Event::Measured { outages, shots: self.now / 100, seen: 4790 });
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

fn answer(gate: GateName) -> (&'static str, Value) {
    match gate {
        GateName::Identity => {
            ("It is the same cluster, CA and nodes.", json!({"cluster": "ab434ebf", "nodes": ["n1"]}))
        }
        GateName::Invocation => {
            ("Started once; what runs is what was staged.", json!({"invocation": "i2", "restarts": 0}))
        }
        GateName::Readyz => ("/readyz says ok.", json!({"failing": []})),
        GateName::Kubelet => {
            ("The lease was renewed, and the kubelet reports its version.", json!({"lease_renewed": true}))
        }
        GateName::Datastore => ("A write came back as it was written.", json!({"revision": 4720})),
        GateName::CanaryPod => ("A new pod was scheduled and answered.", json!({"node": "n1", "ready_after": "3s"})),
        GateName::Workloads => ("2 of 2 workloads are as ready as before.", json!({"worse": []})),
        GateName::Probe => ("No further outage.", json!({"outages": 1})),
        GateName::Dns => ("The cluster's DNS answers.", Value::Null),
    }
}

pub fn proof(step: &str) -> Value {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    match step.rsplit('.').next().unwrap() {
        "fence" => {
            json!({"generation": 7, "boot-id": "b1", "interlock": "/etc/systemd/system/k3s.service.d/50-belay-interlock.conf", "reserved": 67_108_864})
        }
        "stage" => {
            json!({"slot": "/usr/local/bin/.k3s.belay-2026-11-23", "digest": digest("new"), "version": "v1.36.3+k3s1",
            "data-hash": "4f1c", "inner": digest("inner"), "extracted-before": false})
        }
        "backup" => json!({"path": "/var/lib/belay/node/backups/2026-11-23", "bytes": 112_000_000}),
        "prove-backup" => {
            json!({"path": "/var/lib/belay/node/backups/2026-11-23", "kind": "sqlite", "taken-at-unix": 1_795_452_014,
            "size": 4_214_784, "digest": digest("db"), "integrity": "ok", "revision": 4711, "keys": 812, "root": digest("root"),
            "files": [["token", digest("token")], ["tls/server-ca.crt", digest("tls")]], "level": "readable"})
        }
        "stop" => json!({"active-state": "inactive", "invocation": "i1", "boot-id": "b1", "took": "2100ms"}),
        "keep" => {
            json!({"path": "/var/lib/rancher/k3s/server.belay-2026-11-23", "server-inode": 11, "keep-inode": 12, "boot-id": "b1",
            "invocation": "i1", "mark": {"files": [["db/state.db", 4_214_784, 1_795_452_020_000_000_000_i64, digest("db")]]},
            "revision": 4718, "bytes": 4_630_000, "links": [], "took": "131ms"})
        }
        "swap" | "swap-back" => {
            json!({"path": "/usr/local/bin/k3s", "digest": digest("new"), "slot": "/usr/local/bin/.k3s.belay-2026-11-23"})
        }
        "start" => json!({"invocation": "i2", "main-pid": 1412, "boot-id": "b1", "took": "5200ms"}),
        "put-back" => {
            json!({"server-inode": 12, "abandoned": "/var/lib/rancher/k3s/server.belay-abandoned", "digest": digest("old"),
            "revision": 5779, "kept-revision": 4718, "abandoned-revision": 4779, "links": [{"name": "current", "target": "data/35"}],
            "carried": ["manifests/mine.yaml"], "lost-complete": true, "lost": [
                {"resource": "configmaps", "namespace": "default", "name": "settings", "change": "changed", "key": "/registry/configmaps/default/settings"},
                {"resource": "secrets", "namespace": "shop", "name": "db-login", "change": "created", "key": "/registry/secrets/shop/db-login"},
                {"resource": "pods", "namespace": "default", "name": "belay-canary", "change": "came-and-went", "key": "/registry/pods/default/belay-canary"}],
            "uncounted": {"leases": 14, "events": 9}, "took": "220ms"})
        }
        "commit" | "release" => {
            json!({"stays": ["/var/lib/rancher/k3s/server.belay-2026-11-23", "/usr/local/bin/.k3s.belay-2026-11-23"]})
        }
        other => panic!("no proof for {other}"),
    }
}

pub fn fault(kind: FaultKind, message: &str, hint: Option<&str>) -> Fault {
    Fault { kind, message: message.to_owned(), hint: hint.map(str::to_owned) }
}

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
