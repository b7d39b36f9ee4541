use std::error::Error;
use std::fmt::Display;
use std::io;

use belay_wire::{Fault, FaultKind};

/// Nothing was changed, because a precondition does not hold.
pub(crate) fn refused(message: impl Into<String>) -> Fault {
    fault(FaultKind::Refused, message)
}

pub(crate) fn failed(message: impl Into<String>) -> Fault {
    fault(FaultKind::Failed, message)
}

pub(crate) fn stale(message: impl Into<String>) -> Fault {
    fault(FaultKind::Stale, message)
}

pub(crate) fn human(message: impl Into<String>, hint: &str) -> Fault {
    Fault { hint: Some(hint.into()), ..fault(FaultKind::Human, message) }
}

pub(crate) fn fault(kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault { kind, message: message.into(), hint: None }
}

/// Says of an error what was attempted, on which object.
pub(crate) trait Attempt<T> {
    /// `what` reads as a sentence that the reason completes: `copying /a to /b failed`.
    fn attempt<S: Display>(self, what: impl FnOnce() -> S) -> Result<T, Fault>;
}

impl<T, E: Error + 'static> Attempt<T> for Result<T, E> {
    fn attempt<S: Display>(self, what: impl FnOnce() -> S) -> Result<T, Fault> {
        self.map_err(|error| {
            let kind = if is_full(&error) { FaultKind::Space } else { FaultKind::Failed };
            fault(kind, format!("{}: {error}", what()))
        })
    }
}

/// Whether the disk is full (or the quota reached), anywhere in the chain of causes.
fn is_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<rustix::io::Errno>()
            && matches!(*error, rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<rusqlite::Error>()
            && error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
