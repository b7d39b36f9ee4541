use serde::Serialize;

/// Why something of a configuration is to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reason {
    /// `kubelet-arg: containerd`, `kubelet-arg: feature-gates: KMSv2`, or the plain key.
    pub what: String,
    /// In one sentence.
    pub why: String,
    /// The rule that `belay explain` prints; `None` where there is none.
    pub rule: Option<String>,
}
