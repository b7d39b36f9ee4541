use belay_engine::{FaultKind, NodeTale};
use belay_plan::{Plan, StepKind, WayClass};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Old,
    New,
}

/// One node: what is at the path, what runs, whether the data were written by the new version, whether a copy is valid.
#[derive(Clone, Debug)]
pub struct World {
    pub path: Binary,
    pub running: Option<Binary>,
    pub written_by_new: bool,
    pub kept: bool,
    pub new_is_good: bool,
    pub class: WayClass,
    /// The old version is well on data that the new one wrote.
    pub holds: bool,
    /// The stopped copy was put back over what the new version wrote.
    pub lost: bool,
    pub released: bool,
    /// The generation that holds it.
    pub fence: u64,
    /// What it remembers: that its guard is armed, that K3s was asked to stop, that the gates said yes, and by which class
    /// it goes back.
    pub armed: bool,
    pub stop_asked: bool,
    pub vouched: bool,
    pub turned: Option<WayClass>,
    /// Its guard has gone back since a coordinator was here; it has let the run go.
    pub guarded: bool,
    pub let_go: bool,
    /// How often its guard has acted.
    pub acted: u32,
}

impl World {
    /// As it was found: the old version runs. `holds`: whether it is well on data that the new one wrote.
    pub fn new(plan: &Plan, (new_is_good, holds): (bool, bool)) -> Self {
        Self {
            path: Binary::Old,
            running: Some(Binary::Old),
            written_by_new: false,
            kept: false,
            new_is_good,
            class: plan.way_back.class,
            holds,
            lost: false,
            released: false,
            fence: 0,
            armed: false,
            stop_asked: false,
            vouched: false,
            turned: None,
            guarded: false,
            let_go: false,
            acted: 0,
        }
    }

    pub fn start(&mut self) {
        self.running = Some(self.path);
        self.written_by_new |= self.path == Binary::New;
        if self.path == Binary::Old && !self.written_by_new {
            // Whoever runs writes: a copy made before is stale. One of before the new version wrote is what it was.
            self.kept = false;
        }
    }

    /// A coordinator asks for a step: refused when somebody took the node since. Gates renew the lease, which is refused
    /// as well.
    pub fn ask(&mut self, generation: u64, kind: StepKind) -> Result<(), FaultKind> {
        if matches!(kind, StepKind::Baseline | StepKind::CopyBackup) {
            return Ok(());
        }
        if generation < self.fence {
            return Err(FaultKind::Fenced);
        }
        let ends = matches!(kind, StepKind::Commit | StepKind::Release);
        if self.let_go && !ends && !matches!(kind, StepKind::Gate | StepKind::Soak) {
            return Err(FaultKind::Refused);
        }
        if generation > self.fence {
            self.guarded = false;
        }
        self.fence = generation;
        self.act(kind)
    }

    /// Nobody was heard of past the lease: what the node does alone, as the helper's guard does it.
    pub fn guard(&mut self) {
        let stays = self.vouched && self.turned.is_none();
        if !self.armed || self.released || self.guarded || stays {
            return;
        }
        self.fence += 1;
        self.acted += 1;
        if !self.stop_asked {
            self.act(StepKind::Release).unwrap();
            self.let_go = true;
            return;
        }
        let class = *self.turned.get_or_insert(self.class);
        if class == WayClass::Keep && self.written_by_new {
            self.running = None;
            self.act(StepKind::PutBack).unwrap();
        } else if self.path == Binary::New {
            self.running = None;
            self.act(StepKind::SwapBack).unwrap();
        }
        if self.running.is_none() {
            self.start();
        }
        self.guarded = true;
    }

    pub fn tale(&self) -> NodeTale {
        NodeTale {
            turned: self.turned.is_some(),
            class: self.turned.unwrap_or_default(),
            stopped: self.stop_asked,
            started: false,
            put_back: self.lost,
            ended: self.let_go.then(|| "unchanged".into()),
            guard: (self.acted > 0).then(|| "the guard of n1 acted".into()),
        }
    }

    /// The effect, as the helper would do it; each is probe-then-do.
    fn act(&mut self, kind: StepKind) -> Result<(), FaultKind> {
        match kind {
            StepKind::ArmGuard => self.armed = true,
            StepKind::Stop => (self.running, self.stop_asked) = (None, true),
            StepKind::Keep => {
                if self.running.is_some() {
                    return Err(FaultKind::Stale);
                }
                assert!(!self.written_by_new, "a copy of what the new version wrote");
                self.kept = true;
            }
            StepKind::Swap => {
                if self.path == Binary::New {
                    return Ok(());
                }
                if !self.kept || self.running.is_some() {
                    return Err(FaultKind::Stale);
                }
                self.path = Binary::New;
            }
            // The data are exchanged as well: what is live is not what the version before wrote.
            StepKind::Restore => {
                if self.path == Binary::New {
                    return Ok(());
                }
                if !self.kept || self.running.is_some() {
                    return Err(FaultKind::Stale);
                }
                self.path = Binary::New;
                self.written_by_new = true;
            }
            StepKind::Start if self.running.is_none() => self.start(),
            StepKind::Gate | StepKind::Soak if self.running == Some(Binary::New) && !self.new_is_good => {
                return Err(FaultKind::GateNo);
            }
            StepKind::Gate if self.running == Some(Binary::Old) && self.written_by_new && !self.holds => {
                return Err(FaultKind::GateNo);
            }
            StepKind::Gate | StepKind::Soak => assert!(self.running.is_some(), "gates asked of nothing"),
            StepKind::SwapBack => {
                let ran = self.class == WayClass::Keep && self.written_by_new;
                if ran || self.path == Binary::New && self.running.is_some() {
                    return Err(FaultKind::Stale);
                }
                self.path = Binary::Old;
            }
            // The last step, of the way back as well: what would lead back is taken away.
            StepKind::Commit | StepKind::Release => {
                self.kept = false;
                self.released = true;
            }
            StepKind::PutBack => {
                if self.running.is_some() && self.written_by_new {
                    return Err(FaultKind::Stale);
                }
                assert!(self.kept || !self.written_by_new, "put back without a valid copy");
                self.path = Binary::Old;
                self.lost |= self.written_by_new;
                self.written_by_new = false;
            }
            _ => {}
        }
        Ok(())
    }

    pub fn is_done(&self, kind: StepKind) -> bool {
        match kind {
            StepKind::ArmGuard => self.armed,
            StepKind::Stop => self.running.is_none(),
            StepKind::Keep => self.kept,
            StepKind::Swap | StepKind::Restore => self.path == Binary::New,
            StepKind::Start => self.running == Some(self.path),
            StepKind::SwapBack => self.path == Binary::Old && (self.class == WayClass::Binary || !self.written_by_new),
            StepKind::PutBack => self.path == Binary::Old && !self.written_by_new,
            StepKind::Commit | StepKind::Release => self.released,
            _ => true,
        }
    }
}
