//! Durable state: the hash-chained journal and the atomic file operations.
//!
//! Owns the format of a journal (design.md §10) and every way in which Belay writes a path that must survive a power
//! cut ([`durable`]). Does not own what a record means: the runner and the helper give their own types, and put wall
//! clock, boot time and boot id into them.
//!
//! A record is one line: length, CRC-32C, sequence, SHA-256 of the previous record, JSON.
//!
//! ```text
//! 000142 1a2b3c4d 17 <64 hex> {"run":"2026-11-23-3fa9",…}
//! ```

mod crash_point;
mod disk;
pub mod durable;
mod journal;
mod kernel;
mod line;
mod lock;
mod process;
mod reader;

pub use crash_point::{crash_point, without_crash_points};
pub use disk::{Disk, DiskFile};
pub use durable::Durable;
pub use journal::{CRASH_AFTER_RECORD, FAIL_AT_RECORD, Journal, JournalError};
pub use kernel::Kernel;
pub use line::{Damage, MAX_RECORD};
pub use lock::{Lock, LockError};
pub use process::{life, this_process};
pub use reader::{Record, Tail, Verified, holder, is_held, read, read_bytes, read_on, verify, verify_on};
