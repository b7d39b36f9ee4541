use belay_facts::{Digest, K3sVersion, Span};
use belay_plan::Reached;
use serde::{Deserialize, Serialize};

use crate::{EndState, Fault, GateAnswer, NodeProbe, Outage};

/// One record of the journal: the event, and when and where it was written. Nothing else reaches a screen or a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub run: String,
    /// The fence: every resume raises it, and nodes refuse older ones.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Wall clock, for people.
    pub at: jiff::Timestamp,
    /// Milliseconds since boot, for differences.
    pub up: u64,
    pub boot: String,
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. Lossless; progress inside a step is not an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ev")]
pub enum Event {
    /// The run began.
    Open { plan: Digest, from: K3sVersion, to: K3sVersion, by: String, belay: String },
    /// A step is about to be done. Durable before anything is.
    Intent {
        step: String,
        #[serde(rename = "try")]
        attempt: u32,
    },
    /// A step was done, with its proof, or not, with the fault.
    Outcome {
        step: String,
        ok: bool,
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        proof: serde_json::Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
        took: Span,
    },
    /// The outcome of a step was unknown, and was found out.
    Probed {
        step: String,
        state: ProbeState,
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        proof: serde_json::Value,
        says: String,
    },
    /// A gate answered.
    Gate {
        step: String,
        #[serde(flatten)]
        answer: GateAnswer,
    },
    /// From here the run goes back.
    Turn {
        reached: Reached,
        #[serde(flatten)]
        cause: TurnCause,
    },
    /// Somebody went on with a run that had been left; `back`: to go back, which stays true if this process dies before
    /// the turn is written.
    Resumed {
        by: String,
        belay: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        back: bool,
    },
    /// A node refused this process, because a newer generation or another run holds it. Nothing more is done by it.
    Superseded { says: String },
    /// What the probe measured since this process began, and the highest revision that it saw.
    Measured {
        outages: Vec<Outage>,
        shots: u64,
        seen: u64,
        /// Where the node is another machine: what its helper saw there.
        #[serde(default, rename = "on-node", skip_serializing_if = "Option::is_none")]
        on_node: Option<NodeProbe>,
    },
    /// Something to know that is no step and no gate.
    Note { says: String },
    /// The run is over.
    End { state: EndState, why: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeState {
    Done,
    NotDone,
    /// Begun and neither; doing it again finishes it.
    Partial,
}

/// Why a run turns back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnCause {
    /// The step at which it was decided.
    pub step: Option<String>,
    /// A person asked for it.
    pub asked: bool,
    /// One sentence.
    pub why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}
