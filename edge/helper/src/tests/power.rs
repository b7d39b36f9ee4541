//! Power cuts: the helper's real code on a real ext4, on a disk whose writes and flushes are recorded. Every cut is a disk
//! that could have been left: what was flushed is there, of the rest anything. Then the node boots, the boot unit recovers,
//! and whoever comes back asks on.
//!
//! Needs root, FUSE, loop devices and `mkfs.ext4`: `./dev crash --power N`.

mod cut;
mod disk;
mod story;

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use cut::{Chance, Unsynced, acknowledged, image};
use disk::{Disk, Event, Mounted};
use story::{Act, Story};

use belay_wire::Op;

use super::node::{Node, Root};

/// A story that was lived once, undisturbed, with everything that its disk was told.
struct Recorded {
    story: &'static Story,
    node: Node,
    base: Vec<u8>,
    events: Vec<Event>,
    end: String,
}

fn record(story: &'static Story, dir: &Path, at: &Path) -> Recorded {
    let disk = Disk::new(dir, at);
    std::fs::create_dir(at.join("n")).unwrap();
    let mut node = Node::with(Root::There(at.join("n")));
    (story.before)(&mut node);
    let base = disk.record();
    for (index, act) in (story.acts)(&node).iter().enumerate() {
        act.perform(&node).unwrap_or_else(|fault| panic!("{}: {act:?}: {fault:?}", story.name));
        let records = if node.places.run_dir(&node.run).exists() { node.folded().records } else { 0 };
        disk.acknowledge(index + 1, records);
    }
    let end = story::end(&node);
    Recorded { story, end, events: disk.events(), base, node }
}

impl Recorded {
    /// One cut, and what follows. The error is what was wrong.
    fn cut(&self, dir: &Path, at: &Path, point: usize, unsynced: Unsynced, seed: u64) -> Result<(), String> {
        // Under a name of its own: a loop device that goes late must not be met again.
        let file = dir.join(format!("cut-{seed:x}"));
        std::fs::write(&file, image(&self.base, &self.events, point, unsynced, &mut Chance(seed))).unwrap();
        let _mounted = Mounted::of(&file, at);
        std::fs::remove_file(&file).unwrap();
        let (acts, records) = acknowledged(&self.events, point);
        let node = self.node.again();
        story::whole(&node)?;
        story::remembers(&node, records)?;
        node.boot();
        story::recover_twice(&node)?;
        story::boot_k3s(&node)?;
        story::whole(&node)?;
        self.go_on(node, acts)?;
        Ok(())
    }

    /// The coordinator comes back, and asks for what it had no answer to.
    fn go_on(&self, mut node: Node, acts: usize) -> Result<(), String> {
        node.generation = story::generation(&node)? + 1;
        let mut all = (self.story.acts)(&node);
        let mut next = acts;
        let mut again = 0;
        while let Some(act) = all.get(next) {
            match act.perform(&node) {
                Ok(()) => next += 1,
                // As the engine does: a boot started the new version, so only the stopped copy leads back.
                Err(fault) if fault.kind == belay_wire::FaultKind::Stale && act.is_swap_back() => {
                    let rest = all.split_off(next).into_iter().skip(1);
                    all.extend([Act::Ask(Op::Stop), Act::Ask(Op::PutBack { seen: 7 })]);
                    all.extend(rest);
                }
                // As the engine does: what an earlier step saw is not so any more, so it is done again from its stop on.
                Err(fault) if fault.kind == belay_wire::FaultKind::Stale && again < 3 => {
                    again += 1;
                    let stop = all[..=next].iter().rposition(Act::is_stop);
                    next = stop.ok_or_else(|| format!("{act:?} is stale, and nothing was stopped: {fault:?}"))?;
                }
                Err(fault) => return Err(format!("{act:?}: {fault:?}")),
            }
        }
        story::whole(&node)?;
        let end = story::end(&node);
        if end == self.end { Ok(()) } else { Err(format!("the end is another one:\n{end}\ninstead of\n{}", self.end)) }
    }
}

/// Cuts each story so many times, every point once before any twice. The seed is printed; `BELAY_POWER_SEED` repeats it.
#[test]
#[ignore = "needs root, FUSE and loop devices; ./dev crash --power N"]
fn after_any_power_cut_the_node_comes_home() {
    let number = |name, or| std::env::var(name).map_or(or, |text: String| text.parse().unwrap());
    let (cuts, seed) = (number("BELAY_POWER", 100), number("BELAY_POWER_SEED", 1));
    switch_mutant();
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let at = dir.path().join("mnt");
    let each = usize::try_from(cuts).unwrap().div_ceil(story::ALL.len());
    let (mut wrong, mut done) = (Vec::new(), 0);
    for story in story::ALL {
        let recorded = record(story, dir.path(), &at);
        let points = recorded.events.len() + 1;
        let total = points * Unsynced::ALL.len();
        let mut chance = Chance(seed);
        let mut covered = BTreeSet::new();
        for turn in 0..each {
            // Without repeats until all were there: a walk with a step that shares no factor with their number.
            let index = (chance.below(if turn == 0 { total } else { 1 }) + turn * stride(total)) % total;
            let (point, unsynced) = (index / Unsynced::ALL.len(), Unsynced::ALL[index % Unsynced::ALL.len()]);
            covered.insert((point, unsynced));
            let own = chance.next();
            done += 1;
            let cut = AssertUnwindSafe(|| recorded.cut(dir.path(), &at, point, unsynced, own));
            if let Err(why) = catch_unwind(cut).unwrap_or_else(|panic| Err(said(&*panic))) {
                wrong
                    .push(format!("{}: cut {done}, before event {point}, {unsynced:?}, seed {own}: {why}", story.name));
                if wrong.len() >= 5 {
                    break;
                }
            }
        }
        let cut_at: BTreeSet<usize> = covered.iter().map(|(point, _)| *point).collect();
        println!(
            "{}: {} writes and {} flushes; {each} cuts with seed {seed}: {} of {points} points, {} of {total} points and fates",
            story.name,
            recorded.events.iter().filter(|event| matches!(event, Event::Write { .. })).count(),
            recorded.events.iter().filter(|event| matches!(event, Event::Flush)).count(),
            cut_at.len(),
            covered.len(),
        );
        if !wrong.is_empty() {
            break;
        }
    }
    assert!(done > 0);
    assert!(wrong.is_empty(), "{} of {done} cuts:\n{}", wrong.len(), wrong.join("\n"));
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

/// A step with which a walk round a ring meets every place.
fn stride(total: usize) -> usize {
    let shares = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a > 1
    };
    (total * 5 / 13..).find(|step| *step > 0 && !shares(*step, total)).unwrap()
}

/// In a build with mutants, `BELAY_MUTANT` names the one that is on.
fn switch_mutant() {
    #[cfg(feature = "mutants")]
    if let Ok(name) = std::env::var("BELAY_MUTANT") {
        let mutant = belay_facts::Mutant::ALL.iter().find(|mutant| mutant.name() == name);
        belay_facts::mutate(Some(*mutant.unwrap_or_else(|| panic!("there is no mutant {name}"))));
    }
}
