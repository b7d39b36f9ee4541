use belay_facts::Span;
use belay_wire::{Fault, FrameError};

use crate::SshError;

/// Why a node did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the helper {path} could not be started: {source}")]
    Spawn { path: String, source: std::io::Error },
    #[error("no belay-helper was found (looked at {looked})")]
    NoHelper { looked: String },
    #[error("the helper on {node} speaks protocol {theirs}, this belay speaks {ours}")]
    Version { node: String, ours: u32, theirs: u32 },
    #[error("the channel to {node} broke while it was asked to {what}: {source}")]
    Channel { node: String, what: String, source: FrameError },
    #[error("{node} did not answer within {within} when it was asked to {what}")]
    Silent { node: String, what: String, within: Span },
    #[error("{node} answered something else than was asked ({what})")]
    Confused { node: String, what: String },
    #[error("{path} could not be written: {source}")]
    Write { path: String, source: std::io::Error },
    #[error("{0}")]
    Ssh(#[from] SshError),
    #[error("{}", .0.message)]
    Fault(Fault),
    #[error("{path} could not be read: {source}")]
    File { path: String, source: std::io::Error },
}

impl LinkError {
    /// What to type next, where one thing is clear.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoHelper { .. } => {
                Some("put belay-helper beside belay, or name it with BELAY_HELPER=/path".to_owned())
            }
            Self::Version { .. } => Some("install belay and belay-helper of the same release".to_owned()),
            Self::Fault(fault) => fault.hint.clone(),
            Self::Ssh(error) => error.hint(),
            _ => None,
        }
    }
}
