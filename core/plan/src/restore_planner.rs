use belay_facts::{CopyKind, DatastoreKind, Destination, Digest, Facts, K3sVersion, Span};

use crate::planner::{GATES_USUALLY, Measures, questions, round};
use crate::{
    Artifact, ClusterRef, FORMAT, GateName, Goal, Material, Plan, Refusal, RestoreSource, Wave, WayBack, WayClass,
};

/// Makes the plan that brings an earlier state of the server back: its data, and the version that wrote them. The present
/// is backed up first and its stopped copy kept, so this plan has a way back like every other. The restored server is
/// watched for `soak` before the present is given up.
///
/// # Errors
/// A refusal says what stands in the way.
pub fn restore_plan(
    facts: &Facts,
    to: K3sVersion,
    datastore: DatastoreKind,
    source: RestoreSource,
    (ssh, backup_to): (Option<Destination>, Option<String>),
    soak: Span,
    date: jiff::civil::Date,
) -> Result<Plan, Refusal> {
    let material = Material::of(facts).ok_or(Refusal::Facts)?;
    let [node] = facts.nodes.as_slice() else { return Err(Refusal::Nodes(facts.nodes.len())) };
    let [touched] = material.touched.as_slice() else { return Err(Refusal::Facts) };
    if touched.datastore != datastore {
        return Err(Refusal::Datastore { node: node.name.clone(), what: source.what, run: source.run });
    }
    let measures = Measures::of(node, source.binary_size, soak);
    let (mut gates, mut not_asked) = questions(facts);
    // What is restored had workloads of its own, and nobody asked how they were.
    gates.retain(|gate| *gate != GateName::Workloads);
    not_asked.retain(|gate| *gate != GateName::Workloads);
    not_asked.push(GateName::Workloads);
    let trust = match source.what {
        CopyKind::Kept => format!("the binary that run {} exchanged, by its digest", source.run),
        CopyKind::Backup => format!("from the backup of run {}, by the digest in its manifest", source.run),
    };
    let artifact = Artifact {
        name: "k3s".to_owned(),
        arch: node.arch.clone(),
        sha256: source.binary_digest,
        size: source.binary_size,
        source: source.binary.clone(),
        trust,
    };
    let mut plan = Plan {
        belay: FORMAT.to_owned(),
        id: String::new(),
        goal: Goal::Restore,
        parent: facts.digest().ok_or(Refusal::Facts)?,
        cluster: ClusterRef { id: material.cluster.clone(), ca: material.ca },
        ssh,
        from: touched.version.clone(),
        to,
        artifacts: vec![artifact],
        way_back: WayBack {
            class: WayClass::Keep,
            estimate: round(measures.gap() + GATES_USUALLY),
            point_of_no_return: None,
            why: "one server: the copy of the stopped server is exact, so the present comes back as it was".to_owned(),
            loses: "what the restored version wrote; the report lists it".to_owned(),
        },
        expect: measures.expect(),
        waves: vec![Wave {
            name: "restore".to_owned(),
            nodes: vec![node.name.clone()],
            steps: measures.steps(&node.name, Goal::Restore, (&gates, &not_asked), backup_to.is_some()),
        }],
        restore: Some(source),
        backup_to,
        accepted: Vec::new(),
        material,
        digest: Digest::of(b""),
    };
    plan.sign(date);
    Ok(plan)
}
