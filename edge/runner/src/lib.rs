//! The one loop that acts: it asks the engine what to do next, journals it, does it over a link, and journals what
//! came of it.
//!
//! Owns runs and their directory, the carrying out of steps, the gates, releases (`vault`), installed knowledge (`knowledge`), and
//! folders of manifests. Decides nothing: every
//! choice is the engine's.

mod backup_copy;
mod book;
mod canary_ahead;
mod clock;
mod copy_off;
mod effect;
mod error;
mod gates;
mod gather;
mod halt;
mod holding;
pub mod knowledge;
mod manifest_folder;
mod node_account;
mod node_watch;
mod run_dir;
mod runner;
mod session;
mod sink;
mod traces;
pub mod vault;

pub use belay_cluster::{Kubeconfig, KubeconfigError};
pub use clock::Clock;
pub use error::RunError;
pub use gather::{Gathered, gather, gather_objects, gather_userland};
pub use halt::HaltWish;
pub use holding::Holding;
pub use manifest_folder::manifest_folder;
pub use node_account::{NodeAccount, disagreements};
pub use run_dir::{RunDir, StateDir};
pub use runner::{Interrupt, Outcome, Runner};
pub use sink::{Progress, Sink};
pub use traces::trace_of_k3s;
