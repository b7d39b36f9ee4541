use belay_plan::WayClass;
use maud::{Markup, html};

use super::{section, value};
use crate::model::{Lost, Report, people_first};
use crate::quantity::planned;
use crate::{count, moment, size};

/// What the abandoned version had written.
pub(super) fn lost(report: &Report) -> Markup {
    let content = report.lost.as_ref().map(|lost| {
        html! {
            @if !lost.complete {
                p.alarm { "The abandoned datastore could not be read to its end, so this list is incomplete." }
            }
            @if lost.objects.is_empty() {
                p { "Nothing but heartbeats was written " @if lost.given_up { "since." } @else { "after the swap." } }
            } @else {
                div.scroll { table {
                    thead { tr { th { "change" } th { "resource" } th { "namespace" } th { "name" } } }
                    tbody { @for object in people_first(&lost.objects) {
                        tr {
                            td { span.change.(object.change) { (object.change.replace('-', " ")) } }
                            td { (object.resource) }
                            td { @if object.namespace.is_empty() { span.none { "cluster" } } @else { (object.namespace) } }
                            td { (object.name) @if !object.key.is_empty() { br; code.quiet { (object.key) } } }
                        }
                    } }
                } }
                @if lost.unlisted > 0 {
                    p { "And " (lost.unlisted) " more, named in " code { @if lost.given_up { "left.json" } @else { "lost.json" } } " beside the run's journal on the node." }
                }
            }
            (rest(lost))
        }
    });
    let lead = if report.lost.as_ref().is_some_and(|lost| lost.given_up) {
        "Written since the state that was restored. What was there is kept on the node, and in the backup of this run."
    } else {
        "Written by the version that was given up, after the swap. It is set aside on the node, not deleted."
    };
    section("lost", "What is no longer there", lead, content)
}

fn rest(lost: &Lost) -> Markup {
    html! {
        dl.pairs {
            @if !lost.abandoned.is_empty() { div { dt { "set aside in" } dd { code { (lost.abandoned) } } } }
            @if !lost.uncounted.is_empty() {
                div { dt { "heartbeats, not listed" } dd {
                    @for (index, (resource, n)) in lost.uncounted.iter().enumerate() { @if index > 0 { ", " } (n) " " (resource) }
                } }
            }
            @if !lost.carried.is_empty() {
                div { dt { "carried over" } dd { @for (index, file) in lost.carried.iter().enumerate() { @if index > 0 { ", " } code { (file) } } } }
            }
            div { dt { "revisions" } dd {
                "kept at " (lost.kept_revision) ", abandoned at "
                @match lost.abandoned_revision { Some(revision) => (revision), None => "a revision that could not be read" }
                ", going on above " (lost.revision) ": they never run backwards for a client"
            } }
        }
    }
}

/// The way back that the plan had, the receipt of the backup, and what stays.
pub(super) fn receipt(report: &Report) -> Markup {
    let way = &report.way_back;
    let class = match way.class {
        WayClass::Keep => "keep: the copy of the stopped server is put back",
        WayClass::Binary => "binary: the binary is swapped back, the data stay",
        WayClass::Untouched => "none needed: K3s was not touched",
    };
    let content = html! {
        dl.pairs {
            div { dt { "class" } dd { (class) } }
            @if let Some(by) = report.went_back_by {
                div { dt { "went back by" } dd { (by) @if report.fall.is_some() { ", since binary did not hold" } } }
            }
            div { dt { "why" } dd { (way.why) } }
            div { dt { "loses" } dd { (way.loses) } }
            div { dt { "estimate" } dd { "about " (planned(way.estimate)) } }
            div { dt { "point of no return" } dd { @match &way.point_of_no_return { Some(step) => code { (step) }, None => "none before the commit" } } }
        }
        @if let Some(receipt) = &report.receipt {
            h3 { "Receipt of the backup on " (receipt.node) }
            dl.pairs {
                @if let Some(level) = &receipt.level { div { dt { "proven" } dd { b { (level) } } } }
                @if let Some(path) = &receipt.path { div { dt { "lies in" } dd { code { (path) } } } }
                @if let Some(at) = receipt.taken_at_unix.and_then(|at| jiff::Timestamp::from_second(at).ok()) {
                    div { dt { "taken" } dd { (moment(at)) } }
                }
                @if let Some(kind) = &receipt.kind { div { dt { "datastore" } dd { (kind) @if let Some(bytes) = receipt.size { ", " (size(bytes)) } } } }
                @if let Some(said) = &receipt.integrity { div { dt { "integrity" } dd { (said) } } }
                @if let Some(revision) = receipt.revision { div { dt { "revision" } dd { (revision) } } }
                @if let Some(keys) = receipt.keys { div { dt { "live keys" } dd { (keys) } } }
                @if let Some(digest) = &receipt.digest { div { dt { "file" } dd { (value::word(digest)) } } }
                @if let Some(root) = &receipt.root { div { dt { "all keys and values" } dd { (value::word(root)) } } }
            }
            @if !receipt.files.is_empty() {
                details.more {
                    summary { (count(receipt.files.len(), "file", "files")) " beside the datastore" }
                    dl.pairs { @for (path, digest) in &receipt.files { div { dt { (path) } dd { (value::word(digest)) } } } }
                }
            }
        }
        @if !report.stays.is_empty() {
            h3 { "What leads back and stays on the node" }
            ul { @for path in &report.stays { li { code { (path) } } } }
        }
    };
    section("way-back", "Way back and backup", "", Some(content))
}
