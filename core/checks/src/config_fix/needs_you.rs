use serde::Serialize;

use super::Reason;
use crate::Fate;

/// A setting that the target does not obey and for which nothing can be proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NeedsYou {
    pub value: String,
    /// A file, `environment` or `unit`.
    pub source: String,
    /// 1-based; 0 where there are no lines.
    pub line: u32,
    pub fate: Fate,
    #[serde(flatten)]
    pub reason: Reason,
}
