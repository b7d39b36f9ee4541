//! What every step declares. One file a step; the table in `docs/steps.md` is generated from these.

use belay_plan::StepKind;

mod arm_guard;
mod backup;
mod baseline;
mod commit;
mod copy_backup;
mod fence;
mod gate;
mod keep;
mod prove_backup;
mod put_back;
mod rebuild;
mod release;
mod restore;
mod soak;
mod stage;
mod start;
mod stop;
mod swap;
mod swap_back;

/// What a step needs, does, shows and leaves to its undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declaration {
    pub kind: StepKind,
    /// Re-checked on the node just before the effect.
    pub precondition: &'static str,
    pub effect: &'static str,
    /// The evidence that is journalled.
    pub proof: &'static str,
    /// What takes the effect back; each undo is itself safe to repeat.
    pub undo: &'static str,
    pub idempotence: Idempotence,
    pub deadline: &'static str,
}

/// What a resumed run does with a step whose outcome it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotence {
    /// Doing it again is harmless.
    Repeat,
    /// Find out first, then do only what is missing.
    ProbeThenDo,
}

/// The declaration of a kind of step.
#[must_use]
pub const fn declaration(kind: StepKind) -> &'static Declaration {
    match kind {
        StepKind::Fence => &fence::DECLARATION,
        StepKind::Stage => &stage::DECLARATION,
        StepKind::Backup => &backup::DECLARATION,
        StepKind::ProveBackup => &prove_backup::DECLARATION,
        StepKind::CopyBackup => &copy_backup::DECLARATION,
        StepKind::Rebuild => &rebuild::DECLARATION,
        StepKind::Baseline => &baseline::DECLARATION,
        StepKind::ArmGuard => &arm_guard::DECLARATION,
        StepKind::Stop => &stop::DECLARATION,
        StepKind::Keep => &keep::DECLARATION,
        StepKind::Swap => &swap::DECLARATION,
        StepKind::Restore => &restore::DECLARATION,
        StepKind::Start => &start::DECLARATION,
        StepKind::Gate => &gate::DECLARATION,
        StepKind::Soak => &soak::DECLARATION,
        StepKind::Commit => &commit::DECLARATION,
        StepKind::SwapBack => &swap_back::DECLARATION,
        StepKind::PutBack => &put_back::DECLARATION,
        StepKind::Release => &release::DECLARATION,
    }
}

/// The table of all steps, as Markdown.
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "| step | precondition | effect | proof | undo | after a kill | deadline |\n|---|---|---|---|---|---|---|\n",
    );
    for kind in StepKind::ALL {
        let d = declaration(kind);
        let again = match d.idempotence {
            Idempotence::Repeat => "repeat",
            Idempotence::ProbeThenDo => "probe, then do what is missing",
        };
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {again} | {} |\n",
            d.kind, d.precondition, d.effect, d.proof, d.undo, d.deadline
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_declares_itself() {
        for kind in StepKind::ALL {
            assert_eq!(declaration(kind).kind, kind);
        }
    }
}
