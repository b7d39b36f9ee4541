//! Class binary where the new version never lived: there is nothing to fall back from.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use belay_facts::WayClass;
use belay_wire::{FaultKind, Op, Reply, StepProbe};

use super::guard::abandoned;
use super::node::{NEW, Node, OLD};

fn turn(class: WayClass) -> Op {
    Op::Turn { seen: 40, class, why: "test".into() }
}

/// Swapped, and the new version not started.
fn swapped() -> Node {
    let mut node = Node::new();
    node.target.way_back = WayClass::Binary;
    for op in node.guarded_steps().into_iter().take(8) {
        node.act(op);
    }
    node
}

/// systemd answers no start any more, or does again.
fn no_start(node: &Node, broken: bool) {
    let (systemctl, aside) = (node.path("bin/systemctl"), node.path("bin/systemctl.real"));
    if broken {
        fs::rename(&systemctl, &aside).unwrap();
        let text =
            format!("#!/bin/sh\n[ \"$1 $2\" = '--no-block start' ] && exit 1\nexec {} \"$@\"\n", aside.display());
        fs::write(&systemctl, text).unwrap();
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    } else {
        fs::rename(&aside, &systemctl).unwrap();
    }
}

fn has_written(node: &Node, name: &str) -> bool {
    node.live().iter().any(|(key, _)| key.ends_with(name))
}

/// The old version runs again and writes; then its way back does not hold for a reason that is not in the data.
#[track_caller]
fn falls_and_loses_nothing(node: &Node) {
    node.act(Op::Start);
    node.put("/registry/configmaps/default/after", "by the old version");
    node.act(turn(WayClass::Keep));
    node.act(Op::Stop);
    assert!(matches!(node.probe(Op::PutBack { seen: 0 }), StepProbe::Done { .. }));
    let Reply::PutBack(proof) = node.act(Op::PutBack { seen: 0 }) else { panic!() };
    assert_eq!((proof.lost.len(), proof.lost_complete), (0, true));
    node.act(Op::Start);
    node.act(Op::Release { keep_way_back: false });
    assert_eq!((node.version(), node.active()), (OLD, true));
    assert!(has_written(node, "after"));
    assert_eq!(node.folded().ended.as_deref(), Some("restored"));
    assert!(!node.path(&format!("k3s/server.belay-{}", node.run)).exists());
}

/// Found by the simulation, seeds 195914, 205086, 316770 and 558349: a way back of class binary fell although the new version had
/// never run, and the stopped copy took what the old version had written since with it.
#[test]
fn what_the_old_version_wrote_is_not_lost_where_the_new_one_never_lived() {
    // Never asked to start, swapped back at once or in a second try.
    for tries in 1..=2 {
        let node = swapped();
        node.act(turn(WayClass::Binary));
        if tries == 2 {
            // Killed between the exchange and the outcome.
            let links = node.path("k3s/data/current");
            fs::remove_file(&links).unwrap();
            fs::create_dir(&links).unwrap();
            assert!(node.ask(Op::SwapBack).is_err());
            assert_eq!(node.version(), OLD);
            fs::remove_dir(&links).unwrap();
        }
        node.act(Op::SwapBack);
        falls_and_loses_nothing(&node);
    }
    // Asked to start, and systemd did not.
    let node = swapped();
    no_start(&node, true);
    assert!(node.ask(Op::Start).is_err());
    no_start(&node, false);
    assert!(node.folded().new_started, "an intent is there");
    node.act(turn(WayClass::Binary));
    node.act(Op::SwapBack);
    falls_and_loses_nothing(&node);
}

/// The guard falls by itself where the old version does not come up.
#[test]
fn a_guard_does_not_put_the_copy_back_over_what_the_old_version_wrote_either() {
    let node = swapped();
    node.act(turn(WayClass::Binary));
    node.act(Op::SwapBack);
    node.act(Op::Start);
    node.put("/registry/configmaps/default/after", "by the old version");
    node.act(Op::Stop);
    no_start(&node, true);
    abandoned(&node);
    assert!(node.folded().fell() && node.folded().stayed_old());
    no_start(&node, false);
    abandoned(&node);
    assert_eq!((node.version(), node.active()), (OLD, true));
    assert!(has_written(&node, "after"));
}

/// Whatever may have lived counts as having run: then the copy follows as before.
#[test]
fn a_new_version_that_may_have_lived_is_fallen_back_from() {
    // It died before it wrote; a boot started it; a boot after an intent to start has made systemd forget.
    for how in 0..3 {
        let node = swapped();
        match how {
            0 => node.set_unit("active=failed\nsub=failed\nresult=exit-code\ninvocation=99\nrestarts=0\n"),
            1 => {
                node.boot_with_k3s();
                node.act(Op::Stop);
            }
            _ => {
                no_start(&node, true);
                assert!(node.ask(Op::Start).is_err());
                no_start(&node, false);
                node.boot();
            }
        }
        node.act(turn(WayClass::Binary));
        node.act(Op::SwapBack);
        assert!(!node.folded().stayed_old(), "{how}");
        node.act(turn(WayClass::Keep));
        assert!(matches!(node.probe(Op::PutBack { seen: 0 }), StepProbe::NotDone), "{how}");
        node.act(Op::PutBack { seen: 0 });
        assert_eq!(node.version(), OLD);
    }
}

/// Found by the simulation, seed 764686: the new version was started by hand between the look of a swap-back, which had found that
/// it never lived, and the exchange.
#[test]
fn what_lives_between_the_look_of_a_swap_back_and_its_exchange_is_seen_under_the_marker() {
    let node = swapped();
    node.act(turn(WayClass::Binary));
    let (unit, marker) = (node.path("unit/on-show"), node.path("k3s/.belay-put-back"));
    let starts = format!("if [ -e {} ]; then active=active; sub=running; invocation=99; save; fi\n", marker.display());
    fs::write(&unit, starts).unwrap();
    node.fault(Op::SwapBack, FaultKind::Stale);
    fs::remove_file(unit).unwrap();
    assert_eq!((node.version(), marker.exists()), (NEW, false));
    node.act(Op::Stop);
    node.act(Op::SwapBack);
    assert_eq!((node.version(), node.folded().stayed_old()), (OLD, false));
}
