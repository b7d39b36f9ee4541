use std::fs;

use belay_facts::WayClass;
use belay_wire::{FaultKind, Op, Reply, StepProbe};

use super::node::{NEW, Node, OLD, hash_of};
use crate::links::data_links;
use crate::node_journal::NodeJournal;
use crate::node_run::{Before, NodeEvent, all_runs};

#[test]
fn an_upgrade_goes_step_by_step_and_every_step_can_be_asked_for_twice() {
    let node = Node::new();
    for op in node.steps() {
        assert!(!matches!(node.probe(op.clone()), StepProbe::Done { .. }), "{op:?} before it was done");
        let reply = node.act(op.clone());
        let records = node.folded().records;
        assert!(matches!(node.probe(op.clone()), StepProbe::Done { .. }), "{op:?} after it was done");
        let again = node.act(op.clone());
        assert_eq!(format!("{reply:?}").split(' ').next(), format!("{again:?}").split(' ').next());
        assert_eq!(node.folded().records, records, "{op:?}: a second try must do nothing");
    }
    assert_eq!(node.version(), NEW);
    assert_eq!(node.current(), node.path("k3s/data").join(hash_of(NEW)));
    assert_eq!(fs::read_link(node.path("k3s/data/previous")).unwrap(), node.path("k3s/data").join(hash_of(OLD)));
    assert_eq!(node.jobs(), "stop\nstart\n");
    assert!(!node.path(&format!("k3s/.belay-reserve-{}", node.run)).exists(), "the reserve was freed for the copy");
    node.act(Op::Vouch);
    let Reply::Released(proof) = node.act(Op::Release { keep_way_back: true }) else { panic!() };
    assert_eq!(proof.stays.len(), 3, "{proof:?}");
    assert_eq!(node.folded().ended.as_deref(), Some("committed"));
    assert!(!node.path("etc/systemd/system/k3s.service.d").exists());
    assert!(!node.places.guard_unit().exists() && !node.places.guard_wanted().is_symlink());
    node.act(Op::Release { keep_way_back: true });
    node.fault(Op::Start, FaultKind::Refused);
}

#[test]
fn a_crash_between_effect_and_outcome_is_seen_and_not_repeated() {
    for done in 0..8 {
        let node = Node::new();
        node.forward(done + 1);
        let op = node.steps()[done].clone();
        // The outcome is the journal's last record: take it away, as if the helper had been killed before it.
        let path = node.places.run_dir(&node.run).join("journal");
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        fs::write(&path, format!("{}\n", lines[..lines.len() - 1].join("\n"))).unwrap();
        let jobs = node.jobs();
        node.act(op.clone());
        assert!(matches!(node.probe(op.clone()), StepProbe::Done { .. }), "{op:?}");
        let (now, expected) = (node.jobs(), jobs);
        assert_eq!(now, expected, "{op:?}: nothing is stopped or started twice");
        assert_eq!(node.version(), if done >= 6 { NEW } else { OLD });
    }
}

#[test]
fn preconditions_stand_before_every_effect() {
    let node = Node::new();
    node.fault(Op::Stop, FaultKind::Refused);
    node.act(node.fence());
    node.fault(Op::Stop, FaultKind::Refused);
    node.act(node.stage());
    assert!(node.fault(Op::Stop, FaultKind::Refused).contains("receipt"));
    node.fault(Op::ProveBackup, FaultKind::Refused);
    node.act(Op::Backup);
    node.act(Op::ProveBackup);
    node.fault(Op::Keep, FaultKind::Refused);
    node.fault(Op::Swap, FaultKind::Refused);
    assert_eq!(node.jobs(), "", "K3s was not touched");
    node.act(Op::Stop);
    node.fault(Op::Swap, FaultKind::Refused);
    node.act(Op::Keep);
    fs::write(node.path(&format!("bin/.k3s.belay-{}", node.run)), "tampered").unwrap();
    node.fault(Op::Swap, FaultKind::Refused);
    assert_eq!(node.version(), OLD);
}

#[test]
fn a_copy_is_stale_when_k3s_ran_after_it_and_the_write_is_in_the_next_one() {
    let node = Node::new();
    node.forward(6);
    // Somebody starts K3s by hand, and a client writes.
    node.set_unit("active=active\nsub=running\nresult=success\ninvocation=99\nrestarts=0\n");
    node.put("/registry/configmaps/default/late", "acknowledged");
    node.fault(Op::Swap, FaultKind::Stale);
    assert!(matches!(node.probe(Op::Keep), StepProbe::Partial { .. }));
    node.fault(Op::Keep, FaultKind::Stale);
    node.act(Op::Stop);
    assert!(node.fault(Op::Swap, FaultKind::Stale).contains("in between"));
    let Reply::Kept(kept) = node.act(Op::Keep) else { panic!() };
    assert_eq!(kept.invocation, "99");
    node.act(Op::Swap);
    node.act(Op::Start);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.act(Op::Stop);
    node.act(Op::PutBack { seen: 0 });
    assert!(node.live().iter().any(|(name, _)| name.ends_with("/late")), "the write is not lost");
}

/// Found by cutting the power: the intent to swap was durable, the exchange was not, and every later copy was "done" already.
#[test]
fn a_swap_that_was_cut_before_its_exchange_is_done_after_a_boot() {
    let node = Node::new();
    node.forward(6);
    let target = Box::new(node.target.clone());
    let before = Before { links: data_links(&node.path("k3s")), ..Before::default() };
    let intent = NodeEvent::Intent { step: "n1.swap".into(), op: Op::Swap, target, before };
    NodeJournal::open(&node.places, &node.run, 1).unwrap().append(&node.places, intent).unwrap();
    node.boot();
    node.act(Op::Start);
    node.put("/registry/configmaps/default/later", "by the old version, after the boot");
    node.fault(Op::Swap, FaultKind::Stale);
    for op in [Op::Stop, Op::Keep, Op::Swap, Op::Start] {
        node.act(op);
    }
    assert_eq!(node.version(), NEW);
    node.act(Op::Turn { seen: 7, class: WayClass::Keep, why: "test".into() });
    node.act(Op::Stop);
    node.act(Op::PutBack { seen: 7 });
    assert!(node.live().iter().any(|(name, _)| name.ends_with("/later")), "the copy is the second one");
}

/// Found by `./dev crash`: killed when `current` named the new version and `previous` was not there yet, the swap was taken for
/// done, and the old version was not named by anything.
#[test]
fn a_swap_that_was_cut_between_two_links_moves_the_other_one_too() {
    let node = Node::new();
    node.forward(6);
    let (old, links) = (node.current(), data_links(&node.path("k3s")));
    node.act(Op::Swap);
    let previous = node.path("k3s/data/previous");
    assert_eq!(fs::read_link(&previous).unwrap(), old);
    fs::remove_file(&previous).unwrap();
    assert!(matches!(node.probe(Op::Swap), StepProbe::Partial { .. }));
    node.act(Op::Swap);
    assert_eq!(fs::read_link(&previous).unwrap(), old);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.act(Op::SwapBack);
    assert_eq!(data_links(&node.path("k3s")), links);
}

#[test]
fn a_boot_or_a_write_alone_make_a_copy_stale() {
    let node = Node::new();
    node.forward(6);
    node.put("/registry/configmaps/default/late", "acknowledged");
    assert!(node.fault(Op::Swap, FaultKind::Stale).contains("datastore"));
    let node = Node::new();
    node.forward(6);
    node.boot();
    assert!(node.fault(Op::Swap, FaultKind::Stale).contains("booted"));
}

#[test]
fn a_start_that_dies_is_seen_at_once_with_its_last_words() {
    let node = Node::new();
    node.forward(7);
    let on_start = node.path("unit/on-start");
    fs::write(&on_start, "active=activating; sub=auto-restart; result=exit-code; restarts=1").unwrap();
    let message = node.fault(Op::Start, FaultKind::Failed);
    assert!(message.contains("exit-code") && message.contains("no luck"), "{message}");
    fs::remove_file(on_start).unwrap();
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.act(Op::Stop);
    // It may have written before it died.
    assert!(node.fault(Op::SwapBack, FaultKind::Stale).contains("put-back"));
    node.act(Op::PutBack { seen: 0 });
    node.act(Op::Start);
    assert_eq!(node.version(), OLD);
}

/// systemd waits five seconds with the restart of what died: three attempts were over before it had tried once.
#[test]
fn a_start_after_one_that_died_did_not_judge_the_life_that_had_ended() {
    let node = Node::new();
    node.forward(7);
    let on_start = node.path("unit/on-start");
    fs::write(&on_start, "active=activating; sub=auto-restart; result=exit-code; restarts=1").unwrap();
    node.fault(Op::Start, FaultKind::Failed);
    fs::remove_file(on_start).unwrap();
    node.act(Op::Start);
    assert_eq!(node.version(), NEW);
    let jobs = fs::read_to_string(node.path("unit/jobs")).unwrap();
    assert!(jobs.ends_with("start\nstop\nstart\n"), "{jobs}");
}

#[test]
fn a_release_without_a_vouch_keeps_what_leads_back() {
    let node = Node::new();
    node.forward(8);
    // Whoever asks for it has an old copy of the run: the new version is in place, and nobody has taken it back.
    node.fault(Op::Release { keep_way_back: false }, FaultKind::Human);
    assert!(node.path(&format!("bin/.k3s.belay-{}", node.run)).exists());
    assert!(node.path(&format!("k3s/server.belay-{}", node.run)).exists());
    assert_eq!(node.folded().ended, None);
}

#[test]
fn a_commit_drops_what_earlier_runs_left_but_not_their_backups() {
    let mut node = Node::new();
    node.forward(8);
    node.act(Op::Vouch);
    node.act(Op::Release { keep_way_back: true });
    let first = node.run.clone();
    std::mem::swap(&mut node.target.old, &mut node.target.new);
    std::mem::swap(&mut node.target.old_version, &mut node.target.new_version);
    node.run = "2026-11-24-0001".into();
    // The next upgrade, to what the first one came from: this bench has only two versions.
    node.artifact = node.path("artifact-2");
    fs::write(&node.artifact, super::node::k3s(OLD)).unwrap();
    node.act(node.fence());
    let stage = Op::Stage {
        artifact: belay_wire::ArtifactSpec {
            tag: OLD.parse().unwrap(),
            digest: node.target.new,
            size: fs::metadata(&node.artifact).unwrap().len(),
        },
        have: Some(node.artifact.to_string_lossy().into_owned()),
    };
    // The old data directory of this bench is not a verified one.
    fs::remove_dir_all(node.path("k3s/data").join(hash_of(OLD))).unwrap();
    node.act(stage);
    for op in [Op::Backup, Op::ProveBackup, Op::Stop, Op::Keep, Op::Swap, Op::Start, Op::Vouch] {
        node.act(op);
    }
    node.act(Op::Release { keep_way_back: true });
    assert!(!node.path(&format!("bin/.k3s.belay-{first}")).exists());
    assert!(!node.path(&format!("k3s/server.belay-{first}")).exists());
    assert!(node.places.backup_dir(&first).join("receipt.json").exists());
    assert!(node.path(&format!("k3s/server.belay-{}", node.run)).exists());
    assert_eq!(all_runs(&node.places).len(), 2);
}
