use serde::{Deserialize, Serialize};

use crate::Outage;

/// What the helper saw on the node itself, beside the probe that asks the API from the coordinator: whether anybody listened
/// on the API's port. No request is sent, so the times are shorter than an outage of the API: K3s listens before it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeProbe {
    pub port: u16,
    pub looks: u64,
    /// Every time without a listener, in order, without causes.
    pub closed: Vec<Outage>,
    /// False when a connection was lost: the helper behind it, and what it saw last, were lost with it.
    pub whole: bool,
}
