use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use belay_engine::EndState;

use crate::model::Report;
use crate::quantity::planned;
use crate::{count, duration, moment};

mod facts;
mod gates;
mod journal;
mod preview;
mod risks;
mod steps;
mod timeline;
mod value;
mod way_back;

/// The page's look: inline, so that the file is one file; no script, no font, no picture from anywhere.
const LOOK: &str = include_str!("html/look.css");

/// The browser is told as well that the page loads and runs nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The run as one self-contained page. Everything that comes from a journal, a plan or a fact is escaped.
#[must_use]
pub fn html(report: &Report) -> String {
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "Belay: " (report.title()) }
                style { (PreEscaped(LOOK)) }
            }
            body {
                main {
                    (head(report))
                    (timeline::timeline(report))
                    (gates::turn(report))
                    (steps::steps(report))
                    (gates::gates(report))
                    (way_back::lost(report))
                    (way_back::receipt(report))
                    (facts::facts(report))
                    (preview::preview(report))
                    (risks::artifacts(report))
                    (risks::risks(report))
                    (journal::journal(report))
                    footer { "Made by Belay from the plan, the journal and the facts of this run. All times are UTC." }
                }
            }
        }
    };
    page.into_string()
}

/// How the run looks as a whole: the class of its colour and the word for it.
const fn tone(state: Option<EndState>) -> (&'static str, &'static str) {
    match state {
        Some(EndState::Committed) => ("good", "committed"),
        Some(EndState::Restored) => ("back", "restored"),
        Some(EndState::Unchanged) => ("calm", "unchanged"),
        Some(EndState::NeedsHuman) => ("bad", "needs a human"),
        None => ("back", "not over"),
    }
}

fn head(report: &Report) -> Markup {
    let (class, word) = tone(report.state());
    markup! {
        header class=(class) {
            p.eyebrow { "Belay · run " (report.run) @if let Some(at) = report.started { " · " (moment(at)) } }
            h1 { (report.from) " " span.arrow { "→" } " " (report.to) " " span.on { "on " (report.subject()) } }
            p.verdict { span.pill { (word) } " " (report.verdict) }
            dl.figures {
                @let (gaps, remark) = report.api.parts();
                (figure("API gap", &gaps, &format!("{remark} expected about {}", planned(report.expect.api_gap))))
                @if let Some(took) = report.took {
                    (figure("Took", &duration(took), &format!("expected about {}", planned(report.expect.duration))))
                }
                @if let Some(lost) = &report.lost {
                    @if lost.given_up {
                        (figure("Given up", &count(lost.objects.len(), "object", "objects"), "written since"))
                    } @else {
                        (figure("Set aside", &count(lost.objects.len(), "object", "objects"), "written after the swap"))
                    }
                }
                @if let Some(level) = report.receipt.as_ref().and_then(|receipt| receipt.level.as_ref()) {
                    (figure("Backup", level, "proven before the stop"))
                }
                @if !report.resumes.is_empty() {
                    (figure("Resumed", &count(report.resumes.len(), "time", "times"), "after it was left"))
                }
                @if let Some(code) = report.exit_code { (figure("Exit code", &code.to_string(), word)) }
            }
            @if !report.next.is_empty() {
                div.next {
                    b { "Next: " }
                    @if let [step] = report.next.as_slice() { (steps::ticked(step)) }
                    @else { ul { @for step in &report.next { li { (steps::ticked(step)) } } } }
                }
            }
            @if let Some(unsound) = &report.journal.unsound {
                p.alarm { b { "The journal is not sound. " } (unsound) }
            }
        }
    }
}

fn figure(name: &str, value: &str, note: &str) -> Markup {
    markup! { div { dt { (name) } dd { (value) } dd.note { (note) } } }
}

/// A section with a heading; nothing at all when it has no content.
fn section(id: &str, title: &str, lead: &str, content: Option<Markup>) -> Markup {
    markup! {
        @if let Some(content) = content {
            section id=(id) {
                h2 { (title) }
                @if !lead.is_empty() { p.lead { (lead) } }
                (content)
            }
        }
    }
}
