//! One schedule: a whole run under faults, lived to its end, and judged.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use belay_engine::{EndState, Event, StepState};
use belay_facts::{Mutant, mutated};
use belay_plan::{Goal, StepKind};

use crate::coordinator::{Coordinator, Left};
use crate::world::{Planned, Release, Version};
use crate::{Dice, DiskFault, FaultKind, Group, Invariant, Platter, Shape, SimDisk, Station, Violation, World, places};

/// What became of one schedule.
#[derive(Clone, Debug, Default)]
pub struct Lived {
    pub fired: Vec<(Station, FaultKind)>,
    pub end: Option<EndState>,
    pub violation: Option<Violation>,
    pub trace: Vec<String>,
    /// The coordinator's last records, in order: their kinds and steps.
    pub records: Vec<String>,
}

/// How a schedule is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    pub traced: bool,
    /// Without faults, with a good release: what must commit.
    pub undisturbed: bool,
}

/// Lives the schedule of this seed.
#[must_use]
pub fn live(seed: u64, shapes: &[Rc<Shape>], points: &[(Station, FaultKind)], wish: Wish) -> Lived {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let first = dice.pick(points).filter(|_| !wish.undisturbed);
    let fitting: Vec<&Rc<Shape>> =
        shapes.iter().filter(|shape| first.is_none_or(|(station, _)| station.is_in(shape))).collect();
    let Some(shape) = dice.pick(&fitting).map(Rc::clone) else { return Lived::default() };
    let mut world = World::new(dice.throw(), shape, wish.traced);
    let bad = [Release::NoStart, Release::NeverWell, Release::DiesLater];
    world.release = if dice.once_in(2) { Release::Good } else { dice.pick(&bad).unwrap_or(Release::NeverWell) };
    world.holds = !dice.once_in(3);
    if let Some((station, fault)) = first {
        let mut plan = |station, fault| {
            // Alone the node does a whole way back in one go.
            let nth = nth(&mut dice, if station == Station::Alone { 48 } else { 9 });
            world.planned.push(Planned { station, fault, nth });
        };
        plan(station, fault);
        // What leads to where the first fault is.
        let at =
            Station::Forward(if world.shape.plan.goal == Goal::Restore { StepKind::Restore } else { StepKind::Swap });
        match station {
            Station::Probe => plan(at, FaultKind::AnswerLost),
            Station::Resume => plan(at, FaultKind::Coordinator(DiskFault::Kill)),
            Station::Alone => plan(Station::Back(StepKind::PutBack), FaultKind::Helper(DiskFault::PowerCut)),
            _ => {}
        }
        match station {
            Station::Back(StepKind::SwapBack) if !world.is_binary() => world.planned.push(Planned {
                station: Station::Forward(StepKind::Keep),
                fault: FaultKind::Fails,
                nth: 0,
            }),
            Station::Back(_) | Station::Alone | Station::Turn => {
                world.release = dice.pick(&bad).unwrap_or(Release::NeverWell);
            }
            Station::Fall(_) => (world.release, world.holds) = (Release::NeverWell, false),
            Station::Forward(StepKind::Soak | StepKind::Commit) => world.release = Release::Good,
            _ => {}
        }
        for _ in 0..dice.below(3) {
            let Some((station, fault)) = dice.pick(points) else { break };
            let nth = nth(&mut dice, 14);
            world.planned.push(Planned { station, fault, nth });
        }
    }
    if wish.undisturbed {
        world.release = Release::Good;
    }
    let name = world.shape.name.clone();
    let what = (world.release, world.holds);
    world.say(|| format!("seed {seed}: {name}; the new version is {:?}, the old one holds: {}", what.0, what.1));
    let end = drive(&mut world);
    if world.violation.is_none() {
        judge(&mut world, end.as_ref(), wish);
    }
    let told = |record: &belay_engine::Record| match &record.event {
        Event::Intent { step, .. } => format!("intent {step}"),
        Event::Outcome { step, .. } => format!("outcome {step}"),
        other => format!("{other:?}").chars().take_while(|c| c.is_alphanumeric()).collect::<String>().to_lowercase(),
    };
    Lived {
        fired: std::mem::take(&mut world.fired),
        records: end.as_ref().map(|(last, _)| last.records.iter().map(told).collect()).unwrap_or_default(),
        end: end.map(|coordinator| coordinator.1),
        violation: world.violation.take(),
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// At which call it happens: mostly early, and now and then as late as the last line of an exchange.
fn nth(dice: &mut Dice, few: u64) -> u32 {
    let most = if dice.once_in(3) { 48 } else { few };
    u32::try_from(dice.below(most)).unwrap_or(0)
}

/// So many turns of a loop, resumes and all, are more than any run may take.
const ENOUGH: u32 = 1200;

fn drive(world: &mut World) -> Option<(Coordinator, EndState)> {
    let mut coordinator: Option<Coordinator> = None;
    let (mut acknowledged, mut humans, mut storm) = (0, 0, 0_u32);
    let mut back = false;
    let mut mend: Option<Vec<u8>> = None;
    for _ in 0..ENOUGH {
        if world.violation.is_some() {
            return None;
        }
        let left = match &mut coordinator {
            Some(living) => {
                let stepped = living.step(world);
                acknowledged = living.acknowledged();
                rival(world, &stepped);
                stepped.err()
            }
            None => {
                world.settle();
                let after = world.dice.below(120_000);
                world.advance(after);
                if !world.node.borrow().power || !world.desk.borrow().power {
                    power_on(world);
                }
                world.arrive(Station::Resume);
                match begin(world, back, acknowledged) {
                    Ok(_) if mend.is_some() => {
                        world.violate(Invariant::ChainHolds, "a changed journal was opened");
                        return None;
                    }
                    Ok(new) => {
                        back = false;
                        if storm > 0 {
                            storm -= 1;
                            new.disk.kill();
                        }
                        acknowledged = new.acknowledged();
                        coordinator = Some(new);
                        None
                    }
                    Err(left) => Some(left),
                }
            }
        };
        world.settle();
        let Some(left) = left else { continue };
        world.say(|| format!("the coordinator is gone: {left:?}"));
        match left {
            Left::Ended(EndState::NeedsHuman) if humans < 4 => {
                humans += 1;
                coordinator = None;
            }
            Left::Ended(state) => {
                if coordinator.is_none() {
                    coordinator = replayed(world);
                }
                return coordinator.map(|living| (living, state));
            }
            Left::Damaged(what) => {
                let Some(whole) = mend.take() else {
                    world.violate(Invariant::ChainHolds, format!("the journal does not open: {what}"));
                    return None;
                };
                world.desk.borrow_mut().overwrite(Path::new(places::DESK_JOURNAL), whole);
                coordinator = None;
            }
            Left::Gone(_) => {
                coordinator = None;
                match world.after_kill.take() {
                    Some(FaultKind::Rollback) => back = true,
                    Some(FaultKind::Storm) => storm = 34,
                    Some(FaultKind::BitFlip) => mend = damage(world, false),
                    Some(FaultKind::Forged) => mend = damage(world, true),
                    _ => {}
                }
            }
        }
    }
    world.violate(Invariant::Ends, format!("it has not ended after {ENOUGH} turns"));
    None
}

fn power_on(world: &mut World) {
    world.desk.borrow_mut().power = true;
    if world.shape.local || !world.node.borrow().power {
        world.boot();
    }
}

fn begin(world: &mut World, back: bool, acknowledged: u64) -> Result<Coordinator, Left> {
    let there = world.desk.borrow().read(Path::new(places::DESK_JOURNAL)).is_ok();
    if there {
        let disk = SimDisk::new(Rc::clone(&world.desk), Group::Coordinator);
        Coordinator::resume(world, disk, back, acknowledged)
    } else {
        if acknowledged > 0 {
            world.violate(Invariant::ChainHolds, "a journal with acknowledged records is gone");
        }
        Coordinator::open(world)
    }
}

/// The end was journalled by a coordinator that died of it.
fn replayed(world: &mut World) -> Option<Coordinator> {
    let disk = SimDisk::new(Rc::clone(&world.desk), Group::Other);
    Coordinator::look(world, disk)
}

/// Changes the journal at rest; answers with what it was.
fn damage(world: &mut World, forged: bool) -> Option<Vec<u8>> {
    let path = Path::new(places::DESK_JOURNAL);
    let whole = world.desk.borrow().read(path).ok()?.to_vec();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).collect();
    if lines.is_empty() || world.desk.borrow().find(path).is_none() {
        return None;
    }
    let mut desk = world.desk.borrow_mut();
    if forged {
        // Not the last one: of that nothing follows that could tell.
        let place = world.dice.place(lines.len().checked_sub(1).filter(|left| *left > 0)?);
        let text = String::from_utf8_lossy(lines.get(place)?).replace("\"by\":\"sim\"", "\"by\":\"SIM\"");
        let text = text.replace("\"took\":\"0s\"", "\"took\":\"1s\"").replace("\"shots\":1", "\"shots\":2");
        let body = text.trim_end().splitn(3, ' ').nth(2)?.to_owned();
        let forged = format!("{:06} {:08x} {body}\n", body.len(), crc32c::crc32c(body.as_bytes()));
        if forged.as_bytes() == *lines.get(place)? {
            return None;
        }
        let mut bytes = Vec::with_capacity(whole.len());
        for (at, line) in lines.iter().enumerate() {
            bytes.extend_from_slice(if at == place { forged.as_bytes() } else { line });
        }
        desk.overwrite(path, bytes);
    } else {
        // In the JSON of the last record, which no later one protects.
        let start: usize = lines.iter().rev().skip(1).map(|line| line.len()).sum();
        let text = String::from_utf8_lossy(lines.last()?).into_owned();
        let at = text.find("\"up\":").map(|at| start + at + 5)?;
        desk.flip(path, at, 1);
    }
    Some(whole)
}

/// Somebody goes on with a copy of the run's directory.
fn rival(world: &mut World, stepped: &Result<(), Left>) {
    if stepped.is_err() || world.take(|fault| fault == FaultKind::Rival).is_none() {
        return;
    }
    let mut copy = Platter::new(world.dice.throw());
    for dir in ["/desk", "/desk/runs", places::DESK_RUN] {
        let _ = copy.make(Path::new(dir), true);
    }
    let journal = world.desk.borrow().read(Path::new(places::DESK_JOURNAL)).map(<[u8]>::to_vec).unwrap_or_default();
    if let Ok(inode) = copy.make(Path::new(places::DESK_JOURNAL), false) {
        copy.write(inode, &journal);
        copy.sync_file(inode);
    }
    for dir in ["/", "/desk", "/desk/runs", places::DESK_RUN] {
        let _ = copy.sync_names(Path::new(dir));
    }
    let desk = std::mem::replace(&mut world.desk, Rc::new(RefCell::new(copy)));
    let planned = std::mem::take(&mut world.planned);
    let disk = SimDisk::new(Rc::clone(&world.desk), Group::Other);
    let back = world.dice.once_in(2);
    world.say(|| format!("a rival goes on with a copy, back: {back}"));
    if let Ok(mut other) = Coordinator::resume(world, disk, back, 0) {
        other.rival = true;
        for _ in 0..=world.dice.below(12) {
            if world.violation.is_some() || other.step(world).is_err() {
                break;
            }
        }
    }
    (world.desk, world.planned) = (desk, planned);
    world.say(|| "the rival is gone".to_owned());
}

/// What is true at the end.
fn judge(world: &mut World, end: Option<&(Coordinator, EndState)>, wish: Wish) {
    let Some((coordinator, state)) = end else {
        return world.violate(Invariant::Ends, "it did not end");
    };
    // Nothing that still sleeps may wake up and change it.
    let long = world.lease_length * 2;
    for _ in 0..14 {
        world.advance(long / 14);
    }
    if !world.node.borrow().power {
        world.boot();
    }
    let path = world.at_path(places::BINARY);
    let running = world.k3s.map(|life| life.version);
    let meant = match state {
        EndState::Committed => Version::New,
        EndState::Restored | EndState::Unchanged => Version::Old,
        // Only who holds the other copy of the run's directory can end it, and the node says so.
        EndState::NeedsHuman if world.fired.iter().any(|(_, fault)| *fault == FaultKind::Rival) => return,
        EndState::NeedsHuman => {
            return world
                .violate(Invariant::Ends, "the faults are over, a human resumed it four times, and it has not ended");
        }
    };
    if path != Some(meant) || running != Some(meant) {
        world.violate(Invariant::SameEnd, format!("{state}, the path is {path:?} and {running:?} runs"));
    }
    let link =
        String::from_utf8_lossy(world.node.borrow().read(Path::new(places::LINK)).unwrap_or_default()).into_owned();
    if link != if meant == Version::New { "new" } else { "old" } {
        world.violate(Invariant::SameEnd, format!("{state}, and the link of data/ is {link}"));
    }
    if wish.undisturbed && *state != EndState::Committed {
        world.violate(Invariant::SameEnd, format!("undisturbed, and {state}"));
    }
    if *state == EndState::Committed && world.release != Release::Good {
        world.violate(Invariant::SameEnd, format!("committed, and the new version is {:?}", world.release));
    }
    if world.exists(places::GUARD)
        || world.exists(places::BOOT_UNIT)
        || world.exists(places::MARKER)
        || world.lease.is_some()
    {
        world.violate(Invariant::GuardLeaves, "a guard, a boot unit or a marker was left behind");
    }
    let proven = world.shape.plan.steps().find(|step| step.kind == StepKind::ProveBackup).map(|step| step.id.clone());
    let proven = proven.is_some_and(|id| matches!(coordinator.state.step(&id), StepState::Done { .. }));
    if proven && !world.exists(places::RECEIPT) {
        world.violate(Invariant::BackupStays, "the proven backup is gone");
    }
    losses(world, coordinator, *state);
}

/// The list of what is lost is exact, and nothing on it is from before the new version wrote.
fn losses(world: &mut World, coordinator: &Coordinator, state: EndState) {
    let objects = world.datastore(places::SERVER).map(|data| data.objects).unwrap_or_default();
    let missing: BTreeSet<u32> =
        world.acknowledged.iter().map(|write| write.object).filter(|o| !objects.contains(o)).collect();
    let restores = world.shape.plan.goal == Goal::Restore;
    let reported: BTreeSet<u32> =
        coordinator.lost(if state == EndState::Committed { StepKind::Restore } else { StepKind::PutBack });
    let protected = |write: &&crate::world::Acknowledged| {
        write.server != world.original || !(write.after_new || restores && state == EndState::Committed)
    };
    let of_rebuilt = |write: &&crate::world::Acknowledged| restores && state != EndState::Committed && write.after_new;
    let wrong: Vec<u32> = world
        .acknowledged
        .iter()
        .filter(|write| protected(write) && !of_rebuilt(write))
        .map(|write| write.object)
        .filter(|object| missing.contains(object))
        .collect();
    if !wrong.is_empty() {
        return world.violate(Invariant::NothingLost, format!("{state}, and {wrong:?} are gone"));
    }
    let unlisted: Vec<&u32> = missing.difference(&reported).collect();
    let false_ones: Vec<&u32> = reported.intersection(&objects).filter(|object| **object > 1000).collect();
    if !unlisted.is_empty() || !false_ones.is_empty() && !mutated(Mutant::LeaveStaleWal) {
        world.violate(
            Invariant::NothingLost,
            format!("{state}: lost and not listed {unlisted:?}, listed and there {false_ones:?}"),
        );
    }
}
