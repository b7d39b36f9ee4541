use belay_checks::{Finding, RuleRow, Severity, Verdict};
use serde_json::{Value as Json, json};

use super::{CheckReport, place, told};

/// A check as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), for code scanning.
///
/// A node is a logical location; what was seen as `file:line` is a physical one as well. What was seen in a folder of manifests is a
/// result for each place, because a scanner shows one place a result. What is accepted is suppressed, with its reason, and
/// `baselineState` says what the baseline knows.
#[must_use]
pub fn check_sarif(report: &CheckReport<'_>, version: &str) -> Json {
    let new = report.findings.iter().flat_map(|finding| results(finding, "new"));
    let results: Vec<Json> = new.chain(report.known.iter().flat_map(|finding| results(finding, "unchanged"))).collect();
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

fn results(finding: &Finding, state: &str) -> Vec<Json> {
    let logical = json!({ "logicalLocations": [{ "name": place(finding), "kind": "resource" }] });
    let (of_folders, others): (Vec<&String>, Vec<&String>) = finding
        .evidence
        .iter()
        .partition(|seen| Finding::place_of(seen).is_some_and(|(file, _)| !file.starts_with('/')));
    if of_folders.is_empty() {
        let locations = std::iter::once(logical).chain(others.into_iter().filter_map(|seen| physical(seen)));
        return vec![result(finding, state, &told(finding), "", locations.collect())];
    }
    let one = |seen: &String| {
        let text = format!("{}: {seen}. {} Fix: {}", finding.title, finding.means, finding.fix);
        result(finding, state, &text, seen, physical(seen).into_iter().chain([logical.clone()]).collect())
    };
    of_folders.into_iter().map(one).collect()
}

fn result(finding: &Finding, state: &str, text: &str, seen: &str, locations: Vec<Json>) -> Json {
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
        "message": { "text": text },
        "locations": locations,
        "baselineState": state,
        "suppressions": suppressions,
        "partialFingerprints": { "rule-and-place/v1": format!("{}@{}{}", finding.rule, place(finding), unnumbered(seen)) },
    })
}

/// Without its line, which moves when others are added: it is the same result then.
fn unnumbered(seen: &str) -> String {
    seen.rsplit_once(':').map_or_else(String::new, |(before, _)| format!("@{before}"))
}

fn physical(seen: &str) -> Option<Json> {
    let (file, line) = Finding::place_of(seen)?;
    let region = json!({ "startLine": line });
    let artifact = if file.starts_with('/') {
        json!({ "uri": format!("file://{file}") })
    } else {
        json!({ "uri": encoded(file), "uriBaseId": "%SRCROOT%" })
    };
    Some(json!({ "physicalLocation": { "artifactLocation": artifact, "region": region } }))
}

/// A path as a URI has it.
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warn => "warning",
        Severity::Block => "error",
    }
}
