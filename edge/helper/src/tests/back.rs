use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use belay_facts::WayClass;
use belay_wire::{Change, FaultKind, Op, PutBackProof, Reply, StepProbe, Way};

use super::node::{NEW, Node, OLD, Quiet, hash_of, listing};
use crate::node_journal::NodeJournal;
use crate::node_run::{NodeEvent, NodeRun};
use crate::put_back::put_back;
use crate::recover::recover;
use crate::step::{Effect as _, Step};

/// Upgraded, written to by the new version, and stopped to go back. Returns the live state as it was kept.
pub fn abandoned(node: &Node) -> Vec<(String, String)> {
    node.forward(6);
    let kept = node.live();
    node.act(Op::Swap);
    node.act(Op::Start);
    node.put("/registry/configmaps/default/created", "new");
    node.put("/registry/configmaps/default/changed", "two");
    node.delete("/registry/configmaps/default/deleted");
    node.put("/registry/example.com/widgets/default/brief", "x");
    node.delete("/registry/example.com/widgets/default/brief");
    node.put("/registry/leases/kube-node-lease/n1", "beat again");
    fs::write(node.path("k3s/server/manifests/ccm.yaml"), "new ccm\n").unwrap();
    fs::write(node.path("k3s/server/manifests/mine.yaml"), "mine, edited\n").unwrap();
    fs::write(node.path("k3s/server/manifests/later.yaml"), "later\n").unwrap();
    fs::write(node.path("k3s/server/db/snapshots/second"), "since\n").unwrap();
    fs::write(node.path("k3s/server/tls/client-admin.crt"), "renewed\n").unwrap();
    node.act(Op::Turn { seen: 40, class: WayClass::Keep, why: "n1.gate: kubelet".into() });
    node.act(Op::Stop);
    kept
}

fn assert_back(node: &Node, kept: &[(String, String)]) {
    assert_eq!(node.version(), OLD);
    assert_eq!(node.current(), node.path("k3s/data").join(hash_of(OLD)));
    assert!(!node.path("k3s/data/previous").is_symlink(), "there was none before");
    assert_eq!(node.live(), kept);
    assert!(!node.path("k3s/.belay-put-back").exists());
    let read = |path: &str| fs::read_to_string(node.path(path)).unwrap();
    assert_eq!(read("k3s/server/tls/client-admin.crt"), "certificate\n");
    assert_eq!(read("k3s/server/manifests/ccm.yaml"), "old ccm\n");
    assert_eq!(read("k3s/server/manifests/mine.yaml"), "mine, edited\n");
    assert_eq!(read("k3s/server/manifests/later.yaml"), "later\n");
    assert_eq!(read("k3s/server/db/snapshots/second"), "since\n");
    let revision: i64 = node.database().query_row("SELECT MAX(id) FROM kine", (), |row| row.get(0)).unwrap();
    assert_eq!(revision, 1040, "the highest of kept, abandoned and seen, plus the margin");
}

fn proven(reply: Reply) -> PutBackProof {
    match reply {
        Reply::PutBack(proof) => *proof,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_put_back_is_exact_and_names_everything_that_is_lost() {
    let node = Node::new();
    let kept = abandoned(&node);
    let proof = proven(node.act(Op::PutBack { seen: 7 }));
    assert_back(&node, &kept);
    let lost: BTreeMap<&str, Change> = proof.lost.iter().map(|lost| (lost.name.as_str(), lost.change)).collect();
    let expected = [
        ("brief", Change::CameAndWent),
        ("changed", Change::Changed),
        ("created", Change::Created),
        ("deleted", Change::Deleted),
    ];
    assert_eq!(lost, expected.into());
    assert_eq!(proof.uncounted, BTreeMap::from([("leases".to_owned(), 1)]));
    assert!(proof.lost_complete);
    assert_eq!((proof.kept_revision, proof.abandoned_revision, proof.revision), (5, Some(11), 1040));
    assert_eq!(proof.carried, ["db/snapshots/second", "manifests/later.yaml", "manifests/mine.yaml"]);
    assert_eq!(fs::metadata(node.path("k3s/server")).unwrap().ino(), proof.server_inode);
    assert!(fs::read_to_string(format!("{}/manifests/ccm.yaml", proof.abandoned)).unwrap().contains("new"));
    // Again: the same answer, and nothing exchanged twice.
    let again = proven(node.act(Op::PutBack { seen: 7 }));
    assert_eq!((again.lost, again.revision), (proof.lost, proof.revision));
    assert_back(&node, &kept);
    node.act(Op::Start);
    let Reply::Released(_) = node.act(Op::Release { keep_way_back: false }) else { panic!() };
    assert_eq!(node.folded().ended.as_deref(), Some("restored"));
    assert!(fs::exists(&proof.abandoned).unwrap(), "the abandoned data are set aside, not thrown away");
}

/// Begins a put-back and ends it after `lines` of its lines, as a power cut would.
pub fn interrupted(node: &Node, lines: usize) {
    let mutation = node.mutation(Op::PutBack { seen: 7 }, Way::Do);
    let mut channel = Quiet(Vec::new());
    let journal = NodeJournal::open(&node.places, &node.run, node.generation).unwrap();
    let mut step = Step {
        places: &node.places,
        mutation: &mutation,
        channel: &mut channel,
        journal: Some(journal),
        remembered: NodeRun::default(),
        begun: Instant::now(),
        digests: crate::digests::SeenDigests::default(),
        at_boot: false,
        seen: None,
        unwritten: None,
    };
    let before = crate::put_back::PutBack::before(&mut step).unwrap();
    let plan = before.put_back.clone().unwrap();
    let target = Box::new(mutation.target.clone());
    step.append(NodeEvent::Intent { step: "n1.put-back".into(), op: mutation.op.clone(), target, before }).unwrap();
    let ended = put_back(&mut step, &plan, Some(lines));
    assert_eq!(ended.is_err(), lines < 7);
}

#[test]
fn a_put_back_that_was_cut_after_any_line_is_finished_to_the_same_end() {
    let whole = Node::new();
    abandoned(&whole);
    whole.act(Op::PutBack { seen: 7 });
    let strip = |node: &Node| -> Vec<String> {
        let root = node.root.path().to_string_lossy().into_owned();
        listing(&node.path("k3s")).into_iter().map(|line| line.replace(&root, "")).collect()
    };
    let expected = strip(&whole);
    for by_boot in [false, true] {
        for lines in 0..=7 {
            let node = Node::new();
            let kept = abandoned(&node);
            interrupted(&node, lines);
            // From before the decision until the last line: it keeps K3s down all the while.
            assert_eq!(node.path("k3s/.belay-put-back").exists(), lines < 7);
            if by_boot {
                node.boot();
                let jobs = node.jobs();
                let said = recover(&node.places);
                assert_eq!(said, [format!("run {}: put back", node.run)], "after {lines} lines");
                assert_eq!(node.jobs(), format!("{jobs}start\n"), "K3s comes up without anyone's help");
                assert_eq!(node.folded().generation, 2, "a coordinator that outlived it must look first");
            } else {
                assert!(!matches!(node.probe(Op::PutBack { seen: 7 }), StepProbe::NotDone));
                node.act(Op::PutBack { seen: 7 });
            }
            assert_back(&node, &kept);
            assert_eq!(strip(&node), expected, "after {lines} lines, by boot: {by_boot}");
            assert!(node.folded().put_back.is_some());
        }
    }
}

#[test]
fn a_token_that_was_changed_stops_it_before_the_first_exchange() {
    let node = Node::new();
    abandoned(&node);
    let before = listing(&node.path("k3s"));
    fs::write(node.path("etc/systemd/system/k3s.service.env"), "K3S_TOKEN=canary-other\n").unwrap();
    let message = node.fault(Op::PutBack { seen: 0 }, FaultKind::Human);
    assert!(message.contains("token") && !message.contains("canary"), "{message}");
    assert_eq!(listing(&node.path("k3s")), before);
    assert_eq!(node.version(), NEW);
}

#[test]
fn a_stopped_copy_that_was_altered_is_not_put_back() {
    let node = Node::new();
    abandoned(&node);
    let copy = node.path(&format!("k3s/server.belay-{}/db/state.db", node.run));
    let mut bytes = fs::read(&copy).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(copy, bytes).unwrap();
    assert!(node.fault(Op::PutBack { seen: 0 }, FaultKind::Human).contains("altered"));
    assert_eq!(node.version(), NEW);
}

#[test]
fn an_unreadable_abandoned_datastore_means_a_large_margin_and_an_incomplete_list() {
    let node = Node::new();
    abandoned(&node);
    for name in ["state.db", "state.db-wal"] {
        fs::write(node.path("k3s/server/db").join(name), "garbage that is no database at all").unwrap();
    }
    let proof = proven(node.act(Op::PutBack { seen: 50 }));
    assert_eq!((proof.abandoned_revision, proof.revision, proof.lost_complete), (None, 1_000_050, false));
    assert_eq!(node.version(), OLD);
}

#[test]
fn what_compaction_removed_makes_the_list_incomplete_and_a_missing_key_is_deleted() {
    let node = Node::new();
    abandoned(&node);
    let database = node.database();
    database.execute("DELETE FROM kine WHERE name LIKE '%/deleted'", ()).unwrap();
    database.execute("UPDATE kine SET prev_revision = 9 WHERE name = 'compact_rev_key'", ()).unwrap();
    drop(database);
    let proof = proven(node.act(Op::PutBack { seen: 0 }));
    assert!(!proof.lost_complete);
    let deleted: Vec<_> = proof.lost.iter().filter(|lost| lost.change == Change::Deleted).collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!((deleted[0].resource.as_str(), deleted[0].name.as_str()), ("configmaps", "deleted"));
}

#[test]
fn a_swap_back_undoes_what_never_ran_and_a_put_back_is_refused_then() {
    for done in [5, 6, 7] {
        let node = Node::new();
        let before = listing(&node.path("k3s/server"));
        node.forward(done);
        if done < 7 {
            node.fault(Op::PutBack { seen: 0 }, FaultKind::Refused);
        }
        node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "n1.keep: no space".into() });
        for _again in 0..2 {
            node.act(Op::SwapBack);
            assert_eq!(node.version(), OLD);
            assert_eq!(node.current(), node.path("k3s/data").join(hash_of(OLD)));
            assert!(!node.path(&format!("k3s/server.belay-{}", node.run)).exists());
        }
        assert_eq!(listing(&node.path("k3s/server")), before);
        node.act(Op::Start);
        node.act(Op::Release { keep_way_back: false });
        assert!(!node.path(&format!("bin/.k3s.belay-{}", node.run)).exists());
        assert_eq!(node.folded().ended.as_deref(), Some("restored"));
    }
}

#[test]
fn a_boot_finishes_what_was_turned_back_and_leaves_the_rest_to_resume() {
    // Swapped, not vouched for, not turned: nobody has decided.
    let node = Node::new();
    node.forward(7);
    node.boot();
    assert!(recover(&node.places)[0].contains("resume"));
    assert_eq!((node.version(), node.folded().generation), (NEW, 1));
    // Turned before the new version ran.
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.boot();
    assert_eq!(recover(&node.places), [format!("run {}: swapped back", node.run)]);
    assert_eq!(node.version(), OLD);
    assert!(node.jobs().ends_with("start\n"));
    // Turned, and the boot before this one had started the new version, which wrote.
    let node = Node::new();
    node.forward(7);
    let kept = node.live();
    node.boot();
    node.put("/registry/configmaps/default/created", "by the boot");
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.boot();
    assert!(recover(&node.places)[0].ends_with("put back"));
    assert_eq!((node.version(), node.live()), (OLD, kept));
    // A late coordinator is told.
    node.fault(Op::Start, FaultKind::Fenced);
    assert_eq!(recover(&node.places), [format!("run {}: was put back already", node.run)]);
}

#[test]
fn the_interlock_keeps_k3s_down_while_the_marker_is_there() {
    let node = Node::new();
    abandoned(&node);
    interrupted(&node, 4);
    node.fault(Op::Start, FaultKind::Refused);
    node.fault(Op::Release { keep_way_back: true }, FaultKind::Refused);
    assert!(node.places.interlock("k3s.service").exists());
}

/// The coordinator journals its intent to start and is cut off with the node: a boot swaps back, since the new version
/// never ran, and the coordinator then asks for a put-back, because for all it knows it did (review, A10).
#[test]
fn a_put_back_after_a_boot_that_swapped_back_is_done_already() {
    let node = Node::new();
    node.forward(7);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.boot();
    assert_eq!(recover(&node.places), [format!("run {}: swapped back", node.run)]);
    let mut node = node;
    node.generation = node.folded().generation + 1;
    let StepProbe::Done { .. } = node.probe(Op::PutBack { seen: 0 }) else { panic!("it is done") };
    let proof = proven(node.act(Op::PutBack { seen: 0 }));
    assert_eq!((proof.abandoned.as_str(), proof.lost_complete, proof.lost.len()), ("", true, 0));
    assert_eq!(node.version(), OLD);
    node.act(Op::Start);
    node.act(Op::Release { keep_way_back: false });
    assert_eq!(node.folded().ended.as_deref(), Some("restored"));
}

/// A full disk has no room for the list of what is lost: the way back goes on, and the answer has it all the same
/// (review, A12).
#[test]
fn a_list_that_cannot_be_written_does_not_stop_a_put_back() {
    let node = Node::new();
    let kept = abandoned(&node);
    fs::create_dir(node.places.run_dir(&node.run).join("lost.json")).unwrap();
    let proof = proven(node.act(Op::PutBack { seen: 7 }));
    assert_back(&node, &kept);
    assert_eq!((proof.lost.len(), proof.lost_complete), (4, true));
}

/// A release that comes up with an empty datastore lost what was there before; what clients wrote into it is lost by the
/// way back, and nothing that the way back brings again is.
#[test]
fn of_a_datastore_that_began_anew_only_what_it_holds_is_lost() {
    let node = Node::new();
    abandoned(&node);
    node.database().execute_batch("DELETE FROM kine; DELETE FROM sqlite_sequence WHERE name = 'kine'").unwrap();
    node.put("/registry/namespaces/kube-system", "another");
    node.put("/registry/configmaps/default/written-there", "x");
    let proof = proven(node.act(Op::PutBack { seen: 0 }));
    let lost: Vec<_> = proof.lost.iter().map(|lost| (lost.name.as_str(), lost.change)).collect();
    assert_eq!(lost, [("written-there", Change::Created), ("kube-system", Change::Created)]);
    assert_eq!(node.version(), OLD);
}

/// More lost objects than a journal's record can hold: the rest is in `lost.json` (review, A6).
#[test]
fn a_very_long_list_travels_in_part_and_lies_whole_on_the_node() {
    let node = Node::new();
    abandoned(&node);
    node.database()
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20500)
             INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
             SELECT '/registry/configmaps/default/many-' || i, 1, 0, 0, 0, 0, NULL, NULL FROM n",
            (),
        )
        .unwrap();
    let proof = proven(node.act(Op::PutBack { seen: 0 }));
    assert_eq!((proof.lost.len(), proof.lost_unlisted), (20_000, 504));
    let whole = fs::read(node.places.run_dir(&node.run).join("lost.json")).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["objects"].as_array().unwrap().len(), 20_504);
}

/// Not a test: the other process of the next one. It locks what the variable names until its input ends.
#[test]
#[ignore = "started by another test, as another process"]
fn another_process_that_reads_the_datastore() {
    let Ok(path) = std::env::var("BELAY_TEST_READS") else { return };
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::LockShared).unwrap();
    println!("\nlocked");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// An open `sqlite3` shell is left alone: the directory is set aside as it is (review, A11).
#[test]
fn somebody_who_reads_the_datastore_does_not_stop_the_way_back() {
    let node = Node::new();
    let kept = abandoned(&node);
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "another_process_that_reads_the_datastore"])
        .env("BELAY_TEST_READS", node.path("k3s/server/db/state.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "locked"));
    node.act(Op::Stop);
    node.act(Op::PutBack { seen: 7 });
    drop(other.stdin.take());
    assert_eq!(said.filter(Result::is_err).count(), 0);
    assert!(other.wait().unwrap().success());
    assert_back(&node, &kept);
}

/// Found by the simulation, seed 2795: a coordinator with an older copy of the run's directory turned before the stop that
/// another one had done, and released a node on which K3s was down.
#[test]
fn a_node_whose_k3s_was_stopped_is_not_released() {
    let node = Node::new();
    node.forward(5);
    let refused = node.fault(Op::Release { keep_way_back: false }, FaultKind::Human);
    assert!(refused.contains("nobody has started it again"), "{refused}");
    node.act(Op::SwapBack);
    node.act(Op::Start);
    node.act(Op::Release { keep_way_back: false });
}

/// Found by the simulation, seed 4090: the record after the end could not be written, the commit counted as failed, and the run
/// turned back on a node that refused every step of it.
#[test]
fn nothing_is_written_after_the_end_of_a_run() {
    let node = Node::new();
    node.forward(8);
    node.act(Op::Vouch);
    node.act(Op::Release { keep_way_back: true });
    assert_eq!(node.folded().last, "ended: committed");
    let records = node.folded().records;
    node.act(Op::Release { keep_way_back: true });
    assert_eq!(node.folded().records, records);
}
