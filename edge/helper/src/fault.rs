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
            let kind = kind_of(&error);
            fault(kind, format!("{}: {error}", what()))
        })
    }
}

/// What the file system says, anywhere in the chain of causes: that it is full (or the quota reached), or that it takes no
/// writes any more.
fn kind_of(error: &(dyn Error + 'static)) -> FaultKind {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && let Some(kind) = error.raw_os_error().and_then(of_errno)
        {
            return kind;
        }
        if let Some(kind) = error.downcast_ref::<rustix::io::Errno>().and_then(|error| of_errno(error.raw_os_error())) {
            return kind;
        }
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return FaultKind::Space;
        }
        if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
            match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => return FaultKind::Space,
                Some(rusqlite::ErrorCode::SystemIoFailure) => return FaultKind::Io,
                _ => {}
            }
        }
        cause = error.source();
    }
    FaultKind::Failed
}

fn of_errno(errno: i32) -> Option<FaultKind> {
    use rustix::io::Errno;
    match Errno::from_raw_os_error(errno) {
        Errno::NOSPC | Errno::DQUOT => Some(FaultKind::Space),
        Errno::IO | Errno::ROFS => Some(FaultKind::Io),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_broken_one_are_told_from_each_other() {
        use rustix::io::Errno;
        let of = |errno: Errno| Err::<(), _>(io::Error::from(errno)).attempt(|| "x").unwrap_err().kind;
        assert_eq!(of(Errno::NOSPC), FaultKind::Space);
        assert_eq!(of(Errno::DQUOT), FaultKind::Space);
        assert_eq!(of(Errno::ROFS), FaultKind::Io);
        assert_eq!(of(Errno::IO), FaultKind::Io);
        assert_eq!(of(Errno::ACCESS), FaultKind::Failed);
        // Inside the journal's own error as well.
        let source = io::Error::from(Errno::IO);
        let journal = belay_journal::JournalError::Append { path: "/j".into(), record: 3, source };
        assert_eq!(Err::<(), _>(journal).attempt(|| "x").unwrap_err().kind, FaultKind::Io);
    }
}
