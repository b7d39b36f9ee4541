use maud::{Markup, html};

use super::{section, steps, value};
use crate::model::Report;
use crate::size;

pub(super) fn artifacts(report: &Report) -> Markup {
    let content = (!report.artifacts.is_empty()).then(|| {
        html! {
            div.scroll { table {
                thead { tr { th { "file" } th { "size" } th { "digest" } th { "from" } th { "trust" } } }
                tbody { @for artifact in &report.artifacts {
                    tr {
                        td { (artifact.name) " " span.quiet { (artifact.arch) } }
                        td { (size(artifact.size)) }
                        td { (value::word(&artifact.sha256.to_string())) }
                        td { code { (artifact.source) } }
                        td { (artifact.trust) }
                    }
                } }
            } }
        }
    });
    section("artifacts", "What was installed", "", content)
}

pub(super) fn risks(report: &Report) -> Markup {
    let content = (!report.accepted.is_empty() || !report.findings.is_empty()).then(|| {
        html! {
            @for risk in &report.accepted {
                p { b { (risk.rule) } " was accepted by " (risk.by) " until " (risk.until) ": " (risk.reason) }
            }
            @for finding in &report.findings {
                details.more {
                    summary {
                        span.severity.(finding.severity) { (finding.severity) } " " (finding.title)
                        @if let Some(node) = &finding.node { " " span.quiet { "on " (node) } }
                    }
                    p { (finding.means) }
                    @if !finding.evidence.is_empty() { ul { @for seen in &finding.evidence { li { (seen) } } } }
                    p { b { "Fix: " } (steps::ticked(&finding.fix)) }
                    @if let Some(accepted) = &finding.accepted { p { "Accepted by " (accepted.by) " until " (accepted.until) ": " (accepted.reason) } }
                    p.quiet { code { (finding.rule) } @for case in &finding.cases { " · " (case) } @for source in &finding.sources { " · " (source) } }
                }
            }
        }
    });
    section("risks", "Risks that were known", "", content)
}
