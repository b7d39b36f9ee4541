use serde::{Deserialize, Serialize};

/// Who told what runs on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToldBy {
    /// All of it, as it is now.
    Api,
    /// The objects of the datastore: what something holds, in the whole cluster, the first of each sort.
    Datastore,
    Nobody,
}
