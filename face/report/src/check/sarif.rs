use belay_checks::{Finding, RuleRow, Severity, Verdict};
use serde_json::{Value as Json, json};

use super::{CheckReport, place, told};

/// A check as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), for code scanning.
///
/// A node is a logical location; what was seen as `file:line` is a physical one as well. What is accepted is suppressed,
/// with its reason, and `baselineState` says what the baseline knows.
#[must_use]
pub fn check_sarif(report: &CheckReport<'_>, version: &str) -> Json {
    let new = report.findings.iter().map(|finding| result(finding, "new"));
    let results: Vec<Json> = new.chain(report.known.iter().map(|finding| result(finding, "unchanged"))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "belay",
                "version": version,
                "rules": report.rules.iter().map(rule).collect::<Vec<_>>(),
            } },
            "properties": { "to": report.to.map(ToString::to_string) },
            "results": results,
        }],
    })
}

fn rule(rule: &RuleRow) -> Json {
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.means },
        "help": { "text": rule.fix },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "sources": rule.sources },
    })
}

fn result(finding: &Finding, state: &str) -> Json {
    let mut locations = vec![json!({ "logicalLocations": [{ "name": place(finding), "kind": "resource" }] })];
    locations.extend(finding.evidence.iter().filter_map(|seen| physical(seen)));
    let suppressions: Vec<Json> = finding
        .accepted
        .iter()
        .map(|accepted| {
            let why = format!("{} (by {}, until {})", accepted.reason, accepted.by, accepted.until);
            json!({ "kind": "external", "status": "accepted", "justification": why })
        })
        .collect();
    json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "kind": if finding.verdict == Verdict::Unknown { "open" } else { "fail" },
        "message": { "text": told(finding) },
        "locations": locations,
        "baselineState": state,
        "suppressions": suppressions,
        "partialFingerprints": { "rule-and-place/v1": format!("{}@{}", finding.rule, place(finding)) },
    })
}

/// `something (/etc/rancher/k3s/config.yaml:3)`.
fn physical(seen: &str) -> Option<Json> {
    let (_, place) = seen.rsplit_once('(')?;
    let (file, line) = place.trim_end_matches(')').rsplit_once(':')?;
    let line: u32 = line.parse().ok().filter(|line| *line > 0)?;
    let uri = format!("file://{file}");
    let artifact = json!({ "uri": uri });
    let region = json!({ "startLine": line });
    file.starts_with('/').then(|| json!({ "physicalLocation": { "artifactLocation": artifact, "region": region } }))
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warn => "warning",
        Severity::Block => "error",
    }
}
