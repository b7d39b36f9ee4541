//! One server: what it remembers, its guard, and its K3s.

use belay_facts::Mutant;
use belay_plan::StepKind;

use crate::flaw::Flaw;
use crate::law::{End, Fold, Law, No, StepNo, Tale};

/// What is asked of a node, with the generation of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// Which life of which coordinator asks; each has a number of its own.
    pub life: u8,
    pub node: u8,
    pub generation: u8,
    /// The coordinator's journal, of which the node keeps a copy.
    pub journal: Fold,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Whoever takes a run over raises the fence and reads what the node remembers, in one.
    Claim,
    Do(StepNo),
    Probe(StepNo),
    /// The gates of this step said yes.
    Vouch(StepNo),
    Turn,
    StandDown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// What the node remembers: what it did alone, how the run ended on it, and the copy of the journal with the
    /// generation that wrote it.
    Claimed {
        tale: Tale,
        ended: Option<End>,
        copy: (u8, Fold),
    },
    Noted,
    Done,
    Found(bool),
    Not(No),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lease {
    Off,
    /// `renewed`: since the lease was looked at last.
    Running {
        renewed: bool,
    },
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    Waits,
    /// The fence is raised and the turn written; nothing is done yet.
    Decided,
    Acted,
}

/// Which K3s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    Old,
    New,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub fence: u8,
    /// Who holds that generation: one life of a coordinator, or the node itself.
    pub holder: u8,
    /// A copy of the coordinator's journal, and the generation of its last record.
    pub copy: (u8, Fold),
    /// The newest generation that was ever heard here, kept by the model and not by the node.
    pub newest: u8,
    pub lease: Lease,
    /// The coordinator has spoken since the lease was looked at last; kept by the model.
    pub spoke: bool,
    pub guard: Guard,
    pub path: Version,
    pub running: Option<Version>,
    pub written_by_new: bool,
    pub new_ran: bool,
    pub kept: bool,
    /// The copy is what the old version wrote last; kept by the model.
    pub exact: bool,
    /// The last effect: of which generation, and by whom; kept by the model.
    pub last: (u8, u8),
    /// A put-back is half done, and its marker is there.
    pub half: bool,
    /// Down, and we are why.
    pub stopped: bool,
    pub stop_begun: bool,
    pub vouched: bool,
    pub turned: bool,
    pub went_back: bool,
    /// The binary was exchanged back; kept by the model.
    pub exchanged: bool,
    pub stood_down: bool,
    /// It has acted alone.
    pub guarded: bool,
    pub ended: Option<End>,
}

/// The node itself, as a holder.
pub const SELF: u8 = 200;
/// Of generation 0.
const NOBODY: u8 = 201;

impl Node {
    pub const FRESH: Self = Self {
        fence: 0,
        holder: NOBODY,
        copy: (0, Law::START),
        newest: 0,
        lease: Lease::Off,
        spoke: false,
        guard: Guard::Waits,
        path: Version::Old,
        running: Some(Version::Old),
        written_by_new: false,
        new_ran: false,
        kept: false,
        exact: false,
        last: (0, NOBODY),
        half: false,
        stopped: false,
        stop_begun: false,
        vouched: false,
        turned: false,
        went_back: false,
        exchanged: false,
        stood_down: false,
        guarded: false,
        ended: None,
    };

    /// Who asks is alive: a lease that runs is renewed.
    pub fn hear(&mut self, flaw: Option<Flaw>) {
        self.spoke = true;
        if self.lease != Lease::Off && self.guard != Guard::Decided && flaw != Some(Flaw::Bug(Mutant::NeverRenew)) {
            self.lease = Lease::Running { renewed: true };
        }
    }

    /// Lets a request through, or not, and raises the fence.
    pub fn admit(&mut self, request: Request, flaw: Option<Flaw>) -> Result<(), No> {
        let drop = flaw == Some(Flaw::Bug(Mutant::DropFence));
        if matches!(request.what, What::Probe(_)) {
            return if request.generation < self.fence && !drop { Err(No::Fenced) } else { Ok(()) };
        }
        let other = request.generation == self.fence && self.holder != request.life;
        let shared = matches!(flaw, Some(Flaw::SharedGeneration | Flaw::Bug(Mutant::KeepGeneration)));
        if (request.generation < self.fence || other && !shared) && !drop {
            return Err(No::Fenced);
        }
        if request.generation > self.fence {
            self.fence = request.generation;
            self.holder = request.life;
            // A guard that was cut off before it was done judges anew.
            if self.guard == Guard::Decided {
                self.guard = Guard::Waits;
            }
        }
        Ok(())
    }

    pub fn start(&mut self, flaw: Option<Flaw>) -> Result<(), No> {
        if self.half && flaw != Some(Flaw::Bug(Mutant::ForgetInterlock)) {
            return Err(No::Failed);
        }
        if self.running.is_none() {
            self.running = Some(self.path);
            self.stopped = false;
            match self.path {
                Version::New => (self.written_by_new, self.new_ran) = (true, true),
                // Whoever runs writes: a copy made before is stale. One of before the new version wrote is what it was.
                Version::Old if !self.written_by_new => {
                    self.exact = false;
                    self.kept &= flaw == Some(Flaw::Bug(Mutant::TrustStaleKeep));
                }
                Version::Old => {}
            }
        }
        Ok(())
    }

    /// The effect of a step, as the helper would do it: each is probe-then-do.
    pub fn act(&mut self, kind: StepKind, flaw: Option<Flaw>) -> Result<(), No> {
        match kind {
            StepKind::ArmGuard if self.turned => return Err(No::Refused),
            StepKind::ArmGuard => self.lease = Lease::Running { renewed: true },
            StepKind::Stop => {
                self.stop_begun = true;
                self.running = None;
                self.stopped = true;
            }
            StepKind::Keep | StepKind::Swap if self.turned => return Err(No::Refused),
            StepKind::Keep if self.path == Version::New => return Err(No::Refused),
            StepKind::Keep if self.running.is_some() => return Err(No::Stale),
            StepKind::Keep if self.kept && flaw == Some(Flaw::Bug(Mutant::TrustStaleKeep)) => {}
            StepKind::Keep => (self.kept, self.exact) = (true, true),
            StepKind::Swap if self.path == Version::New => {}
            StepKind::Swap if !self.kept || self.running.is_some() => return Err(No::Stale),
            StepKind::Swap => self.path = Version::New,
            StepKind::Start => self.start(flaw)?,
            StepKind::SwapBack if self.went_back => {}
            StepKind::SwapBack if self.written_by_new || self.running == Some(Version::New) => return Err(No::Stale),
            StepKind::SwapBack => self.go_back(),
            StepKind::PutBack if self.went_back => {}
            StepKind::PutBack if self.running.is_some() && self.written_by_new => return Err(No::Stale),
            StepKind::PutBack if self.written_by_new && !self.kept => return Err(No::Refused),
            StepKind::PutBack => self.go_back(),
            StepKind::Commit => self.end(End::Committed, flaw),
            StepKind::Release => {
                let end = if self.stop_begun { End::Restored } else { End::Unchanged };
                self.end(end, flaw);
            }
            _ => {}
        }
        Ok(())
    }

    pub fn is_done(&self, kind: StepKind) -> bool {
        match kind {
            StepKind::ArmGuard => self.lease != Lease::Off,
            StepKind::Stop => self.running.is_none(),
            StepKind::Keep => self.kept,
            StepKind::Swap => self.path == Version::New,
            StepKind::Start => self.running == Some(self.path),
            StepKind::SwapBack | StepKind::PutBack => self.path == Version::Old && !self.written_by_new && !self.half,
            StepKind::Commit | StepKind::Release => self.ended.is_some(),
            _ => true,
        }
    }

    /// Old binary and old data; what the new version wrote is set aside.
    pub fn go_back(&mut self) {
        self.exchanged |= self.path == Version::New;
        self.path = Version::Old;
        self.written_by_new = false;
        self.half = false;
        self.went_back = true;
    }

    /// What it tells whoever takes the run over.
    pub fn tale(&self) -> Tale {
        let released = self.guarded && !self.stop_begun && self.ended.is_some();
        Tale {
            turned: self.turned,
            stopped: self.stop_begun,
            started: self.new_ran,
            back: self.went_back,
            guarded: self.guarded,
            released,
        }
    }

    fn end(&mut self, end: End, flaw: Option<Flaw>) {
        self.ended = Some(self.ended.unwrap_or(end));
        if flaw != Some(Flaw::Bug(Mutant::CommitLeavesGuard)) {
            self.lease = Lease::Off;
        }
    }

    /// Whether there is anything that nobody but the node would do.
    pub fn needs_guard(&self, flaw: Option<Flaw>) -> bool {
        let over = self.ended.is_some() && flaw != Some(Flaw::Bug(Mutant::CommitLeavesGuard));
        let ignores = flaw == Some(Flaw::Bug(Mutant::GuardIgnoresVouch));
        let back = (self.turned || !self.vouched || ignores) && !self.went_back;
        !self.stood_down && !over && (self.half || self.running.is_none() || back)
    }

    pub fn is_new(&self) -> bool {
        self.path == Version::New || self.written_by_new || self.half
    }

    /// A boot, or the guard, takes the node for itself and decides.
    pub fn decide(&mut self, flaw: Option<Flaw>) {
        if flaw != Some(Flaw::Bug(Mutant::GuardWithoutFence)) {
            self.fence += 1;
            self.newest = self.newest.max(self.fence);
            self.holder = SELF;
        }
        // Where K3s was never asked to stop there is nothing to turn: the node is let go.
        self.turned |= self.stop_begun && !self.vouched || flaw == Some(Flaw::Bug(Mutant::GuardIgnoresVouch));
        if self.turned && self.is_new() {
            self.stopped |= self.running.is_some();
            self.running = None;
        }
        self.guard = Guard::Decided;
    }

    /// Does what was decided: one whole version is up.
    pub fn finish(&mut self, flaw: Option<Flaw>) {
        if self.turned && self.is_new() {
            self.running = None;
            self.go_back();
        }
        self.went_back |= self.turned;
        self.guarded = true;
        if !self.stop_begun {
            self.end(End::Unchanged, flaw);
        }
        // Should it fail, the marker says so; the model has no old version that does not start.
        let _ = self.start(flaw);
        self.guard = Guard::Acted;
        // It stays armed until the run ends on this node: whoever comes back may stop K3s once more, and be lost.
        let leaves = flaw == Some(Flaw::GuardLeaves) || self.lease == Lease::Off;
        self.lease = if leaves { Lease::Off } else { Lease::Running { renewed: true } };
    }
}
