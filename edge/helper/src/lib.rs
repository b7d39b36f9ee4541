//! The helper on a node: acts on K3s there, and on nothing else.
//!
//! Owns every effect on a node and its proof, the node's own journal and fence, and what is done at boot about a way
//! back that a power cut interrupted. Does not own decisions: the coordinator asks for one step at a time
//! ([`belay_wire::Op`]), and there is no other verb, no shell, and no network.

mod alone;
mod arm_guard;
mod backup;
mod bootstrap;
mod carry;
mod clock;
mod command;
mod config;
mod content;
mod credentials;
mod datastore;
mod digests;
mod discovery;
mod disk;
mod disk_errors;
mod down;
mod encryption;
mod etcd;
mod extracted;
mod fault;
mod fence;
mod firewall;
mod flush;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod growth;
mod guard;
mod holds;
mod inspect;
mod inventory;
mod keep;
mod kernel_modules;
mod labels;
mod lease;
mod links;
mod log;
mod lost;
mod mark;
mod mutate;
mod newer_files;
mod node_journal;
mod node_record;
mod node_run;
mod observe;
mod places;
mod port_watch;
mod process;
mod prove;
mod prune;
mod put_back;
mod read_backup;
mod rebuild;
mod recover;
mod registries;
mod release;
mod resolve;
mod restorable;
mod restore;
mod serve;
mod sqlite;
mod stage;
mod stamp;
mod start;
mod step;
mod stop;
mod surroundings;
mod swap;
mod swap_back;
mod table;
mod timer;
mod token;
mod tree;
mod unit;
mod userland;
mod yaml;

#[cfg(test)]
mod tests;

pub use clock::Now;
pub use config::Config;
pub use credentials::credentials;
pub use discovery::Installation;
pub use etcd::{Bolt, BoltError, Bucket, Leaf, Page, Store, StoreError, WalError, check_trailer};
pub use guard::guard;
pub use inspect::inspect;
pub use inventory::inventory;
pub use lease::SignOfLife;
pub use node_journal::{CRASH_AFTER_RECORD, NodeJournal};
pub use node_run::{NodeEvent, NodeRecord, NodeRun, Proof};
pub use observe::observe;
pub use places::Places;
pub use recover::recover;
pub use serve::{Channel, Link, ServeError, serve};
pub use sqlite::{Database, DatabaseError};
pub use table::TableError;
pub use userland::userland;
