use belay_plan::{PlanError, Refusal};
use belay_runner::vault::VaultError;
use belay_runner::{KubeconfigError, RunError};

/// Why a command did not do what it was asked, and what to type next.
#[derive(Debug)]
pub struct CommandError {
    pub kind: Kind,
    pub message: String,
    pub hints: Vec<String>,
}

/// Decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for is not possible or not safe; nothing was changed.
    Refused,
    /// What was asked for is there already.
    NothingToDo,
    /// The command line makes no sense.
    Usage,
    /// A run was left in the middle.
    NeedsHuman,
    /// A bug.
    Internal,
}

impl CommandError {
    pub fn refused(message: impl std::fmt::Display) -> Self {
        Self { kind: Kind::Refused, message: message.to_string(), hints: Vec::new() }
    }

    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self { kind: Kind::Usage, message: message.to_string(), hints: Vec::new() }
    }

    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self { kind: Kind::Internal, message: message.to_string(), hints: Vec::new() }
    }

    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the file that it is about.
    #[must_use]
    pub fn about(mut self, file: &std::path::Path) -> Self {
        self.message = format!("{}: {}", file.display(), self.message);
        self
    }

    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Refused | Kind::NothingToDo | Kind::Internal => 1,
            Kind::Usage => 2,
            Kind::NeedsHuman => 4,
        }
    }
}

impl From<RunError> for CommandError {
    fn from(error: RunError) -> Self {
        let kind = match &error {
            RunError::Lost { .. }
            | RunError::Story { .. }
            | RunError::Superseded { .. }
            | RunError::Unwritten { .. } => Kind::NeedsHuman,
            _ => Kind::Refused,
        };
        Self { kind, message: error.to_string(), hints: error.hint().into_iter().collect() }
    }
}

impl From<KubeconfigError> for CommandError {
    fn from(error: KubeconfigError) -> Self {
        Self::refused(&error).hinted(error.hint())
    }
}

impl From<VaultError> for CommandError {
    fn from(error: VaultError) -> Self {
        Self { kind: Kind::Refused, message: error.to_string(), hints: error.hint().into_iter().collect() }
    }
}

impl From<PlanError> for CommandError {
    fn from(error: PlanError) -> Self {
        let hint = match &error {
            PlanError::Yaml(_) | PlanError::Format(_) => "write one with: belay plan --to TAG -o plan.yaml",
            PlanError::Edited { .. } | PlanError::Lint(_) => {
                "a plan is not edited; make a new one with the options that you want: belay plan --to TAG -o plan.yaml"
            }
            PlanError::Stale(_) => "make a new plan: belay plan --to TAG -o plan.yaml",
            PlanError::Blocked(_) => "see them with: belay check --to TAG",
            PlanError::Facts => "see what could not be read with: belay check",
        };
        Self::refused(&error).hinted(hint)
    }
}

impl From<Refusal> for CommandError {
    fn from(refusal: Refusal) -> Self {
        let hint = match &refusal {
            Refusal::Blocked(_) => "fix them, or accept a risk by name: --accept 'RULE=REASON@DATE'",
            Refusal::Facts => "see what could not be read with: belay check",
            Refusal::NothingToDo { .. } => {
                let hint = "see which releases there are: belay versions";
                return Self { kind: Kind::NothingToDo, ..Self::refused(&refusal).hinted(hint) };
            }
            Refusal::Binary { to, .. } => {
                let hint = format!("without `--way-back binary` the stopped copy leads back: belay plan --to {to}");
                return Self::refused(&refusal).hinted(hint);
            }
            _ => return Self::refused(&refusal),
        };
        Self::refused(&refusal).hinted(hint)
    }
}
