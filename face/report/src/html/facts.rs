use maud::{Markup, html};

use super::{section, value};
use crate::model::{FactRow, FactsReport, Report};
use crate::{count, moment};

pub(super) fn facts(report: &Report) -> Markup {
    let content = report.facts.as_ref().map(|facts| {
        let (changed, same): (Vec<&FactRow>, Vec<&FactRow>) = facts.rows.iter().partition(|row| row.changed);
        let both = facts.before_at.is_some() && facts.after_at.is_some();
        html! {
            @if !both {
                p.quiet { @if facts.before_at.is_some() { "No facts were gathered after this run." } @else { "The facts from before this run are not here." } }
                (table(facts, &facts.rows.iter().collect::<Vec<_>>()))
            } @else {
                @if changed.is_empty() { p { "Nothing differs." } } @else { (table(facts, &changed)) }
                @if !same.is_empty() {
                    details.more { summary { (count(same.len(), "fact is", "facts are")) " as before" } (table(facts, &same)) }
                }
            }
        }
    });
    section("facts", "Before and after", "", content)
}

fn table(facts: &FactsReport, rows: &[&FactRow]) -> Markup {
    html! {
        div.scroll { table.facts {
            thead { tr {
                th { "of" } th { "fact" }
                @if let Some(at) = facts.before_at { th { "before " span.quiet { (moment(at)) } } }
                @if let Some(at) = facts.after_at { th { "after " span.quiet { (moment(at)) } } }
            } }
            tbody { @for row in rows {
                tr {
                    td { (row.about) } td { (row.what) }
                    @if facts.before_at.is_some() { td { (cell(row.before.as_deref())) } }
                    @if facts.after_at.is_some() { td { (cell(row.after.as_deref())) } }
                }
            } }
        } }
    }
}

fn cell(text: Option<&str>) -> Markup {
    html! { @match text { Some(text) => (value::word(text)), None => span.none { "not there" } } }
}
