use std::cmp::Reverse;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Acceptance;

/// What one rule says about one node, or about the cluster or the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub rule: String,
    pub title: String,
    pub severity: Severity,
    pub verdict: Verdict,
    /// The node that it is about; `None` for the cluster or the edge.
    pub node: Option<String>,
    pub means: String,
    pub fix: String,
    /// What was seen; for `Verdict::Unknown` first what could not be read.
    pub evidence: Vec<String>,
    /// Numbers in the collection of failures that the rules were made from, which is no part of the repository (CONTRIBUTING.md);
    /// `sources` are the public ones.
    pub cases: Vec<String>,
    pub sources: Vec<String>,
    /// Set only when the policy accepts this risk today.
    pub accepted: Option<Acceptance>,
}

/// How bad it is. `Info < Warn < Block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Info,
    Warn,
    Block,
}

/// A rule that does not apply leaves no finding. There is no third answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A fact that the rule needs is missing.
    Unknown,
    Yes,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Block => "block",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Yes => "yes",
        })
    }
}

/// Worst first: what is not accepted before what is, then by severity, certainty, rule and node.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (f.accepted.is_some(), Reverse(f.severity), Reverse(f.verdict));
        key(a).cmp(&key(b)).then_with(|| (&a.rule, &a.node).cmp(&(&b.rule, &b.node)))
    });
}

/// Whether a plan must be refused: a blocking finding that nobody accepted. Unknown blocks like yes.
#[must_use]
pub fn blocks(findings: &[Finding]) -> bool {
    worst(findings) == Some(Severity::Block)
}

/// The worst severity that nobody accepted; `None` when nothing is left.
#[must_use]
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().filter(|finding| finding.accepted.is_none()).map(|finding| finding.severity).max()
}

/// Whether anything that nobody accepted is at or above `limit`.
#[must_use]
pub fn findings_over(findings: &[Finding], limit: Severity) -> bool {
    worst(findings).is_some_and(|worst| worst >= limit)
}
