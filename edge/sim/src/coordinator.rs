//! The coordinator: a twin of `edge/runner/src/runner.rs` (`carry_out`, `turn`, `adopt`, `resume`) and of `book.rs`, without
//! tokio. The order of journal, effect, turn and adoption is that of the runner: a change there belongs here as well.

use std::path::Path;
use std::rc::Rc;

use belay_engine::{
    Command, EndState, Event, Fault, FaultKind, Halt, NodeTale, ProbeState, Record, RunState, TurnCause,
};
use belay_facts::{Mutant, Span, mutated};
use belay_journal::{Disk as _, DiskFile as _, Durable, Journal, JournalError, read_on};
use belay_plan::{Plan, Reached, Step, StepKind};
use serde_json::Value;

use crate::helper::{held, remember};
use crate::node_run::Op;
use crate::story::{GUARD_ACTED, Story};
use crate::{Group, Invariant, SimDisk, Station, World, places};

mod act;

/// Why a coordinator is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    Ended(EndState),
    /// It was killed, or could not go on; the run is there for a resume.
    Gone(String),
    /// Its journal is damaged.
    Damaged(String),
}

/// One process that carries a run out.
pub struct Coordinator {
    plan: Rc<Plan>,
    pub disk: SimDisk,
    journal: Journal<SimDisk>,
    pub state: RunState,
    pub records: Vec<Record>,
    generation: u64,
    /// How often the channel was opened again.
    channel: u32,
    pub story: Story,
    reserve_freed: bool,
    broken: u32,
    interrupted: bool,
    /// A second one, on a copy of the directory: it goes no further than the run's last step.
    pub rival: bool,
}

const RECONNECTS: u32 = 5;

fn gone(error: &JournalError) -> Left {
    match error {
        JournalError::Damaged { .. } => Left::Damaged(error.to_string()),
        _ => Left::Gone(error.to_string()),
    }
}

fn io(error: std::io::Error) -> Left {
    Left::Gone(error.to_string())
}

impl Coordinator {
    /// As `Runner::open` with `RunDir::create`.
    pub fn open(world: &mut World) -> Result<Self, Left> {
        let disk = SimDisk::new(Rc::clone(&world.desk), Group::Coordinator);
        let durable = Durable(&disk);
        durable.create_dir(Path::new(places::DESK_RUN), 0o700).map_err(io)?;
        durable.replace(Path::new(places::DESK_PLAN), b"plan", 0o600).map_err(io)?;
        let _ = durable.remove(Path::new(places::DESK_RESERVE));
        let mut reserve = disk.create_new(Path::new(places::DESK_RESERVE)).map_err(io)?;
        reserve.sync_all().map_err(io)?;
        let journal =
            Journal::create_on(disk.clone(), Path::new(places::DESK_JOURNAL)).map_err(|error| gone(&error))?;
        let mut new = Self::of(world, disk, journal);
        let opened = new.opened();
        new.record(world, opened)?;
        Ok(new)
    }

    fn of(world: &World, disk: SimDisk, journal: Journal<SimDisk>) -> Self {
        Self {
            plan: Rc::new(world.shape.plan.clone()),
            disk,
            journal,
            state: RunState::default(),
            records: Vec::new(),
            generation: 1,
            channel: 0,
            story: Story::default(),
            reserve_freed: false,
            broken: 0,
            interrupted: false,
            rival: false,
        }
    }

    fn opened(&self) -> Event {
        let (plan, from, to) = (self.plan.digest, self.plan.from.clone(), self.plan.to.clone());
        Event::Open { plan, from, to, by: "sim".to_owned(), belay: "0".to_owned() }
    }

    /// As `Runner::resume`. `acknowledged`: how many records were durable when they were last seen.
    pub fn resume(world: &mut World, disk: SimDisk, back: bool, acknowledged: u64) -> Result<Self, Left> {
        let path = Path::new(places::DESK_JOURNAL);
        let journal = Journal::open_exclusive_on(disk.clone(), path).map_err(|error| gone(&error))?;
        let (records, _) = read_on::<Record>(&disk, path).map_err(|error| gone(&error))?;
        let records: Vec<Record> = records.into_iter().map(|record| record.body).collect();
        if (records.len() as u64) < acknowledged {
            let what = format!("{acknowledged} records were acknowledged, {} are there", records.len());
            world.violate(Invariant::ChainHolds, what);
        }
        let plan = world.shape.plan.clone();
        let state = RunState::replay(&plan, &records);
        let state = state.map_err(|error| Left::Damaged(error.to_string()))?;
        if let Some(end) = state.end().filter(|end| *end != EndState::NeedsHuman) {
            return Err(Left::Ended(end));
        }
        let own = state.generation().max(1);
        // As the helper answers `remember`: its journal, and the fence that a boot may have raised above that.
        let fence =
            world.node.borrow().read(Path::new(places::FENCE)).map(|held| String::from_utf8_lossy(held).into_owned());
        let fence = fence.ok().and_then(|text| held(&text)).map_or(0, |(generation, _)| generation);
        let remembered = remember(world).map_or(0, |run| run.generation).max(fence);
        let generation = own.max(remembered) + u64::from(!mutated(Mutant::KeepGeneration));
        let mut new = Self::of(world, disk, journal);
        (new.state, new.generation) = (state, generation);
        records.iter().for_each(|record| {
            let _ = new.story.hear(&plan, record);
        });
        new.records = records;
        if new.records.is_empty() {
            let opened = new.opened();
            new.record(world, opened)?;
        }
        new.record(world, Event::Resumed { by: "sim".to_owned(), belay: "0".to_owned(), back })?;
        new.adopt(world)?;
        Ok(new)
    }

    /// A run that has ended, read.
    pub fn look(world: &World, disk: SimDisk) -> Option<Self> {
        let path = Path::new(places::DESK_JOURNAL);
        let journal = Journal::open_exclusive_on(disk.clone(), path).ok()?;
        let (records, _) = read_on::<Record>(&disk, path).ok()?;
        let records: Vec<Record> = records.into_iter().map(|record| record.body).collect();
        let mut read = Self::of(world, disk, journal);
        read.state = RunState::replay(&world.shape.plan, &records).ok()?;
        read.records = records;
        Some(read)
    }

    pub fn record(&mut self, world: &mut World, event: Event) -> Result<(), Left> {
        let at = jiff::Timestamp::from_millisecond(world.wall).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let record = Record {
            run: self.plan.id.clone(),
            generation: self.generation,
            at,
            up: world.up,
            boot: world.boot.to_string(),
            event,
        };
        let mut state = self.state.clone();
        if let Err(why) = state.apply(&self.plan, &record) {
            world.violate(Invariant::SameEnd, format!("the engine refuses its own event: {why}: {:?}", record.event));
            return Err(Left::Gone(why.to_owned()));
        }
        if let Err(error) = self.journal.append(&record) {
            world.settle();
            if self.disk.is_dead() || self.reserve_freed || !error.is_full_disk() {
                return Err(gone(&error));
            }
            self.reserve_freed = true;
            Durable(&self.disk).remove(Path::new(places::DESK_RESERVE)).map_err(io)?;
            self.journal.reopen().map_err(|error| gone(&error))?;
            self.journal.append(&record).map_err(|error| gone(&error))?;
        }
        world.say(|| {
            format!("{}journal {}: {:?}", if self.rival { "rival " } else { "" }, self.journal.records(), record.event)
        });
        self.state = state;
        if let Some((invariant, what)) = self.story.hear(&self.plan, &record) {
            world.violate(invariant, what);
        }
        self.records.push(record);
        Ok(())
    }

    /// How many records are acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.journal.records()
    }

    /// One turn of the runner's loop.
    pub fn step(&mut self, world: &mut World) -> Result<(), Left> {
        if self.disk.is_dead() {
            return Err(Left::Gone("killed".to_owned()));
        }
        if self.interrupted {
            self.go_back(world)?;
        }
        match self.state.next(&self.plan) {
            Command::Do { step, attempt } => self.carry_out(world, step, attempt),
            Command::Probe { step } => {
                world.arrive(Station::Probe);
                self.strike(world)?;
                match self.settle(world, &step) {
                    Ok((state, proof)) => {
                        self.broken = 0;
                        let says = String::new();
                        self.record(world, Event::Probed { step: step.id, state, proof, says })
                    }
                    Err(fault) if fault.kind == FaultKind::Fenced => {
                        self.record(world, Event::Superseded { says: fault.message })
                    }
                    Err(fault) => {
                        self.broken += 1;
                        self.reopen(world, &fault)
                    }
                }
            }
            Command::Turn { reached, cause } => self.turn(world, reached, cause),
            Command::Leave { why } => {
                self.measured(world)?;
                Err(Left::Gone(why))
            }
            Command::End { state, why } => {
                world.arrive(Station::End);
                self.strike(world)?;
                if state == EndState::NeedsHuman {
                    let _ = self.ask(world, Op::StandDown, false);
                }
                self.measured(world)?;
                self.record(world, Event::End { state, why })?;
                let _ = Durable(&self.disk).remove(Path::new(places::DESK_RESERVE));
                Ok(())
            }
            Command::Finished { state } => Err(Left::Ended(state)),
        }
    }

    fn carry_out(&mut self, world: &mut World, step: Step, attempt: u32) -> Result<(), Left> {
        let station = match step.id.split('.').nth(1) {
            Some("back") => Station::Back(step.kind),
            Some("back2") => Station::Fall(step.kind),
            _ => Station::Forward(step.kind),
        };
        if self.rival && matches!(step.kind, StepKind::Commit | StepKind::Release) {
            return Err(Left::Gone("the rival gives up".to_owned()));
        }
        world.arrive(station);
        self.strike(world)?;
        let id = step.id.clone();
        let intent = Event::Intent { step: id.clone(), attempt };
        let early = mutated(Mutant::EffectBeforeIntent);
        let mut done = None;
        if early {
            done = Some(self.effect(world, &step));
        }
        self.record(world, intent)?;
        let done = match done {
            Some(done) => done,
            None => self.effect(world, &step),
        };
        if self.disk.is_dead() {
            return Err(Left::Gone("killed".to_owned()));
        }
        let (ok, proof, fault) = match done {
            Ok(proof) => (true, proof, None),
            Err(fault) => (false, Value::Null, Some(fault)),
        };
        let lost = fault.as_ref().is_some_and(|fault| fault.kind.leaves_doubt());
        self.record(world, Event::Outcome { step: id, ok, proof, fault: fault.clone(), took: Span::ZERO })?;
        self.broken = if lost { self.broken + 1 } else { 0 };
        if let Some(fault) = fault.filter(|_| lost) {
            self.reopen(world, &fault)?;
        }
        Ok(())
    }

    fn go_back(&mut self, world: &mut World) -> Result<(), Left> {
        match self.state.ask_back(&self.plan, &Halt::CtrlC.to_string()) {
            Some(Command::Turn { reached, cause }) => {
                let asked = self.state.asked();
                self.turn(world, reached, TurnCause { asked, ..cause })
            }
            _ => Ok(()),
        }
    }

    /// Node first, then journal.
    fn turn(&mut self, world: &mut World, reached: Reached, cause: TurnCause) -> Result<(), Left> {
        world.arrive(Station::Turn);
        self.strike(world)?;
        let seen = world.seen.max(self.state.seen());
        if reached != Reached::Prepared && !mutated(Mutant::TurnNotTold) {
            let class = self.plan.class_from(reached);
            self.broken = 0;
            while let Err(error) = self.ask(world, Op::Turn { seen, class }, false) {
                if error.kind == FaultKind::Fenced {
                    return self.record(world, Event::Superseded { says: error.message });
                }
                if error.kind.leaves_doubt() {
                    if self.disk.is_dead() {
                        return Err(Left::Gone("killed".to_owned()));
                    }
                    self.broken += 1;
                    self.reopen(world, &error)?;
                    continue;
                }
                let says = format!("the node could not be told that the run goes back: {}", error.message);
                self.record(world, Event::Note { says })?;
                break;
            }
        }
        self.measured(world)?;
        let told = self.records.iter().rev().nth(1).is_some_and(|record| matches!(record.event, Event::Note { .. }));
        self.record(world, Event::Turn { reached, cause })?;
        let knows = remember(world).is_ok_and(|run| run.turned.is_some());
        if reached != Reached::Prepared && !told && !knows {
            world.violate(Invariant::TurnTold, "the run has turned, and its node does not know");
        }
        Ok(())
    }

    fn measured(&mut self, world: &mut World) -> Result<(), Left> {
        // What the probe has seen is a part of what clients have.
        let seen = world.seen.saturating_sub(world.dice.below(3));
        self.record(world, Event::Measured { outages: Vec::new(), shots: 1, seen, on_node: None })
    }

    /// What the node did by itself.
    fn adopt(&mut self, world: &mut World) -> Result<(), Left> {
        self.reach(world)?;
        let Ok(run) = remember(world) else { return Ok(()) };
        let tale = NodeTale {
            turned: run.turned.is_some(),
            class: run.class,
            stopped: run.stop_intended,
            started: run.new_started || run.restore_plan.is_some(),
            put_back: run.put_back_plan.is_some(),
            ended: run.ended.map(|committed| committed.to_string()),
            guard: run.guarded.then(|| GUARD_ACTED.to_owned()),
        };
        while let Some(event) = self.state.adopted_turn(&self.plan, &tale) {
            match event {
                // The node does not know it yet.
                Event::Turn { reached, cause } if !tale.turned && tale.ended.is_none() => {
                    self.turn(world, reached, cause)?
                }
                known => self.record(world, known)?,
            }
        }
        let released = tale.ended.is_some() && tale.guard.is_some();
        let Some(undo) = self.state.undo_to_adopt(&self.plan, released) else { return Ok(()) };
        let Ok((ProbeState::Done, proof)) = self.find_out(world, &undo) else { return Ok(()) };
        for event in self.state.adopted_steps(&self.plan, &undo, &proof, released) {
            let event = match event {
                Event::Probed { step, says, .. } if step == undo.id && !released => {
                    // It stays begun, and is probed.
                    let Ok((state, proof)) = self.settle(world, &undo) else { return Ok(()) };
                    Event::Probed { step, state, proof, says }
                }
                other => other,
            };
            let done = !matches!(event, Event::Probed { state: ProbeState::NotDone | ProbeState::Partial, .. });
            self.record(world, event)?;
            if !done {
                break;
            }
        }
        Ok(())
    }

    /// Waits until the node is there again.
    fn reopen(&mut self, world: &mut World, fault: &Fault) -> Result<(), Left> {
        for _ in self.broken..=RECONNECTS {
            world.advance(1000);
            if !world.node.borrow().power && world.dice.once_in(2) {
                world.boot();
            }
            if let crate::world::LinkFate::Down(left) = &mut world.link {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    world.link = crate::world::LinkFate::Fine;
                }
                continue;
            }
            if world.node.borrow().power {
                self.channel += 1;
                return Ok(());
            }
        }
        self.measured(world)?;
        Err(Left::Gone(format!("the node is lost: {}", fault.message)))
    }
}
