use belay_facts::Digest;
use jiff::civil::Date;
use serde::Serialize;

use crate::Signer;

/// Which bundle is in what is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BundleMark {
    pub serial: u32,
    pub date: Date,
    pub digest: Digest,
    #[serde(flatten)]
    pub signer: Signer,
}
