//! Simulated nodes, disks, clocks, links and clients for the real engine, the real planner and the real journal.
//!
//! Owns the fault model, the schedules and the invariants that are held against every one of them. A schedule is one `u64`:
//! whoever has the seed has the run, byte for byte. What it simulates of helper and runner are twins of their code, named
//! where they are; everything that decides or writes a journal is the product's own.

mod campaign;
mod coordinator;
mod datastore;
mod dice;
mod helper;
mod invariant;
mod mutants;
mod node_run;
pub mod places;
mod platter;
mod schedule;
mod shape;
mod sim_disk;
mod station;
mod story;
mod world;

pub use campaign::{Campaign, Coverage};
pub use dice::Dice;
pub use invariant::{Invariant, Violation};
pub use mutants::{Killed, MUTANTS, kill_all};
pub use platter::{DiskFault, Group, Platter};
pub use schedule::{Lived, Wish, live};
pub use shape::Shape;
pub use sim_disk::{SimDisk, SimFile, SimLock};
pub use station::{FaultKind, Station};
pub use world::World;
