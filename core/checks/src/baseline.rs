use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Finding, Verdict};

/// The first line of a baseline: what this build writes and reads.
const FORMAT: &str = "baseline/v1";

/// Findings that are known already, for a CI that is to fail on new ones only. It says nothing about a plan: what blocks
/// an upgrade is accepted by name, with a reason and an end, or repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    belay: String,
    findings: Vec<KnownFinding>,
}

/// A finding is the same as long as it is the same rule, on the same node, as certain as it was. What was seen may differ:
/// days and sizes change by themselves. A file of a repository does not: one that was not seen before makes it new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFinding {
    rule: String,
    node: Option<String>,
    verdict: Verdict,
    /// Of what was seen in files, each without its line, which moves when others are written.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    files: BTreeSet<String>,
}

/// What was seen in files.
fn files(finding: &Finding) -> BTreeSet<String> {
    let without_line = |seen: &String| {
        Finding::place_of(seen).filter(|(file, _)| !file.starts_with('/'))?;
        seen.rsplit_once(':').map(|(before, _)| before.to_owned())
    };
    finding.evidence.iter().filter_map(without_line).collect()
}

/// Why a text is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error("this baseline could not be read as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("this baseline is of format `{0}`, this build reads `{FORMAT}`")]
    Format(String),
}

impl Baseline {
    /// What was found, in the order in which it was found.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        let known = |finding: &Finding| KnownFinding {
            rule: finding.rule.clone(),
            node: finding.node.clone(),
            verdict: finding.verdict,
            files: files(finding),
        };
        Self { belay: FORMAT.to_owned(), findings: findings.iter().map(known).collect() }
    }

    /// Reads a baseline.
    ///
    /// # Errors
    /// When it is not JSON of this shape, or of another format.
    pub fn from_json(text: &str) -> Result<Self, BaselineError> {
        let found: Self = serde_json::from_str(text)?;
        if found.belay == FORMAT {
            Ok(found)
        } else {
            Err(BaselineError::Format(found.belay.chars().take(40).collect()))
        }
    }

    /// Whether this finding was there already.
    #[must_use]
    pub fn knows(&self, finding: &Finding) -> bool {
        let same = |known: &KnownFinding| {
            known.rule == finding.rule
                && known.node == finding.node
                && known.verdict == finding.verdict
                && files(finding).is_subset(&known.files)
        };
        self.findings.iter().any(same)
    }
}
