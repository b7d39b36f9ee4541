//! What to do next: a sans-io saga over a plan and the events so far.
//!
//! Owns the events, the fold of events into a state, the next command, the turn to the way back, attempt budgets, the
//! end states, and the declaration of every step. Does no I/O: it is given a plan and events and answers with a command.

mod budget;
mod command;
mod end;
mod event;
mod fault;
mod gate;
mod halt;
mod node_probe;
mod state;
pub mod steps;

pub use budget::{MAX_RESUMES, MAX_TRIES};
pub use command::Command;
pub use end::EndState;
pub use event::{Event, ProbeState, Record, TurnCause};
pub use fault::{Fault, FaultKind};
pub use gate::{GateAnswer, Outage, Verdict};
pub use halt::Halt;
pub use node_probe::NodeProbe;
pub use state::{IllegalEvent, NodeTale, RunState, StepState};
