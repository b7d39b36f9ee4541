use belay_facts::Mutant;

use crate::{Campaign, Invariant, Wish};

/// The bugs that this suite must find: those of journal, engine and plan are in the product's code, those of helper, runner and
/// guard in their simulated twins.
pub const MUTANTS: &[Mutant] = &[
    Mutant::SkipRecordFsync,
    Mutant::SkipCreateFsync,
    Mutant::SkipReplaceFsync,
    Mutant::SkipReplaceDirFsync,
    Mutant::SkipExchangeFsync,
    Mutant::RetryFsync,
    Mutant::KeepTornTail,
    Mutant::CutAcknowledged,
    Mutant::IgnoreChain,
    Mutant::IgnoreChecksum,
    Mutant::NoProbe,
    Mutant::TrustUnknown,
    Mutant::ReuseAttempt,
    Mutant::ForgetBudget,
    Mutant::TurnTwice,
    Mutant::SwapBeforeKeep,
    Mutant::StopBeforeProof,
    Mutant::ReachedByOutcome,
    Mutant::GoOnAfterFault,
    Mutant::BelieveNo,
    Mutant::IgnoreStale,
    Mutant::CommitBeforeSoak,
    Mutant::DropFence,
    Mutant::KeepGeneration,
    Mutant::EffectBeforeIntent,
    Mutant::TurnNotTold,
    Mutant::ForgetInterlock,
    Mutant::MarkerGoneEarly,
    Mutant::ExchangeBlindly,
    Mutant::ForgetRevision,
    Mutant::LeaveStaleWal,
    Mutant::TrustStaleKeep,
    Mutant::DropKeepEarly,
    Mutant::StartHalfRestored,
    Mutant::BackupWithoutKeep,
    Mutant::NeverRenew,
    Mutant::GuardWithoutFence,
    Mutant::GuardIgnoresVouch,
    Mutant::GuardByCalendar,
    Mutant::CommitLeavesGuard,
    Mutant::ShortLease,
];

/// How one bug was found.
#[derive(Clone, Debug)]
pub struct Killed {
    pub mutant: Mutant,
    /// By which invariant, in which schedule from the first, with which seed; `None` when it lived.
    pub by: Option<(Invariant, u64, u64)>,
}

/// Switches every bug on, one at a time, and lives up to `most` schedules with it. Without the feature `mutants` none is on, and
/// all live. `told` hears of each as soon as it is known.
#[must_use]
pub fn kill_all(seed: u64, most: u64, mut told: impl FnMut(&Killed)) -> Vec<Killed> {
    let kill = |mutant| {
        switch(Some(mutant));
        // The plans are made anew: some bugs are the planner's.
        let campaign = Campaign::new();
        let found = (0..most).find_map(|nth| {
            let violation = campaign.live(seed + nth, Wish::default()).violation?;
            Some((violation.invariant, nth + 1, seed + nth))
        });
        let killed = Killed { mutant, by: found };
        told(&killed);
        killed
    };
    let killed = MUTANTS.iter().copied().map(kill).collect();
    switch(None);
    killed
}

#[cfg(feature = "mutants")]
fn switch(mutant: Option<Mutant>) {
    belay_facts::mutate(mutant);
}

#[cfg(not(feature = "mutants"))]
const fn switch(_: Option<Mutant>) {}
