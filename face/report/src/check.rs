use belay_checks::{ApiUser, Finding, RuleRow, Severity, findings_over};
use belay_facts::K3sVersion;

mod junit;
mod markdown;
mod sarif;

pub use junit::check_junit;
pub use markdown::check_markdown;
pub use sarif::check_sarif;

/// What a check found, for a CI or a ticket.
#[derive(Clone, Copy, Debug)]
pub struct CheckReport<'a> {
    pub to: Option<&'a K3sVersion>,
    /// What is new, or everything when there is no baseline.
    pub findings: &'a [Finding],
    /// What the baseline knows.
    pub known: &'a [Finding],
    /// The severity from which on a finding fails; `None` when none does.
    pub limit: Option<Severity>,
    /// Who must change what.
    pub users: &'a [ApiUser],
    /// Every rule that was asked.
    pub rules: &'a [RuleRow],
}

impl CheckReport<'_> {
    /// Whether this finding, when it is new and nobody accepted it, is a failure.
    fn fails(&self, finding: &Finding) -> bool {
        self.limit.is_some_and(|limit| findings_over(std::slice::from_ref(finding), limit))
    }
}

/// Where a finding is: the node, or the cluster.
fn place(finding: &Finding) -> &str {
    finding.node.as_deref().unwrap_or("cluster")
}

/// What was seen and what to do, in one text.
fn told(finding: &Finding) -> String {
    let seen =
        if finding.evidence.is_empty() { String::new() } else { format!(" Seen: {}.", finding.evidence.join("; ")) };
    format!("{}: {}{seen} Fix: {}", finding.title, finding.means, finding.fix)
}
