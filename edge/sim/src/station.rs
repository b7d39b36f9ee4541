use std::fmt;

use belay_plan::{Reached, StepKind, WayClass};

use crate::{DiskFault, Shape};

/// Where in a run a fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Station {
    /// Before the intent of this step; faults of the n-th call reach through it and past its outcome.
    Forward(StepKind),
    Back(StepKind),
    /// The way back after the one of class binary.
    Fall(StepKind),
    Probe,
    Turn,
    Resume,
    End,
    /// The boot unit, or the guard, at work.
    Alone,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    Coordinator(DiskFault),
    Helper(DiskFault),
    /// The request never reaches the node.
    RequestLost,
    /// It is done, and nobody hears of it.
    AnswerLost,
    /// It reaches the node twice.
    Twice,
    /// It reaches the node long after the coordinator has given it up, or died.
    Late,
    /// The node cannot be reached for longer than the coordinator waits.
    LinkDown,
    /// The administrator starts K3s by hand, just before the effect or just after.
    HandStart,
    CtrlC,
    /// The coordinator is killed, and the administrator types `belay rollback`.
    Rollback,
    /// The coordinator is stopped for longer than the lease, and goes on.
    Pause,
    /// Somebody goes on with a copy of the run's directory, while the first coordinator lives.
    Rival,
    ClockJump,
    /// K3s dies, and systemd starts it again.
    K3sDies,
    /// The effect does not work this once.
    Fails,
    /// Every coordinator that goes on is killed at once, more often than the budget allows.
    Storm,
    /// The coordinator is killed, and a bit of its journal changes at rest.
    BitFlip,
    /// The coordinator is killed, and a record is changed, its checksum made right.
    Forged,
}

impl Station {
    pub const NODE_STEPS: [StepKind; 13] = [
        StepKind::Fence,
        StepKind::Stage,
        StepKind::Backup,
        StepKind::ProveBackup,
        StepKind::Rebuild,
        StepKind::ArmGuard,
        StepKind::Stop,
        StepKind::Keep,
        StepKind::Swap,
        StepKind::Restore,
        StepKind::Start,
        StepKind::Commit,
        StepKind::CopyBackup,
    ];

    /// Every station that there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        use StepKind::{Baseline, Gate, PutBack, Release, Soak, Start, Stop, SwapBack};
        let mut all: Vec<Self> = Self::NODE_STEPS.into_iter().map(Self::Forward).collect();
        all.extend([Baseline, Gate, Soak].map(Self::Forward));
        all.extend([Stop, SwapBack, PutBack, Start, Gate, Release].map(Self::Back));
        all.extend([Stop, PutBack, Start, Gate, Release].map(Self::Fall));
        all.extend([Self::Probe, Self::Turn, Self::Resume, Self::End, Self::Alone]);
        all
    }

    /// Whether a fault of this kind can happen here.
    #[must_use]
    pub fn has(self, fault: FaultKind) -> bool {
        use FaultKind::{
            AnswerLost, BitFlip, ClockJump, Coordinator, CtrlC, Fails, Forged, HandStart, Helper, K3sDies, Late,
            LinkDown, Pause, RequestLost, Rival, Rollback, Storm, Twice,
        };
        let step = match self {
            Self::Forward(kind) | Self::Back(kind) | Self::Fall(kind) => Some(kind),
            _ => None,
        };
        // Asked of the cluster, or done by the coordinator alone.
        let here = matches!(step, Some(StepKind::Gate | StepKind::Soak | StepKind::Baseline | StepKind::CopyBackup));
        match (self, fault) {
            (Self::Alone, Helper(disk)) => disk != DiskFault::Kill,
            (Self::Alone, _) | (Self::Turn | Self::Resume | Self::End, HandStart | Fails | Rival) => false,
            (Self::Probe, Helper(_) | HandStart | Fails | Rival | Late | Twice) => false,
            (Self::Resume | Self::End | Self::Turn, Helper(_) | RequestLost | AnswerLost | Twice | Late | LinkDown) => {
                false
            }
            (Self::Forward(StepKind::Commit), Rival) => false,
            (Self::Back(StepKind::Release) | Self::Fall(StepKind::Release), Rival) => false,
            (Self::End | Self::Resume, CtrlC) => false,
            // By hand it can be started only where it is down.
            (_, HandStart) => matches!(
                step,
                Some(StepKind::Keep | StepKind::Swap | StepKind::Restore | StepKind::SwapBack | StepKind::PutBack)
            ),
            (_, Helper(_) | RequestLost | AnswerLost | Twice | Late | LinkDown) => !here,
            (_, K3sDies) => matches!(step, Some(StepKind::Gate | StepKind::Soak)),
            (_, Fails) => step.is_some(),
            (_, Coordinator(_) | CtrlC | Rollback | Pause | Rival | ClockJump | Storm | BitFlip | Forged) => true,
        }
    }

    /// Whether a run of this shape can come here.
    #[must_use]
    pub fn is_in(self, shape: &Shape) -> bool {
        let back = |reached| shape.plan.inverse(reached).into_iter().map(|step| step.kind).collect::<Vec<_>>();
        match self {
            Self::Forward(kind) => shape.plan.steps().any(|step| step.kind == kind),
            Self::Back(kind) => [Reached::Stopped, Reached::Started].into_iter().any(|from| back(from).contains(&kind)),
            Self::Fall(kind) => back(Reached::SwappedBack).contains(&kind),
            Self::Alone => shape.plan.way_back.class == WayClass::Keep,
            Self::Probe | Self::Turn | Self::Resume | Self::End => true,
        }
    }

    /// Every pair of a station and a fault that can happen at it: what a campaign has to reach.
    #[must_use]
    pub fn points() -> Vec<(Self, FaultKind)> {
        let pairs = Self::all().into_iter().flat_map(|station| FaultKind::all().into_iter().map(move |f| (station, f)));
        pairs.filter(|(station, fault)| station.has(*fault)).collect()
    }
}

impl FaultKind {
    #[must_use]
    pub fn all() -> Vec<Self> {
        use DiskFault::{Fsync, Full, Io, Kill, PowerCut};
        let mut all: Vec<Self> = [Kill, PowerCut, Io, Full, Fsync].map(Self::Coordinator).into();
        all.extend([Kill, PowerCut, Io, Full, Fsync].map(Self::Helper));
        all.extend([
            Self::RequestLost,
            Self::AnswerLost,
            Self::Twice,
            Self::Late,
            Self::LinkDown,
            Self::HandStart,
            Self::CtrlC,
            Self::Rollback,
            Self::Pause,
            Self::Rival,
            Self::ClockJump,
            Self::K3sDies,
            Self::Fails,
            Self::Storm,
            Self::BitFlip,
            Self::Forged,
        ]);
        all
    }
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(kind) => write!(f, "{kind}"),
            Self::Back(kind) => write!(f, "back.{kind}"),
            Self::Fall(kind) => write!(f, "back2.{kind}"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}
