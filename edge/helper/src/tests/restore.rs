use std::fs;
use std::time::{Duration, Instant};

use belay_facts::{CopyKind, Digest, WayClass};
use belay_wire::{ArtifactSpec, Change, FaultKind, Op, PutBackProof, Reply, Restorable, StepProbe, Way};

use super::node::{NEW, Node, OLD, Quiet, RUN, hash_of, k3s, listing};
use crate::node_journal::NodeJournal;
use crate::node_run::{NodeEvent, NodeRun};
use crate::put_back::put_back;
use crate::recover::recover;
use crate::restorable::{difference, restorables};
use crate::step::{Effect as _, Step};

pub const LATER: &str = "2026-11-24-77aa";

/// Live keys with their values.
type Data = Vec<(String, String)>;

/// Upgraded and committed, and then written to. Returns the state as the upgrade kept it, and as it is now.
fn committed() -> (Node, Data, Data) {
    let node = Node::new();
    node.forward(6);
    let kept = node.live();
    node.act(Op::Swap);
    node.act(Op::Start);
    node.act(Op::Vouch);
    node.act(Op::Release { keep_way_back: true });
    node.put("/registry/configmaps/default/created", "new");
    node.put("/registry/configmaps/default/changed", "two");
    node.delete("/registry/configmaps/default/deleted");
    fs::write(node.path("k3s/server/manifests/later.yaml"), "later\n").unwrap();
    fs::write(node.path("k3s/server/psa.yaml"), "an administrator's own\n").unwrap();
    let now = node.live();
    (node, kept, now)
}

/// The node as a later run sees it, which restores what `earlier` names.
pub fn taking_back(node: &mut Node, earlier: &Restorable) {
    node.run = LATER.into();
    node.generation = 1;
    let present = Digest::of(&fs::read(node.path("bin/k3s")).unwrap());
    node.target.old = present;
    node.target.old_version = if present == Digest::of(k3s(NEW).as_bytes()) { NEW } else { OLD }.parse().unwrap();
    node.target.new = earlier.binary_digest;
    node.target.new_version = earlier.version.clone();
}

/// Everything up to the stopped copy.
pub fn prepared(node: &Node, earlier: &Restorable) {
    node.act(node.fence());
    let artifact =
        ArtifactSpec { tag: earlier.version.clone(), digest: earlier.binary_digest, size: earlier.binary_size };
    node.act(Op::Stage { artifact, have: Some(earlier.binary.clone()) });
    for op in
        [Op::Backup, Op::ProveBackup, Op::Rebuild { what: earlier.what, run: earlier.run.clone() }, Op::Stop, Op::Keep]
    {
        node.act(op);
    }
}

pub fn the(node: &Node, what: CopyKind) -> Restorable {
    restorables(&node.places).into_iter().find(|one| one.what == what && one.run == RUN).unwrap()
}

pub fn version(node: &Node) -> &'static str {
    if fs::read_to_string(node.path("bin/k3s")).unwrap() == k3s(OLD) { OLD } else { NEW }
}

pub fn proven(reply: Reply) -> PutBackProof {
    match reply {
        Reply::PutBack(proof) => *proof,
        other => panic!("{other:?}"),
    }
}

pub fn changes(proof: &PutBackProof) -> Vec<(&str, Change)> {
    proof.lost.iter().map(|lost| (lost.name.as_str(), lost.change)).collect()
}

const SINCE: [(&str, Change); 3] =
    [("changed", Change::Changed), ("created", Change::Created), ("deleted", Change::Deleted)];

#[test]
fn a_committed_upgrade_is_taken_back_to_the_stopped_copy_and_says_what_is_lost() {
    let (mut node, kept, _) = committed();
    let earlier = the(&node, CopyKind::Kept);
    assert_eq!((earlier.version.tag().as_str(), earlier.revision), (OLD, 5));
    let before = listing(&node.path("k3s"));
    let told = difference(&node.places, CopyKind::Kept, RUN, Duration::from_secs(5)).unwrap();
    assert!(told.complete);
    let told: Vec<_> = told.objects.iter().map(|lost| (lost.name.as_str(), lost.change)).collect();
    assert_eq!(told, SINCE);
    assert_eq!(listing(&node.path("k3s")), before, "asking changes nothing");
    taking_back(&mut node, &earlier);
    prepared(&node, &earlier);
    let proof = proven(node.act(Op::Restore { seen: 40 }));
    assert_eq!((version(&node), node.live()), (OLD, kept));
    assert_eq!(changes(&proof), SINCE);
    assert_eq!((proof.kept_revision, proof.abandoned_revision, proof.revision), (5, Some(8), 1040));
    assert_eq!(proof.carried, ["manifests/later.yaml"]);
    assert_eq!(node.current(), node.path("k3s/data").join(hash_of(OLD)));
    // Again: the same answer, and nothing exchanged twice.
    assert_eq!(proven(node.act(Op::Restore { seen: 40 })).lost, proof.lost);
    node.act(Op::Start);
    node.act(Op::Vouch);
    node.act(Op::Release { keep_way_back: true });
    assert_eq!(node.folded().ended.as_deref(), Some("committed"));
    assert!(!node.path(&format!("k3s/server.belay-{LATER}.restore")).exists());
    assert!(!node.path(&format!("k3s/server.belay-{RUN}")).exists(), "what led back before leads nowhere now");
    // And the present that was given up can be had again in the same way.
    let given_up = restorables(&node.places).into_iter().find(|one| one.what == CopyKind::Kept).unwrap();
    assert_eq!((given_up.run.as_str(), given_up.version.tag().as_str()), (LATER, NEW));
}

#[test]
fn a_restore_is_put_back_to_the_present_exactly() {
    let (mut node, _, now) = committed();
    let earlier = the(&node, CopyKind::Kept);
    taking_back(&mut node, &earlier);
    prepared(&node, &earlier);
    node.act(Op::Restore { seen: 40 });
    node.act(Op::Start);
    node.put("/registry/configmaps/default/kept", "by the restored one");
    node.put("/registry/configmaps/default/other", "by the restored one");
    node.act(Op::Turn { seen: 50, class: WayClass::Keep, why: "n1.gate: kubelet".into() });
    node.act(Op::Stop);
    let proof = proven(node.act(Op::PutBack { seen: 50 }));
    assert_eq!((version(&node), node.live()), (NEW, now));
    assert_eq!(changes(&proof), [("kept", Change::Changed), ("other", Change::Created)], "only what it wrote itself");
    assert_eq!(proof.revision, 2042, "above what the restored one used");
    assert_eq!(fs::read_to_string(node.path("k3s/server/psa.yaml")).unwrap(), "an administrator's own\n");
    node.act(Op::Start);
    node.act(Op::Release { keep_way_back: false });
    assert_eq!(node.folded().ended.as_deref(), Some("restored"));
    assert!(node.path(&format!("k3s/server.belay-{RUN}")).exists(), "the older way back is as it was");
}

/// Begins a restore and ends it after `lines` of its lines, as a power cut would.
pub fn interrupted(node: &Node, lines: usize) {
    let mutation = node.mutation(Op::Restore { seen: 40 }, Way::Do);
    let mut channel = Quiet(Vec::new());
    let mut step = Step {
        places: &node.places,
        mutation: &mutation,
        channel: &mut channel,
        journal: Some(NodeJournal::open(&node.places, &node.run, node.generation).unwrap()),
        remembered: NodeRun::default(),
        begun: Instant::now(),
        digests: Default::default(),
        at_boot: false,
        seen: None,
        unwritten: None,
    };
    let before = crate::restore::Restore::before(&mut step).unwrap();
    let plan = before.restore.clone().unwrap();
    let target = Box::new(mutation.target.clone());
    step.append(NodeEvent::Intent { step: "n1.restore".into(), op: mutation.op.clone(), target, before }).unwrap();
    assert_eq!(put_back(&mut step, &plan, Some(lines)).is_err(), lines < 7);
}

#[test]
fn a_restore_that_was_cut_after_any_line_is_finished_or_taken_back() {
    for lines in 0..=7 {
        // Asked again by a coordinator, the same lines are gone through as at a boot: the ends and the middle will do.
        let asked = if [0, 4, 7].contains(&lines) { "resume" } else { "boot" };
        for then in [asked, "rollback"] {
            let (mut node, kept, now) = committed();
            let earlier = the(&node, CopyKind::Kept);
            taking_back(&mut node, &earlier);
            prepared(&node, &earlier);
            interrupted(&node, lines);
            assert_eq!(node.path("k3s/.belay-put-back").exists(), lines < 7);
            match then {
                "boot" => {
                    node.boot();
                    let jobs = node.jobs();
                    let said = recover(&node.places);
                    assert_eq!(
                        said,
                        [format!("run {LATER}: restored; `belay resume` asks the gates")],
                        "{lines} lines"
                    );
                    assert_eq!(node.jobs(), format!("{jobs}start\n"), "K3s comes up without anyone's help");
                }
                "resume" => {
                    assert!(!matches!(node.probe(Op::Restore { seen: 40 }), StepProbe::NotDone));
                    node.act(Op::Restore { seen: 40 });
                }
                _ => {
                    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "asked".into() });
                    node.act(Op::Stop);
                    let proof = proven(node.act(Op::PutBack { seen: 0 }));
                    assert_eq!(proof.lost, [], "nothing ran in between");
                    assert_eq!((version(&node), node.live()), (NEW, now), "{then} after {lines} lines");
                    continue;
                }
            }
            assert_eq!((version(&node), node.live()), (OLD, kept), "{then} after {lines} lines");
            assert!(node.folded().restored.is_some());
        }
    }
}

#[test]
fn a_backup_is_restored_with_the_version_that_wrote_it() {
    let (mut node, kept, _) = committed();
    let earlier = the(&node, CopyKind::Backup);
    taking_back(&mut node, &earlier);
    prepared(&node, &earlier);
    node.act(Op::Restore { seen: 0 });
    assert_eq!((version(&node), node.live()), (OLD, kept), "nothing was written between the backup and the stop");
    let read = |path: &str| fs::read_to_string(node.path(path)).unwrap();
    assert_eq!(
        read("k3s/server/psa.yaml"),
        "an administrator's own\n",
        "a backup does not have it, and it is not lost"
    );
    assert_eq!(read("k3s/server/tls/client-admin.crt"), "certificate\n");
    assert_eq!(fs::metadata(node.path("k3s/server")).unwrap().permissions(), {
        fs::metadata(node.path(&format!("k3s/server.belay-{LATER}"))).unwrap().permissions()
    });
}

/// Version and binary are the same before and after: it is the data that come back.
#[test]
fn a_backup_of_the_running_version_is_restored_and_put_back() {
    let mut node = Node::new();
    let new = node.target.new;
    node.target.new = node.target.old;
    for op in [node.fence(), Op::Backup, Op::ProveBackup, Op::Release { keep_way_back: true }] {
        node.act(op);
    }
    assert_eq!(node.folded().ended.as_deref(), Some("unchanged"));
    let then = node.live();
    node.put("/registry/configmaps/default/created", "since");
    let now = node.live();
    let earlier = the(&node, CopyKind::Backup);
    taking_back(&mut node, &earlier);
    assert_ne!(node.target.new, new);
    prepared(&node, &earlier);
    node.act(Op::Restore { seen: 0 });
    node.act(Op::Start);
    assert_eq!((version(&node), node.live()), (OLD, then));
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "asked".into() });
    node.act(Op::Stop);
    node.act(Op::PutBack { seen: 0 });
    assert_eq!((version(&node), node.live()), (OLD, now));
    node.act(Op::Start);
    node.act(Op::Release { keep_way_back: false });
    assert_eq!(node.folded().ended.as_deref(), Some("restored"));
}

#[test]
fn what_was_altered_pruned_or_of_another_time_is_not_restored() {
    let (mut node, _, now) = committed();
    let earlier = the(&node, CopyKind::Kept);
    taking_back(&mut node, &earlier);
    let rebuild = || Op::Rebuild { what: CopyKind::Kept, run: RUN.into() };
    node.act(node.fence());
    let copy = node.path(&format!("k3s/server.belay-{RUN}/db/state.db"));
    let whole = fs::read(&copy).unwrap();
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&copy, bytes).unwrap();
    assert!(node.fault(rebuild(), FaultKind::Failed).contains("is not what it was"));
    assert!(!node.path(&format!("k3s/server.belay-{LATER}.restore")).exists());
    fs::remove_dir_all(node.path(&format!("k3s/server.belay-{RUN}"))).unwrap();
    assert!(node.fault(rebuild(), FaultKind::Refused).contains("prune"));
    node.fault(Op::Rebuild { what: CopyKind::Backup, run: "2026-01-01-0000".into() }, FaultKind::Refused);
    node.act(Op::Release { keep_way_back: false });
    assert_eq!((version(&node), node.live()), (NEW, now));
}

/// K3s ran again between the copy and the exchange: what the copy lacks would be lost on the way back.
#[test]
fn a_restore_on_a_stale_copy_is_refused_and_leaves_no_marker() {
    let (mut node, _, _) = committed();
    let earlier = the(&node, CopyKind::Kept);
    taking_back(&mut node, &earlier);
    prepared(&node, &earlier);
    node.put("/registry/configmaps/default/late", "by whoever started it");
    node.fault(Op::Restore { seen: 0 }, FaultKind::Stale);
    assert!(!node.path("k3s/.belay-put-back").exists());
    // It was never decided, so nothing has to be put back.
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "n1.restore: stale".into() });
    assert_eq!(proven(node.act(Op::PutBack { seen: 0 })).lost, []);
    assert_eq!(version(&node), NEW);
    node.act(Op::Start);
    node.act(Op::Release { keep_way_back: false });
    assert!(node.live().iter().any(|(name, _)| name.ends_with("/late")));
}

/// Found by the simulation, seed 2025: the disk was full when the intent of a restore should have been journalled. Its marker
/// was there already, nothing took it away, and it would have kept K3s down for ever.
#[test]
fn a_marker_whose_restore_never_began_is_taken_away() {
    for boots in [false, true] {
        let (mut node, _, now) = committed();
        let earlier = the(&node, CopyKind::Kept);
        taking_back(&mut node, &earlier);
        prepared(&node, &earlier);
        let marker = node.path("k3s/.belay-put-back");
        fs::write(&marker, "Belay run is exchanging\n").unwrap();
        if boots {
            node.boot();
            let said = recover(&node.places);
            assert!(said[0].contains("never began"), "{said:?}");
        } else {
            assert!(matches!(node.probe(Op::PutBack { seen: 0 }), StepProbe::Partial { .. }));
            node.act(Op::PutBack { seen: 0 });
            node.act(Op::Start);
        }
        assert!(!marker.exists());
        assert_eq!(node.live(), now);
    }
}
