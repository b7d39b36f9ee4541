use std::fmt;

use serde::{Deserialize, Serialize};

/// The process that carries a run out, named so that no other process can be taken for it: a process number is given out
/// again, together with the boot and the tick in which it began it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Coordinator {
    /// Who typed: `root`, or `root for anna` behind sudo.
    pub user: String,
    pub host: String,
    pub pid: u32,
    /// When the process began, in ticks of its machine's boot clock.
    pub started: u64,
    /// The boot of its machine.
    pub boot: String,
    /// Since when it holds what it holds: milliseconds since 1970, for people.
    pub since: u64,
}

impl Coordinator {
    /// Whether both name one process.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.pid, self.started, &self.boot) == (other.pid, other.started, &other.boot)
    }

    /// Since when, as a moment.
    #[must_use]
    pub fn since(&self) -> jiff::Timestamp {
        let millis = i64::try_from(self.since).unwrap_or(0);
        let whole = jiff::Timestamp::from_second(millis / 1000);
        whole.unwrap_or_default()
    }
}

impl fmt::Display for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} (process {})", self.user, self.host, self.pid)
    }
}

/// Whether a coordinator still lives, as far as the machine that was asked can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    Lives,
    /// It was stopped (SIGSTOP, Ctrl-Z) and goes on when it is told to.
    Paused,
    Gone,
    /// It runs on another machine, or did.
    Elsewhere,
    /// Nobody wrote down who it was.
    Unknown,
}

impl Life {
    /// Completes "a process …".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Lives => "which lives",
            Self::Paused => "which is paused (SIGSTOP or Ctrl-Z) and goes on when it is told to",
            Self::Gone => "which is gone",
            Self::Elsewhere => "which runs on another machine, where alone it can be seen whether it lives",
            Self::Unknown => "of which nothing more is known",
        }
    }
}
