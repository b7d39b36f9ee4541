use serde::{Deserialize, Serialize};

use crate::{ClusterFacts, Digest, ManifestFolder, NodeFacts, ObjectFacts, Unread};

/// The first line of a facts file: what this build writes and reads.
pub const FORMAT: &str = "facts/v1";

/// Everything that findings and a plan are made from; a file that can be saved, sent and replayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    pub belay: String,
    pub taken_at: jiff::Timestamp,
    /// `None` when no API answered.
    pub cluster: Option<ClusterFacts>,
    pub nodes: Vec<NodeFacts>,
    /// `None` when nobody asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectFacts>,
    /// `None` when nobody named a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<ManifestFolder>>,
    /// What was asked for and could not be read, and why; of a node or the cluster. What rules see is without it, so that a value
    /// that only stands in its place decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// Why a text is not a facts file.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    #[error("these facts could not be read as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("these facts are of format `{0}`, this build reads `{FORMAT}`")]
    Format(String),
}

impl Facts {
    /// Whether they are of folders alone: no node was looked at, and nothing can be said of any.
    #[must_use]
    pub fn of_folders_alone(&self) -> bool {
        self.manifests.is_some() && self.nodes.is_empty() && self.cluster.is_none() && self.objects.is_none()
    }

    /// Reads a facts file.
    ///
    /// # Errors
    /// When it is not JSON of this shape, or of another format.
    pub fn from_json(text: &str) -> Result<Self, FactsError> {
        #[derive(Deserialize)]
        struct Head {
            belay: String,
        }
        let head: Head = serde_json::from_str(text)?;
        if head.belay != FORMAT {
            return Err(FactsError::Format(head.belay.chars().take(40).collect()));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The digest that a plan names as its parent.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        Digest::of_json(self)
    }
}
