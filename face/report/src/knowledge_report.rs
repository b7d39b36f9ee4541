use belay_checks::{Counts, Signer};
use jiff::civil::Date;
use serde::Serialize;

/// What is known on a machine, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnowledgeReport {
    /// The last day on which something of what this build carries was looked up.
    pub build_as_of: Date,
    pub build_days: i32,
    pub build: Counts,
    pub bundles: Vec<BundleReport>,
    /// Build and bundles together.
    pub known: Counts,
    pub notes: Vec<String>,
}

/// One installed bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BundleReport {
    pub serial: u32,
    pub date: Date,
    pub days: i32,
    pub digest: String,
    #[serde(flatten)]
    pub signer: Signer,
    pub from: String,
    pub installed_on: Date,
    pub counts: Counts,
}
