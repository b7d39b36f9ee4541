use std::fmt;

macro_rules! invariants {
    ($($name:ident, $label:literal, $what:literal;)*) => {
        /// What must hold after every simulated step (reference: I1–I27, those that apply to one server).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Invariant {
            $(#[doc = $what] $name,)*
        }

        impl Invariant {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

invariants! {
    VerifiedFirst, "I4-verified-first", "what is put on an executable path is a whole binary that was staged and verified";
    AtomicSwap, "I5-atomic-swap", "the binary's path always names one whole version, and an exchange that was answered is durable";
    WayBackStays, "I6-way-back-stays", "old binary and stopped copy stay until the new version has passed its soak";
    ReceiptFirst, "I7-receipt-first", "K3s is not stopped on the way forward before the backup is durable and proven";
    BackupStays, "I8-backup-stays", "the proven backup is never removed by a run";
    NoHalfRestored, "I10-no-half-restored", "K3s never starts on a half-restored directory, nor with an empty datastore";
    RevisionsRise, "I11-revisions-rise", "no start hands out a revision that clients have seen on another line";
    NothingLost, "I12-nothing-lost", "every acknowledged write of before the swap is there, and the list of what is lost is exact";
    IntentFirst, "I15-intent-first", "an effect has a durable intent, in both journals, and what was answered is durable";
    SameEnd, "I16-same-end", "a run ends in a state that is true of the node, and an undisturbed one commits a good version";
    OneCoordinator, "I17-one-coordinator", "no effect is done for a generation that was overtaken";
    Budgets, "I18-budgets", "steps and resumes end with their budgets, and a way back has no way back";
    Regated, "I21-regated", "what became stale is done again, and nothing passes a step that is not done";
    ChainHolds, "I24-chain-holds", "a journal opens after any crash with every acknowledged record, and no changed one";
    Ends, "I25-ends", "when the faults cease the run ends: committed, restored, unchanged, or with a human who is told";
    ProbedFirst, "I26-probed-first", "an unknown outcome is found out before anything else happens";
    GuardInTime, "G1-guard-in-time", "the guard acts only when the coordinator was silent for longer than any step may take";
    GuardKeepsVouched, "G2-guard-keeps-vouched", "the guard does not take back what the gates have said yes to";
    GuardLeaves, "G3-guard-leaves", "nothing of a run that has ended wakes up later";
    TurnTold, "I9-turn-told", "a node whose run goes back knows it by itself, before the coordinator's journal does";
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub what: String,
}
