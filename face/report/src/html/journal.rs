use maud::{Markup, html};

use super::{section, value};
use crate::model::{Direction, Report};
use crate::{clock, duration, moment};

/// What the probe saw, who went on, what was noted, and what the journal itself is.
pub(super) fn journal(report: &Report) -> Markup {
    let journal = &report.journal;
    let content = html! {
        @if !report.notes.is_empty() {
            h3 { "Notes" }
            ul.log { @for note in &report.notes { li { time { (clock(note.at)) } " " (note.says) } } }
        }
        @if !report.resumes.is_empty() {
            h3 { "Went on after it was left" }
            ul.log { @for resume in &report.resumes {
                li { time { (moment(resume.at)) } " by " (resume.by) " with Belay " (resume.belay) ", generation " (resume.generation) }
            } }
        }
        h3 { "API probe" }
        (probe(report))
        h3 { "Journal" }
        dl.pairs {
            @if let Some(by) = &journal.opened_by { div { dt { "opened by" } dd { (by) @if let Some(belay) = &journal.belay { " with Belay " (belay) } } } }
            div { dt { "records" } dd { (journal.records) } }
            @if let (Some(first), Some(last)) = (journal.first, journal.last) { div { dt { "from, to" } dd { (moment(first)) " to " (moment(last)) } } }
            div { dt { "generation" } dd { (journal.generation) } }
            div { dt { "boots" } dd { @for (index, boot) in journal.boots.iter().enumerate() { @if index > 0 { ", " } code { (boot) } } } }
            div { dt { "plan" } dd { code { (report.plan) } @if journal.plan.is_some_and(|plan| plan != report.plan) { " but it was opened with " code { (journal.plan.map(|plan| plan.to_string()).unwrap_or_default()) } } } }
            div { dt { "cluster" } dd { code { (report.cluster) } } }
            @if let Some(end) = &report.end { div { dt { "end" } dd { (end.state) " at " (moment(end.at)) ": " (end.why) } } }
        }
    };
    section("journal", "Journal", "", Some(content))
}

fn probe(report: &Report) -> Markup {
    let api = &report.api;
    html! {
        @if !api.complete {
            p.quiet { "Incomplete: " @if api.shots == 0 { "nothing was measured." } @else if api.unmeasured.is_empty() { "the connection to the node was lost, or the API was still down when the probe ended, so a part was not measured." } @else { "the run was left and resumed, so a part was not measured." } }
            @for part in &api.unmeasured {
                p.quiet {
                    "Nothing is known from " (moment(part.from)) " to " (moment(part.until))
                    @if part.killed { ": the process was killed before it could write what it had seen" }
                    @if part.down { "; K3s was down as it went" } "."
                }
            }
        }
        @if api.outages.is_empty() {
            @if api.shots > 0 { p { "No outage in " (api.shots) " shots." } }
        } @else {
            div.scroll { table {
                thead { tr { th { "outage" } th { "from last good answer" } th { "to first good answer" } th { "API gap" } th { "failed shots" } } }
                tbody { @for outage in &api.outages {
                    tr {
                        td { @match outage.direction { Direction::Forward => "forward", Direction::Through => "through the turn", Direction::Back => "back" } }
                        td { (moment(outage.from)) }
                        td { @match outage.to { Some(to) => (moment(to)), None => "still down" } }
                        td { (duration(outage.gap)) }
                        td { @for (index, (cause, n)) in outage.causes.iter().enumerate() { @if index > 0 { ", " } (n) " " (value::word(cause)) } }
                    }
                } }
            } }
            p.quiet { (api.shots) " shots in all; the highest revision seen was " (api.seen) "." }
        }
        @if let Some(port) = &api.on_node {
            p { (port.sentence()) " The shots above ask the API from where Belay ran, over SSH; on the node its helper looked "
                (port.looks) " times whether anybody listens, which K3s does before it is ready." }
        }
    }
}
