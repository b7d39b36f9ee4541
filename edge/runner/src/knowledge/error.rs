use belay_checks::{Clash, KnowledgeError};
use jiff::civil::Date;

use crate::vault::VaultError;

/// Why a bundle cannot be used. What was installed before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("{0}")]
    Fetch(#[source] VaultError),
    #[error("{0} is plain http, where anyone on the way can hold back a newer bundle")]
    PlainHttp(String),
    #[error("{from} is unsigned: there is no {from}.minisig")]
    Unsigned { from: String },
    #[error("{from} is larger than {limit} bytes; no bundle is")]
    TooLarge { from: String, limit: usize },
    #[error("{from} is no text")]
    NoText { from: String },
    #[error("{from} is no minisign signature: {why}")]
    NoSignature { from: String, why: String },
    #[error("{0} is no public key of minisign: {1}")]
    NoKey(String, String),
    #[error("{from} is not signed by {keys}: {why}")]
    WrongSignature { from: String, keys: &'static str, why: String },
    #[error("{from} cannot be used: {source}")]
    Broken { from: String, source: KnowledgeError },
    #[error("{from} asks for what it may not: {}", .clashes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused { from: String, clashes: Vec<Clash> },
    #[error("{from} is of {date}, which is not yet")]
    Ahead { from: String, date: Date },
    #[error("{from} (serial {serial} of {date}) is older than what is installed (serial {there} of {there_date})")]
    Older { from: String, serial: u32, date: Date, there: u32, there_date: Date },
    #[error("{from} is not what is installed, and has the same serial {serial}")]
    Twin { from: String, serial: u32 },
    #[error("a bundle of another key ({there}) is installed, and this one would take its place")]
    OtherKey { there: String },
    #[error("{what} {path}: {source}")]
    File { what: &'static str, path: String, source: std::io::Error },
    #[error("{path} is not as `belay knowledge update` wrote it: {why}")]
    Damaged { path: String, why: String },
}

impl BundleError {
    /// What to type next, where one thing is clear.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Fetch(VaultError::Unreachable(..)) => {
                "offline? bring the bundle and its .minisig on a medium: belay knowledge update --from FILE"
            }
            Self::Fetch(VaultError::File { .. } | VaultError::Status { .. }) => {
                "name the file of a bundle with its .minisig beside it, or its address: belay knowledge update --from FILE|URL"
            }
            Self::PlainHttp(_) => "use https, or fetch both files yourself: belay knowledge update --from FILE",
            Self::Unsigned { .. } => "a bundle comes with its signature beside it: minisign -S -m FILE makes one",
            Self::WrongSignature { .. } => {
                "nothing was changed. If it is signed by a key that you trust, name that: --key FILE|RW..."
            }
            Self::NoKey(..) => {
                "a public key is one word that begins with RW, or the file that minisign -G wrote (minisign.pub)"
            }
            Self::Older { .. } | Self::Twin { .. } => "to go back to it all the same: --allow-older",
            Self::OtherKey { .. } => "if it is to go: belay knowledge remove",
            Self::Ahead { .. } => "is the clock of this machine right? Compare it: date",
            Self::Damaged { .. } => {
                "install it anew (belay knowledge update --from FILE|URL), or: belay knowledge remove"
            }
            _ => return None,
        })
    }
}
