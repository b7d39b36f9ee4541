use belay_facts::Span;
use serde::{Deserialize, Serialize};

/// Whether anybody listened on the API's port, as the node's kernel says, looked at ten times a second.
///
/// Times are told as so long ago: nobody's calendar is needed to place them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortSeen {
    pub port: u16,
    pub looks: u64,
    /// Every time without a listener, in order.
    pub closed: Vec<PortClosed>,
}

/// A time in which nobody listened, measured to its disadvantage: from the last look that found somebody to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortClosed {
    /// How long ago it began.
    pub began: Span,
    /// How long ago it ended; `None` while it lasts.
    pub ended: Option<Span>,
}
