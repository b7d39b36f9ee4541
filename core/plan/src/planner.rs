use belay_checks::{Acceptance, Finding, Verdict};
use belay_facts::{DatastoreKind, Destination, Digest, Facts, K3sVersion, NodeFacts, Span};

use crate::{
    Artifact, ClusterRef, Expect, FORMAT, GateName, Goal, Material, Mebibytes, Part, Plan, Step, StepKind, Wave,
    WayBack, WayClass, lease,
};

/// What the user asked for, and what was found for it.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    pub to: K3sVersion,
    pub artifacts: Vec<Artifact>,
    pub soak: Span,
    pub accepted: Vec<Acceptance>,
    /// How the node is reached; `None` for this machine.
    pub ssh: Option<Destination>,
    /// The way back: `keep`, or `binary` where that was asked for.
    pub class: WayClass,
    /// What the release tables know of the parts that write to disk.
    pub parts: Vec<Part>,
    /// Where the backup is copied to, off the node if that may be.
    pub backup_to: Option<String>,
    /// The date that names the plan; given, because a planner has no clock.
    pub date: jiff::civil::Date,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{} block{} this upgrade: {}", count(.0.len()), if .0.len() == 1 { "s" } else { "" }, named(.0))]
    Blocked(Vec<Finding>),
    #[error("the facts lack what a plan stands on: the API, the unit, the binary or the datastore could not be read")]
    Facts,
    #[error("no artifact of {tag} for {arch}, the architecture of {node}")]
    Artifact { tag: K3sVersion, arch: String, node: String },
    #[error("nothing to do: {node} runs {tag} already")]
    NothingToDo { node: String, tag: K3sVersion },
    #[error("{0} nodes were given; this build upgrades a cluster of one server")]
    Nodes(usize),
    #[error("no way back of class binary from {from} to {to}: {}", .against.join("; "))]
    Binary { from: K3sVersion, to: K3sVersion, against: Vec<String> },
    #[error("{node} has a datastore of another kind now than when the {what} of run {run} was made")]
    Datastore { node: String, what: belay_facts::CopyKind, run: String },
}

fn count(findings: usize) -> String {
    if findings == 1 { "1 finding".to_owned() } else { format!("{findings} findings") }
}

/// Title and rule of each, so that whoever reads only the error knows what stands in the way. What is unknown is not told as if it
/// were so.
pub(crate) fn named(findings: &[Finding]) -> String {
    let (unknown, known): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.verdict == Verdict::Unknown);
    let told = |findings: &[&Finding]| {
        findings.iter().map(|f| format!("{} ({})", f.title, f.rule)).collect::<Vec<_>>().join("; ")
    };
    match (known.is_empty(), unknown.is_empty()) {
        (_, true) => told(&known),
        (true, false) => format!("it cannot be ruled out, since facts are missing: {}", told(&unknown)),
        (false, false) => {
            format!("{}; and it cannot be ruled out, since facts are missing: {}", told(&known), told(&unknown))
        }
    }
}

/// Makes the plan: same facts, findings and request, byte-identical plan.
///
/// # Errors
/// A refusal says what stands in the way.
pub fn plan(facts: &Facts, findings: &[Finding], request: &PlanRequest) -> Result<Plan, Refusal> {
    let blocking: Vec<Finding> =
        findings.iter().filter(|finding| belay_checks::blocks(std::slice::from_ref(*finding))).cloned().collect();
    if !blocking.is_empty() {
        return Err(Refusal::Blocked(blocking));
    }
    let material = Material::of(facts).ok_or(Refusal::Facts)?;
    let [node] = facts.nodes.as_slice() else { return Err(Refusal::Nodes(facts.nodes.len())) };
    let [touched] = material.touched.as_slice() else { return Err(Refusal::Facts) };
    let from = touched.version.clone();
    if from == request.to {
        return Err(Refusal::NothingToDo { node: node.name.clone(), tag: from });
    }
    let artifact = request.artifacts.iter().find(|artifact| artifact.arch == node.arch).ok_or_else(|| {
        Refusal::Artifact { tag: request.to.clone(), arch: node.arch.clone(), node: node.name.clone() }
    })?;
    let measures = Measures::of(node, artifact.size, request.soak);
    let (gates, not_asked) = questions(facts);
    let mut plan = Plan {
        belay: FORMAT.to_owned(),
        id: String::new(),
        goal: Goal::Upgrade,
        parent: facts.digest().ok_or(Refusal::Facts)?,
        cluster: ClusterRef { id: material.cluster.clone(), ca: material.ca },
        ssh: request.ssh.clone(),
        way_back: measures.way_back(&from, request, node)?,
        expect: measures.expect(),
        from,
        to: request.to.clone(),
        artifacts: vec![artifact.clone()],
        restore: None,
        backup_to: request.backup_to.clone(),
        accepted: request.accepted.clone(),
        waves: vec![Wave {
            name: "canary".to_owned(),
            nodes: vec![node.name.clone()],
            steps: measures.steps(&node.name, Goal::Upgrade, (&gates, &not_asked), request.backup_to.is_some()),
        }],
        material,
        digest: Digest::of(b""),
    };
    plan.sign(request.date);
    Ok(plan)
}

/// Makes the plan of a backup alone: the same steps as in an upgrade, and none that touches K3s.
///
/// # Errors
/// A refusal says what stands in the way.
pub fn backup_plan(
    facts: &Facts,
    ssh: Option<Destination>,
    backup_to: Option<String>,
    date: jiff::civil::Date,
) -> Result<Plan, Refusal> {
    let material = Material::of(facts).ok_or(Refusal::Facts)?;
    let [node] = facts.nodes.as_slice() else { return Err(Refusal::Nodes(facts.nodes.len())) };
    let [touched] = material.touched.as_slice() else { return Err(Refusal::Facts) };
    let binary = node.binary.as_ref().map_or(0, |binary| binary.size);
    let measures = Measures::of(node, binary, Span::ZERO);
    let duration = Measures::usual((binary + measures.datastore).saturating_mul(3)) + Span::seconds(3);
    let mut plan = Plan {
        belay: FORMAT.to_owned(),
        id: String::new(),
        goal: Goal::Backup,
        parent: facts.digest().ok_or(Refusal::Facts)?,
        cluster: ClusterRef { id: material.cluster.clone(), ca: material.ca },
        ssh,
        from: touched.version.clone(),
        to: touched.version.clone(),
        artifacts: Vec::new(),
        restore: None,
        way_back: WayBack {
            class: WayClass::Untouched,
            estimate: Span::ZERO,
            point_of_no_return: None,
            why: "a backup is an online copy: K3s goes on as it is".to_owned(),
            loses: "nothing".to_owned(),
        },
        expect: Expect {
            api_gap: Span::ZERO,
            duration: round(duration),
            disk: Mebibytes::of_bytes(binary + measures.datastore),
        },
        waves: vec![Wave {
            name: "backup".to_owned(),
            nodes: vec![node.name.clone()],
            steps: (Goal::Backup.steps(backup_to.is_some()).into_iter())
                .map(|kind| Step::new(&node.name, "", kind, measures.copying(kind)))
                .collect(),
        }],
        backup_to,
        accepted: Vec::new(),
        material,
        digest: Digest::of(b""),
    };
    plan.sign(date);
    Ok(plan)
}

/// Every gate that can give an answer here, and those that cannot: they are said, never silently dropped.
pub(crate) fn questions(facts: &Facts) -> (Vec<GateName>, Vec<GateName>) {
    let cluster = facts.cluster.as_ref();
    GateName::ALL.into_iter().partition(|gate| match gate {
        GateName::Dns => cluster.is_some_and(|cluster| cluster.dns.is_some()),
        GateName::CanaryPod => cluster.is_some_and(|cluster| cluster.canary.is_some()),
        GateName::Workloads => cluster.is_some_and(|cluster| cluster.workloads.is_some()),
        _ => true,
    })
}

/// Sizes and times of one node, from which deadlines and estimates follow.
pub(crate) struct Measures {
    binary: u64,
    datastore: u64,
    timeout_stop: Span,
    last_start: Span,
    soak: Span,
}

/// A slow SD card writes 10 MB/s; deadlines assume half of that, estimates a slow disk's 50 MB/s.
const SLOWEST_BYTES_PER_SECOND: u64 = 5_000_000;
const USUAL_BYTES_PER_SECOND: u64 = 50_000_000;
/// The kubelet renews its lease every 10 s, and a gate needs one renewal after READY (k3s-facts §9).
pub(crate) const GATES_USUALLY: Span = Span::seconds(12);

impl Measures {
    pub(crate) fn of(node: &NodeFacts, binary: u64, soak: Span) -> Self {
        Self {
            binary,
            datastore: node.datastore.as_ref().filter(|d| d.kind != DatastoreKind::External).map_or(0, |d| d.size),
            timeout_stop: node.unit.as_ref().map_or(Span::seconds(90), |unit| unit.timeout_stop),
            last_start: node.unit.as_ref().and_then(|unit| unit.last_start).unwrap_or(Span::seconds(30)),
            soak,
        }
    }

    fn slow(bytes: u64) -> Span {
        Span::seconds(bytes.div_ceil(SLOWEST_BYTES_PER_SECOND))
    }

    pub(crate) fn usual(bytes: u64) -> Span {
        Span::millis(bytes.saturating_mul(1000) / USUAL_BYTES_PER_SECOND)
    }

    /// design.md §5: the larger of 120 s and 4 × the last start, plus a term for a start-up VACUUM or defragmentation.
    fn start_deadline(&self) -> Span {
        Span::seconds(self.last_start.as_millis().saturating_mul(4).div_ceil(1000).max(120))
            + Self::slow(self.datastore)
    }

    /// Deadlines of the steps around a backup.
    fn copying(&self, kind: StepKind) -> Span {
        Span::seconds(60)
            + match kind {
                StepKind::Backup => Self::slow(self.datastore + self.binary),
                StepKind::ProveBackup => Self::slow(self.datastore),
                StepKind::Rebuild => Self::slow(self.datastore.saturating_mul(3)),
                // Read, written and read again, perhaps to a share on the network.
                StepKind::CopyBackup => Self::slow((self.datastore + self.binary).saturating_mul(3)),
                _ => Span::ZERO,
            }
    }

    /// The steps of a goal that changes the version, each with its deadline and its questions.
    pub(crate) fn steps(
        &self,
        node: &str,
        goal: Goal,
        (gates, not_asked): (&[GateName], &[GateName]),
        copies: bool,
    ) -> Vec<Step> {
        let mut steps: Vec<Step> = goal
            .steps(copies)
            .into_iter()
            .map(|kind| {
                let mut step = Step::new(node, "", kind, self.deadline(kind));
                let asks = |gate: &GateName| match kind {
                    // The probe budget and what has become of workloads are about the time after the stop; before it there is
                    // nothing to compare.
                    StepKind::Baseline => !matches!(gate, GateName::Probe | GateName::Workloads),
                    StepKind::Gate => true,
                    // A canary pod at every round of a soak would be load, not evidence (I23).
                    StepKind::Soak => !matches!(gate, GateName::CanaryPod | GateName::Datastore),
                    _ => false,
                };
                step.gates = gates.iter().copied().filter(asks).collect();
                if matches!(kind, StepKind::Baseline | StepKind::Gate) {
                    step.not_asked = not_asked.to_vec();
                }
                step.length = (kind == StepKind::Soak).then_some(self.soak);
                step
            })
            .collect();
        lease::lease(&mut steps);
        steps
    }

    fn deadline(&self, kind: StepKind) -> Span {
        match kind {
            StepKind::Stage => Span::seconds(120) + Self::slow(self.binary.saturating_mul(5)),
            StepKind::Baseline => Span::seconds(120),
            StepKind::Stop => self.timeout_stop + Span::seconds(30),
            StepKind::Keep => Span::seconds(30) + Self::slow(self.datastore.saturating_mul(3)),
            StepKind::Swap => Span::seconds(30) + Self::slow(self.binary),
            // Both datastores are read to their end to say what is left behind.
            StepKind::Restore => Span::seconds(60) + Self::slow(self.binary + self.datastore.saturating_mul(4)),
            StepKind::Start => self.start_deadline(),
            StepKind::Gate => Span::seconds(180),
            StepKind::Soak => self.soak + Span::seconds(120),
            _ => self.copying(kind),
        }
    }

    pub(crate) fn gap(&self) -> Span {
        // Measured on K3s: a stop takes about 3 s, and the copy is what a keep adds (k3s-facts §9).
        Span::seconds(3) + self.last_start + Self::usual(self.datastore)
    }

    pub(crate) fn expect(&self) -> Expect {
        let preparation = Self::usual(self.binary.saturating_mul(6))
            + Self::usual(self.datastore.saturating_mul(3))
            + Span::seconds(8);
        Expect {
            api_gap: round(self.gap()),
            duration: round(preparation + self.gap() + GATES_USUALLY + self.soak),
            disk: Mebibytes::of_bytes(self.disk()),
        }
    }

    /// Staged binary, old binary in the backup, extraction (about 2.8 × the wrapper), backup and kept copy, and 20 %.
    fn disk(&self) -> u64 {
        let bytes = self.binary.saturating_mul(5).saturating_add(self.datastore.saturating_mul(2));
        bytes.saturating_add(bytes / 5)
    }

    fn way_back(&self, from: &K3sVersion, request: &PlanRequest, node: &NodeFacts) -> Result<WayBack, Refusal> {
        let to = &request.to;
        if request.class == WayClass::Binary {
            let back = Span::seconds(3) + self.last_start + GATES_USUALLY;
            return WayBack::binary(from, to, &request.parts, round(back));
        }
        let why = if from.minor == to.minor {
            "one server: the copy of the stopped server is exact, whatever the new build writes".to_owned()
        } else {
            format!(
                "one server: the copy of the stopped server is exact, and {} may store objects that {} need not read",
                to.minor_name(),
                from.minor_name()
            )
        };
        let of_etcd = node.datastore.as_ref().is_some_and(|datastore| datastore.kind == DatastoreKind::Etcd);
        let etcd = request.parts.iter().find(|part| of_etcd && part.name == "etcd").and_then(Part::moved);
        let why = match etcd {
            Some((old, new)) => format!(
                "{why}. etcd goes from {old} to {new}: its files are migrated within seconds, and the old one then \
                 refuses them, so without the copy only a snapshot would lead back"
            ),
            None => why,
        };
        Ok(WayBack {
            class: WayClass::Keep,
            estimate: round(self.gap() + GATES_USUALLY),
            point_of_no_return: None,
            why,
            loses: "what the new version wrote; the report lists it".to_owned(),
        })
    }
}

/// Whole seconds, up: an estimate has no milliseconds.
pub(crate) fn round(span: Span) -> Span {
    Span::seconds(span.as_millis().div_ceil(1000))
}
