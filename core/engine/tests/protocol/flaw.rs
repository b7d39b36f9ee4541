use belay_facts::Mutant;

/// What is wrong with a protocol: the model must find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A bug of the list.
    Bug(Mutant),
    /// Two coordinators that take the run over at the same time may get the same generation.
    SharedGeneration,
    /// Whoever takes a run over does not raise the fence before it looks at what is there.
    LookBeforeFence,
    /// A guard that has acted, or found nothing to do, is not armed any more, though the run has not ended on the node.
    GuardLeaves,
    /// A request that comes late is done, though its own coordinator has gone on.
    LateRequest,
    /// What the other servers do is not read again before a stop.
    NoQuorum,
}

impl Flaw {
    /// With one fault, and one server or three.
    pub const OF_ONE_FAULT: [Self; 13] = [
        Self::Bug(Mutant::DropFence),
        Self::Bug(Mutant::KeepGeneration),
        Self::Bug(Mutant::GuardWithoutFence),
        Self::Bug(Mutant::GuardIgnoresVouch),
        Self::Bug(Mutant::NeverRenew),
        Self::Bug(Mutant::ShortLease),
        Self::Bug(Mutant::CommitLeavesGuard),
        Self::Bug(Mutant::EffectBeforeIntent),
        Self::Bug(Mutant::ForgetInterlock),
        Self::Bug(Mutant::TrustStaleKeep),
        Self::LookBeforeFence,
        Self::LateRequest,
        Self::NoQuorum,
    ];
    /// With two.
    pub const OF_TWO_FAULTS: [Self; 3] = [Self::Bug(Mutant::TurnNotTold), Self::SharedGeneration, Self::GuardLeaves];
}
