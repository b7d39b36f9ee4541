use serde::Serialize;

use super::Reason;

/// What a human changes in a place that a drop-in cannot speak for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigEdit {
    /// A file, `environment` or `unit` (ExecStart).
    pub source: String,
    /// 1-based; 0 where there are no lines.
    pub line: u32,
    /// Without the `+` behind it.
    pub key: String,
    /// The values that go.
    pub remove: Vec<String>,
    /// What the key has in this place afterwards, in full; empty when the key goes from it.
    pub keep: Vec<String>,
    pub reasons: Vec<Reason>,
}
