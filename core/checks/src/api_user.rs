use std::fmt;

use serde::Serialize;

/// Somebody who uses a version of an API that the target no longer serves or warns of: who must change what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ApiUser {
    /// Worst first.
    pub fate: ApiFate,
    /// The first minor that does not serve it: what goes first comes first.
    pub gone: u32,
    pub source: ApiSource,
    /// `policy/v1beta1 PodDisruptionBudget`
    pub api: String,
    /// The version in which it goes on: `policy/v1`; `None` where there is none.
    pub successor: Option<String>,
    /// Who: a file with its line, a release, a manager, a node's manifest.
    pub user: String,
    /// The line of `user` where that is a file of a folder, else 0.
    pub line: u32,
    /// The objects that are known, or the first of them: `default/web`.
    pub objects: Vec<String>,
    pub count: u64,
    /// All of it in one line, for the evidence of a finding.
    pub seen: String,
}

/// What becomes of an API in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApiFate {
    /// The target does not serve it.
    Gone,
    /// The target serves it and warns.
    Deprecated,
}

/// Where it was seen that somebody uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApiSource {
    /// A file of a folder that was named with `--manifests`.
    File,
    /// `server/manifests` of a node.
    Node,
    /// The newest revision of a release of Helm.
    Release,
    /// `kubectl apply`, by the annotation that it leaves and by its fields.
    Apply,
    /// A manager of fields.
    Manager,
    /// Requests that the API server counted; it does not say whose.
    Requests,
    /// A template in such a folder: what is rendered of it is not known.
    Template,
}

impl fmt::Display for ApiSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Node => "K3s manifest",
            Self::Release => "Helm release",
            Self::Apply => "kubectl apply",
            Self::Manager => "manager",
            Self::Requests => "requests",
            Self::Template => "template",
        })
    }
}
