use std::fmt;

use belay_facts::K3sVersion;
use jiff::civil::Date;
use serde::Serialize;

use super::{Route, Standing};

/// No safe ladder leads to the target. Displays as the reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NoRoute {
    /// The date of the release tables.
    pub as_of: Date,
    pub from: Standing,
    pub to: K3sVersion,
    pub why: String,
    /// The ladder to the nearest target that is safe: of the same minor, else below it.
    pub nearest: Option<Route>,
}

impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no safe way leads from {} to {}: {}", self.from.tag, self.to, self.why)
    }
}

impl std::error::Error for NoRoute {}
