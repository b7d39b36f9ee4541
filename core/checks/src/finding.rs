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

impl Finding {
    /// File and line of something that was seen as `something (/etc/rancher/k3s/config.yaml:3)`, or as `(deploy/web.yaml:3)`: found from
    /// where Belay was called.
    #[must_use]
    pub fn place_of(seen: &str) -> Option<(&str, u32)> {
        let inner = seen.strip_suffix(')')?;
        let mut open = 1_u32;
        // A name may have brackets as well.
        let begin = inner.char_indices().rev().find_map(|(at, c)| {
            match c {
                ')' => open = open.saturating_add(1),
                '(' => open = open.saturating_sub(1),
                _ => {}
            }
            (open == 0).then(|| at.saturating_add(1))
        })?;
        let (file, line) = inner.get(begin..)?.rsplit_once(':')?;
        let line = line.parse().ok().filter(|line| *line > 0)?;
        // An address and its port look like one.
        let is_manifest = || [".yaml", ".yml", ".json"].iter().any(|end| file.to_ascii_lowercase().ends_with(end));
        (file.starts_with('/') || is_manifest()).then_some((file, line))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_place_and_an_address_is_none() {
        let place = Finding::place_of;
        assert_eq!(place("x (/etc/rancher/k3s/config.yaml:3)"), Some(("/etc/rancher/k3s/config.yaml", 3)));
        assert_eq!(place("x, now policy/v1 (git/a (b).yaml:3)"), Some(("git/a (b).yaml", 3)));
        assert_eq!(place("x (deploy/a b.YAML:12)"), Some(("deploy/a b.YAML", 12)));
        for none in ["x", "listens (127.0.0.1:6443)", "x (unit:0)", "x (a.yaml)", "x (a.yaml:0)"] {
            assert_eq!(place(none), None, "{none}");
        }
    }
}
