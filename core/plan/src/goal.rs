use belay_facts::{Mutant, mutated};
use serde::{Deserialize, Serialize};

use crate::StepKind;

/// What a plan is for; it decides which steps there must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Another version in place of this one.
    #[default]
    Upgrade,
    /// A proven backup, and nothing else: K3s is not touched.
    Backup,
    /// An earlier state of the server, data and version, in place of this one (design.md §5: a rollback after the commit).
    Restore,
}

impl Goal {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(crate) fn is_upgrade(&self) -> bool {
        *self == Self::Upgrade
    }

    /// Every kind of step that a plan of this goal has on a node, in order: none of them may be left out, since each carries
    /// an invariant.
    #[must_use]
    pub fn steps(self, copies_backup: bool) -> Vec<StepKind> {
        use StepKind::{
            ArmGuard, Backup, Baseline, Commit, CopyBackup, Fence, Gate, Keep, ProveBackup, Rebuild, Restore, Soak,
            Stage, Start, Stop, Swap,
        };
        let all: &[StepKind] = match self {
            Self::Upgrade => &[
                Fence,
                Stage,
                Backup,
                ProveBackup,
                CopyBackup,
                Baseline,
                ArmGuard,
                Stop,
                Keep,
                Swap,
                Start,
                Gate,
                Soak,
                Commit,
            ],
            // Nothing is asked before the stop: whoever restores may have a server that answers nothing.
            Self::Restore => &[
                Fence,
                Stage,
                Backup,
                ProveBackup,
                CopyBackup,
                Rebuild,
                ArmGuard,
                Stop,
                Keep,
                Restore,
                Start,
                Gate,
                Soak,
                Commit,
            ],
            Self::Backup => &[Fence, Backup, ProveBackup, CopyBackup, Commit],
        };
        let mut kinds: Vec<StepKind> =
            all.iter().copied().filter(|kind| copies_backup || *kind != CopyBackup).collect();
        swapped_by_mutants(&mut kinds);
        kinds
    }
}

/// Test builds that have such a bug put two steps the other way round.
fn swapped_by_mutants(kinds: &mut [StepKind]) {
    use StepKind::{Commit, Keep, ProveBackup, Soak, Stop, Swap};
    for (mutant, one, other) in [
        (Mutant::SwapBeforeKeep, Keep, Swap),
        (Mutant::StopBeforeProof, ProveBackup, Stop),
        (Mutant::CommitBeforeSoak, Soak, Commit),
    ] {
        let place = |kind| kinds.iter().position(|it| *it == kind);
        if mutated(mutant)
            && let (Some(one), Some(other)) = (place(one), place(other))
        {
            kinds.swap(one, other);
        }
    }
}
