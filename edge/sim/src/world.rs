//! Everything outside Belay: two machines, their clocks, K3s, its clients, and the order in which fate strikes.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use belay_facts::{Mutant, Span, mutated};
use belay_plan::{Step, StepKind, WayClass};

use crate::datastore::Datastore;
use crate::helper::{self, Request};
use crate::node_run::NodeRun;
use crate::platter::{Armed, Inode};
use crate::{Dice, DiskFault, FaultKind, Group, Invariant, Platter, Shape, Station, Violation, places};

mod k3s;

/// The two versions of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Old,
    New,
}

/// What the new version is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    Good,
    /// It ends before it is ready.
    NoStart,
    /// It is active, and a gate says no.
    NeverWell,
    /// It is well at the gates and not in the soak.
    DiesLater,
}

/// One life of K3s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub invocation: u64,
    pub version: Version,
    pub server: Inode,
}

/// A write that a client was told is done.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    pub object: u32,
    pub server: Inode,
    /// The new version had run on that directory before.
    pub after_new: bool,
}

/// A fault that is to come.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    pub station: Station,
    pub fault: FaultKind,
    pub nth: u32,
}

/// The guard's timer.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    pub until_up: u64,
    pub until_wall: i64,
    pub renewed_up: u64,
}

/// When the administrator starts K3s by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    Before,
    After,
    /// After that many lines of an exchange.
    Between(u32),
}

/// What a link does to the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFate {
    Fine,
    RequestLost,
    AnswerLost,
    Twice,
    Late,
    Down(u32),
}

pub struct World {
    pub dice: Dice,
    pub shape: Rc<Shape>,
    /// The longest deadline of any step.
    pub longest: u64,
    pub lease_length: u64,
    pub node: Rc<RefCell<Platter>>,
    pub desk: Rc<RefCell<Platter>>,
    pub up: u64,
    pub wall: i64,
    pub boot: u64,
    pub k3s: Option<Life>,
    /// The InvocationID that systemd shows; 0 after a boot.
    pub shown: u64,
    pub lives: u64,
    pub release: Release,
    /// The old version is well on what the new one wrote.
    pub holds: bool,
    pub lease: Option<Lease>,
    pub planned: Vec<Planned>,
    /// For whoever drives the coordinators.
    pub driver: Vec<(Station, FaultKind)>,
    /// What the administrator does, or what happens to the journal, after the coordinator was killed.
    pub after_kill: Option<FaultKind>,
    armed: Vec<(Station, FaultKind)>,
    pub fired: Vec<(Station, FaultKind)>,
    pub station: Option<Station>,
    pub link: LinkFate,
    pub late: Vec<(Request, u32)>,
    pub hand: Option<Hand>,
    pub fail_effect: bool,
    pub generation_floor: u64,
    pub acknowledged: Vec<Acknowledged>,
    pub seen: u64,
    pub new_ran_on: Option<Inode>,
    pub original: Inode,
    pub stops: u32,
    pub committed: bool,
    pub violation: Option<Violation>,
    pub trace: Option<Vec<String>>,
    pub(crate) objects: u32,
    /// The node's journal as it was read last, and what it says.
    pub(crate) remembered: RefCell<Option<(Vec<u8>, NodeRun)>>,
}

impl World {
    #[must_use]
    pub fn new(seed: u64, shape: Rc<Shape>, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let node = Rc::new(RefCell::new(Platter::new(dice.throw())));
        let desk = if shape.local { Rc::clone(&node) } else { Rc::new(RefCell::new(Platter::new(dice.throw()))) };
        // What the coordinator may be silent for: the longest step with the guard armed, and of a soak what its deadline has
        // beyond its length.
        let armed = shape.plan.steps().skip_while(|step| step.kind != StepKind::ArmGuard);
        let silent = |step: &Step| step.deadline.as_millis().saturating_sub(step.length.map_or(0, Span::as_millis));
        let longest = armed.map(silent).max().unwrap_or(0);
        let original = places::furnish(&mut node.borrow_mut(), shape.plan.goal);
        let lease_length = shape.plan.steps().find_map(|step| step.lease).map_or(0, Span::as_millis);
        let mut world = Self {
            dice,
            longest,
            lease_length,
            node,
            desk,
            up: 1_000_000,
            wall: 1_800_000_000_000,
            boot: 1,
            k3s: None,
            shown: 0,
            lives: 0,
            release: Release::Good,
            holds: true,
            lease: None,
            planned: Vec::new(),
            driver: Vec::new(),
            after_kill: None,
            armed: Vec::new(),
            fired: Vec::new(),
            station: None,
            link: LinkFate::Fine,
            late: Vec::new(),
            hand: None,
            fail_effect: false,
            generation_floor: 0,
            acknowledged: Vec::new(),
            seen: 0,
            new_ran_on: None,
            original,
            stops: 0,
            committed: false,
            violation: None,
            trace: traced.then(Vec::new),
            objects: 1000,
            remembered: RefCell::default(),
            shape,
        };
        world.start_k3s();
        (0..3).for_each(|_| world.write());
        world
    }

    pub fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10} {}", self.up, what()));
        }
    }

    pub fn violate(&mut self, invariant: Invariant, what: impl Into<String>) {
        let what = what.into();
        self.say(|| format!("!! {invariant}: {what}"));
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, what });
        }
    }

    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.shape.plan.way_back.class == WayClass::Binary
    }

    #[must_use]
    pub fn at_path(&self, path: &str) -> Option<Version> {
        match self.node.borrow().read(Path::new(path)).ok()? {
            places::OLD => Some(Version::Old),
            places::NEW => Some(Version::New),
            _ => None,
        }
    }

    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.inode(path).is_some()
    }

    #[must_use]
    pub fn inode(&self, path: &str) -> Option<Inode> {
        self.node.borrow().find(Path::new(path))
    }

    #[must_use]
    pub fn datastore(&self, server: &str) -> Option<Datastore> {
        Datastore::read(&self.node.borrow(), Path::new(server))
    }

    /// Arms what is to happen at this station.
    pub fn arrive(&mut self, station: Station) {
        self.station = Some(station);
        while let Some(place) = self.planned.iter().position(|planned| planned.station == station) {
            let Planned { fault, nth, .. } = self.planned.swap_remove(place);
            self.say(|| format!("-- {station}: {fault:?} ({nth})"));
            let (desk, node) = (Rc::clone(&self.desk), Rc::clone(&self.node));
            let arm = |fault, group| Some(Armed { fault, group, left: nth });
            match fault {
                FaultKind::Coordinator(fault) => desk.borrow_mut().armed = arm(fault, Group::Coordinator),
                FaultKind::Helper(fault) => node.borrow_mut().armed = arm(fault, Group::Helper),
                FaultKind::RequestLost => self.link = LinkFate::RequestLost,
                FaultKind::AnswerLost => self.link = LinkFate::AnswerLost,
                FaultKind::Twice => self.link = LinkFate::Twice,
                FaultKind::Late => self.link = LinkFate::Late,
                FaultKind::LinkDown => self.link = LinkFate::Down(7),
                FaultKind::HandStart => {
                    self.hand = Some(match nth % 3 {
                        0 => Hand::Before,
                        1 => Hand::After,
                        _ => Hand::Between(nth / 3 % 4),
                    });
                }
                FaultKind::Fails => self.fail_effect = true,
                FaultKind::ClockJump => {
                    self.wall += if nth % 2 == 0 { 90_000_000 } else { -90_000_000 };
                    self.happened(fault);
                    self.check_lease();
                }
                FaultKind::K3sDies => {
                    if self.k3s.is_some() {
                        self.happened(fault);
                        self.say(|| "K3s dies".to_owned());
                        self.k3s = None;
                        self.start_k3s();
                    }
                }
                FaultKind::Pause => {
                    self.happened(fault);
                    let long = self.lease_length + 1000;
                    self.advance(long);
                }
                // The coordinator and its driver know these.
                _ => self.driver.push((station, fault)),
            }
            if matches!(fault, FaultKind::Coordinator(_) | FaultKind::Helper(_)) {
                self.armed.push((station, fault));
            }
        }
    }

    /// A fault for the driver, armed at the last station.
    pub fn take(&mut self, which: impl Fn(FaultKind) -> bool) -> Option<FaultKind> {
        let place = self.driver.iter().position(|(_, fault)| which(*fault))?;
        let (station, fault) = self.driver.swap_remove(place);
        self.fired.push((station, fault));
        Some(fault)
    }

    pub fn happened(&mut self, fault: FaultKind) {
        if let Some(station) = self.station {
            self.fired.push((station, fault));
        }
    }

    /// Takes note of what the disks did, and of a node without power.
    pub fn settle(&mut self) {
        for platter in [Rc::clone(&self.desk), Rc::clone(&self.node)] {
            let happened: Vec<DiskFault> = platter.borrow_mut().happened.drain(..).collect();
            for fault in happened {
                let same = |armed: &&(Station, FaultKind)| {
                    armed.1 == FaultKind::Coordinator(fault) || armed.1 == FaultKind::Helper(fault)
                };
                if let Some(armed) = self.armed.iter().rev().find(same).copied() {
                    self.say(|| format!("-- it happens: {:?}", armed.1));
                    self.fired.push(armed);
                }
            }
        }
        if !self.node.borrow().power && (self.k3s.is_some() || self.shown != 0) {
            self.say(|| "the node is without power".to_owned());
            (self.k3s, self.shown, self.lease) = (None, 0, None);
        }
    }

    pub fn advance(&mut self, milliseconds: u64) {
        self.up += milliseconds;
        self.wall += i64::try_from(milliseconds).unwrap_or(0);
        self.check_lease();
        if self.dice.once_in(2) {
            self.write();
        }
        let due: Vec<Request> = {
            let (due, later) = self.late.drain(..).partition(|(_, left)| *left == 0);
            self.late = later;
            let due: Vec<(Request, u32)> = due;
            due.into_iter().map(|(request, _)| request).collect()
        };
        self.late.iter_mut().for_each(|(_, left)| *left -= 1);
        for request in due {
            if self.node.borrow().power {
                self.say(|| format!("a late request arrives: {request:?}"));
                let _ = helper::serve(self, &request, true);
                self.settle();
            }
        }
    }

    fn check_lease(&mut self) {
        let Some(lease) = self.lease else { return };
        let over = match mutated(Mutant::GuardByCalendar) {
            true => self.wall >= lease.until_wall,
            false => self.up >= lease.until_up,
        };
        if over && self.node.borrow().power {
            if self.up < lease.renewed_up + self.longest {
                let silent = self.up - lease.renewed_up;
                self.violate(
                    Invariant::GuardInTime,
                    format!("it acted after {silent} ms, a step may take {}", self.longest),
                );
            }
            helper::guard(self);
        }
    }

    pub fn renew(&mut self) {
        if self.lease.is_some() && !mutated(Mutant::NeverRenew) {
            self.arm();
        }
        if let Some(lease) = &mut self.lease {
            lease.renewed_up = self.up;
        }
    }

    pub fn arm(&mut self) {
        let length = self.lease_length;
        let until_wall = self.wall + i64::try_from(length).unwrap_or(0);
        self.lease = Some(Lease { until_up: self.up + length, until_wall, renewed_up: self.up });
    }

    /// The power comes back: our boot unit, then K3s, then the guard's timer.
    pub fn boot(&mut self) {
        self.boot += 1;
        (self.up, self.shown, self.k3s, self.lease) = (0, 0, None, None);
        self.node.borrow_mut().power = true;
        let boot = self.boot;
        self.say(|| format!("the node boots ({boot})"));
        if self.exists(places::BOOT_UNIT) {
            helper::recover(self);
        }
        if self.node.borrow().power {
            self.start_k3s();
            if self.exists(places::GUARD) {
                self.arm();
            }
        }
        self.settle();
    }
}
