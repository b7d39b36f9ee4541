use std::fmt;

macro_rules! mutants {
    ($($name:ident, $kebab:literal, $what:literal;)*) => {
        /// A bug that somebody could have written, to be switched on in test builds (feature `mutants`): a suite that does not
        /// fail then proves nothing. The list was written down before the suites were; `docs/reliability.md` says which
        /// suite found each, and after how many schedules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Mutant {
            $(#[doc = $what] $name,)*
        }

        impl Mutant {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $kebab,)* }
            }

            /// The one of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
            }

            /// What is wrong while it is on.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

mutants! {
    // The journal and durable files.
    SkipRecordFsync, "skip-record-fsync", "a record is not synced before its effect begins";
    SkipCreateFsync, "skip-create-fsync", "the name of a new journal is not made durable";
    SkipReplaceFsync, "skip-replace-fsync", "a file is renamed into place before its content is synced";
    SkipReplaceDirFsync, "skip-replace-dir-fsync", "after a replace its directory is not synced";
    SkipExchangeFsync, "skip-exchange-fsync", "after an exchange the directories are not synced";
    RetryFsync, "retry-fsync", "after an error of fsync it is called again and believed";
    KeepTornTail, "keep-torn-tail", "a torn last line is not cut before the next record";
    CutAcknowledged, "cut-acknowledged", "with a torn tail the last whole record is cut as well";
    IgnoreChain, "ignore-chain", "the hash of the record before is not compared";
    IgnoreChecksum, "ignore-checksum", "the checksum of a record is not compared";
    // Engine and plan.
    EffectBeforeIntent, "effect-before-intent", "the intent is journalled after the effect";
    NoProbe, "no-probe", "a step whose outcome is unknown is begun again without being probed";
    TrustUnknown, "trust-unknown", "a step whose outcome is unknown counts as done";
    ReuseAttempt, "reuse-attempt", "a step that is begun again does not count as another attempt";
    ForgetBudget, "forget-budget", "resumes are not counted";
    TurnTwice, "turn-twice", "a way back that fails turns forward again";
    SwapBeforeKeep, "swap-before-keep", "the binary is swapped before the stopped copy is made";
    StopBeforeProof, "stop-before-proof", "the unit is stopped before the backup is proven";
    ReachedByOutcome, "reached-by-outcome", "how far a run has gone is told by outcomes, not by intents";
    GoOnAfterFault, "go-on-after-fault", "a step that failed is passed over";
    BelieveNo, "believe-no", "a gate that says no counts as yes";
    IgnoreStale, "ignore-stale", "a stale answer does not make `stop` and `keep` run again";
    CommitBeforeSoak, "commit-before-soak", "the way back is given up before the soak";
    // Fence and guard.
    DropFence, "drop-fence", "a request with an older generation is admitted";
    KeepGeneration, "keep-generation", "a resume does not raise the generation";
    ShortLease, "short-lease", "the lease of the guard is shorter than the longest deadline";
    GuardWithoutFence, "guard-without-fence", "the guard acts without raising the fence";
    GuardIgnoresVouch, "guard-ignores-vouch", "the guard goes back although the gates had said yes";
    GuardByCalendar, "guard-by-calendar", "the lease runs on the wall clock";
    CommitLeavesGuard, "commit-leaves-guard", "a commit does not disarm the guard";
    NeverRenew, "never-renew", "requests do not renew the lease";
    TurnNotTold, "turn-not-told", "the node is not told that the run goes back";
    // The way back on the node.
    ForgetInterlock, "forget-interlock", "no marker is set around the exchange";
    MarkerGoneEarly, "marker-gone-early", "the marker is removed before the binary is exchanged";
    ExchangeBlindly, "exchange-blindly", "a put-back that is asked for again exchanges again";
    ForgetRevision, "forget-revision", "revisions of the kept copy are not raised";
    LeaveStaleWal, "leave-stale-wal", "the stopped copy lacks the datastore's write-ahead log";
    TrustStaleKeep, "trust-stale-keep", "a stopped copy is used although K3s ran after it was made";
    DropKeepEarly, "drop-keep-early", "what leads back is removed when the new version has started";
    DeleteLastBackup, "delete-last-backup", "`prune` removes the last good backup";
    ProveTheLiveFile, "prove-the-live-file", "the receipt is made of the live datastore, not of the stored copy";
    ForgetLinks, "forget-links", "the links of data/ are not moved back";
    CopyOverLivePath, "copy-over-live-path", "the binary is copied over the live path";
    SwapUnverified, "swap-unverified", "the slot is not looked at again before the swap";
    StartHalfRestored, "start-half-restored", "a boot starts K3s although its put-back failed";
    BackupWithoutKeep, "backup-without-keep", "`keep` answers with the online backup instead of a stopped copy";
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether this bug is on. Always false, and known to the compiler, without the feature `mutants`.
#[cfg(not(feature = "mutants"))]
#[must_use]
#[inline(always)]
pub const fn mutated(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use switched::{mutate, mutated};

#[cfg(feature = "mutants")]
mod switched {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Mutant;

    const NONE: u8 = u8::MAX;
    static ON: AtomicU8 = AtomicU8::new(NONE);

    /// Whether this bug is on.
    #[must_use]
    pub fn mutated(mutant: Mutant) -> bool {
        ON.load(Ordering::Relaxed) == mutant as u8
    }

    /// Switches one bug on for this process, and the one before it off.
    pub fn mutate(mutant: Option<Mutant>) {
        ON.store(mutant.map_or(NONE, |mutant| mutant as u8), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_at_least_forty_and_each_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
        assert!(Mutant::ALL.len() >= 40, "{}", Mutant::ALL.len());
        assert_eq!(names.len(), Mutant::ALL.len());
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn one_is_on_at_a_time() {
        mutate(Some(Mutant::DropFence));
        assert!(mutated(Mutant::DropFence) && !mutated(Mutant::NoProbe));
        mutate(Some(Mutant::NoProbe));
        assert!(!mutated(Mutant::DropFence) && mutated(Mutant::NoProbe));
        mutate(None);
        assert!(Mutant::ALL.iter().all(|mutant| !mutated(*mutant)));
    }
}
