use belay_checks::{Finding, Severity, Verdict};

use crate::{Mark, Style};

/// How much evidence of one finding is shown; the JSON holds all of it.
const EVIDENCE: usize = 3;
/// So many rules that are unknown for the same reason are told in one place.
const MANY: usize = 3;

/// Findings on one screen, worst first: what blocks and warns with evidence and fix, what informs in one line each, what
/// was accepted last.
#[must_use]
pub fn findings_text(findings: &[Finding], style: Style) -> String {
    if findings.is_empty() {
        return style.paragraph(Mark::Yes, "nothing found that speaks against it.");
    }
    let mut out = String::new();
    let open = |severity| findings.iter().filter(move |f| f.accepted.is_none() && f.severity == severity);
    for severity in [Severity::Block, Severity::Warn] {
        let mut told: Vec<&Finding> = Vec::new();
        for finding in open(severity) {
            let alike: Vec<&Finding> = open(severity).filter(|other| is_alike(finding, other)).collect();
            if alike.len() < MANY {
                out.push_str(&whole(finding, style));
            } else if told.iter().any(|one| is_alike(one, finding)) {
                continue;
            } else {
                told.push(finding);
                out.push_str(&together(&alike, style));
            }
            out.push('\n');
        }
    }
    let (unknown, known): (Vec<&Finding>, Vec<&Finding>) =
        open(Severity::Info).partition(|finding| finding.verdict == Verdict::Unknown);
    for finding in known {
        out.push_str(&style.paragraph(Mark::Known, &format!("info   {}", title(finding))));
    }
    if !unknown.is_empty() {
        let rules: Vec<&str> = unknown.iter().map(|finding| finding.rule.as_str()).collect();
        let text = format!("info   cannot be ruled out, a fact is missing: {}", rules.join(", "));
        out.push_str(&style.paragraph(Mark::Known, &text));
    }
    for finding in findings {
        if let Some(accepted) = &finding.accepted {
            let by = format!("accepted by {} until {}: {}", accepted.by, accepted.until, accepted.reason);
            out.push_str(&style.paragraph(Mark::Known, &format!("{} ({by})", stated(finding))));
        }
    }
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    out.push_str(&sum(findings, style));
    out
}

/// What a baseline knows, in one line each.
#[must_use]
pub fn known_text(known: &[Finding], style: Style) -> String {
    let line = |finding: &Finding| style.paragraph(Mark::Known, &format!("known  {}", stated(finding)));
    known.iter().map(line).collect()
}

fn title(finding: &Finding) -> String {
    let node = finding.node.as_ref().map_or_else(String::new, |node| format!("{node}: "));
    format!("{node}{} [{}]", finding.title, finding.rule)
}

/// The title, as what is so or as what nobody knows.
fn stated(finding: &Finding) -> String {
    let unknown = if finding.verdict == Verdict::Unknown { "cannot be ruled out, a fact is missing: " } else { "" };
    format!("{unknown}{}", title(finding))
}

/// Unknown for the same reason, whatever facts of it they need: the reason comes after what is missing.
fn is_alike(a: &Finding, b: &Finding) -> bool {
    let reason = |finding: &Finding| finding.evidence.get(1).cloned();
    let is_unknown = a.verdict == Verdict::Unknown && b.verdict == Verdict::Unknown;
    is_unknown && reason(a).is_some() && (reason(a), &a.node, &a.fix) == (reason(b), &b.node, &b.fix)
}

/// Rules that cannot be judged for one reason, in one place; the JSON tells of each.
fn together(findings: &[&Finding], style: Style) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let node = first.node.as_ref().map_or_else(String::new, |node| format!("{node}: "));
    let head = format!("{}  {node}{} risks cannot be ruled out, a fact is missing", first.severity, findings.len());
    let mut out = style.paragraph(mark(first), &head);
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    line(&mut out, "rules", &rules.join(", "), style);
    line(&mut out, "seen", first.evidence.get(1).map_or("", String::as_str), style);
    line(&mut out, "fix", &first.fix, style);
    out
}

fn mark(finding: &Finding) -> Mark {
    if finding.severity == Severity::Block { Mark::No } else { Mark::Unsure }
}

fn line(out: &mut String, label: &str, text: &str, style: Style) {
    for (index, row) in style.wrap(text, style.width.saturating_sub(9)).iter().enumerate() {
        let label = format!("{:7}", if index == 0 { label } else { "" });
        out.push_str(&format!("  {}{row}\n", style.dim(&label)));
    }
}

fn whole(finding: &Finding, style: Style) -> String {
    let mut out = style.paragraph(mark(finding), &format!("{}  {}", finding.severity, stated(finding)));
    let mut line = |label: &str, text: &str| line(&mut out, label, text, style);
    line("means", &finding.means);
    for (index, seen) in finding.evidence.iter().take(EVIDENCE).enumerate() {
        line(if index == 0 { "seen" } else { "" }, seen);
    }
    if finding.evidence.len() > EVIDENCE {
        line("", &format!("and {} more", finding.evidence.len() - EVIDENCE));
    }
    line("fix", &finding.fix);
    out
}

/// Whether nothing but manifests in folders blocks: whoever names them wants to hear of it, and no plan is made from them.
fn of_folders_alone(findings: &[Finding]) -> bool {
    let mut blocking = findings.iter().filter(|f| f.accepted.is_none() && f.severity == Severity::Block);
    blocking.all(|finding| finding.rule.starts_with("belay-folder-"))
}

fn sum(findings: &[Finding], style: Style) -> String {
    let count = |severity| findings.iter().filter(|f| f.accepted.is_none() && f.severity == severity).count();
    let (block, warn, info) = (count(Severity::Block), count(Severity::Warn), count(Severity::Info));
    let accepted = findings.iter().filter(|f| f.accepted.is_some()).count();
    let parts: Vec<String> =
        [(block, "blocking"), (warn, "to know"), (info, "for information"), (accepted, "accepted")]
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}"))
            .collect();
    let (mark, end) = match (block, warn) {
        (0, 0) => (Mark::Yes, "."),
        (0, _) => (Mark::Unsure, "."),
        _ if of_folders_alone(findings) => (Mark::No, ". What blocks is in folders, which a plan does not read."),
        _ => (Mark::No, ". There is no plan while something blocks."),
    };
    style.paragraph(mark, &format!("{}{end}", parts.join(", ")))
}
