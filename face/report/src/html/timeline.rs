use belay_plan::StepKind;
use jiff::Timestamp;
use maud::{Markup, html};

use super::section;
use crate::model::{Report, StepOutcome, StepReport};
use crate::{clock, duration};

mod axis;

use axis::Axis;

/// Pixels of the drawing; it is scaled to the page.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 128.0;
const RIGHT: f64 = 92.0;
const TOP: f64 = 30.0;
const ROW: f64 = 24.0;
/// A step of no length is still seen.
const LEAST: f64 = 3.0;

/// The steps over time, with the time in which the API did not answer shaded.
pub(super) fn timeline(report: &Report) -> Markup {
    let rows: Vec<Bar> = report.steps.iter().filter_map(Bar::of).collect();
    let content = axis(report, &rows).map(|axis| drawing(report, &rows, &axis));
    section("timeline", "Timeline", "", content)
}

struct Bar<'a> {
    step: &'a StepReport,
    /// One stretch for each attempt.
    stretches: Vec<(Timestamp, Timestamp, StepOutcome)>,
}

impl<'a> Bar<'a> {
    fn of(step: &'a StepReport) -> Option<Self> {
        let stretches: Vec<_> = step
            .attempts
            .iter()
            .map(|attempt| {
                // How long a step ran in which Belay was killed, nobody knows: its beginning is drawn.
                let to = attempt.took.and_then(|took| attempt.started.checked_add(took.duration()).ok());
                (attempt.started, to.unwrap_or(attempt.started), attempt.state)
            })
            .collect();
        (!stretches.is_empty()).then_some(Self { step, stretches })
    }
}

fn axis(report: &Report, rows: &[Bar<'_>]) -> Option<Axis> {
    let (first, last) = (report.journal.first?, report.journal.last?);
    let mut busy: Vec<(Timestamp, Timestamp)> =
        rows.iter().flat_map(|row| row.stretches.iter().map(|(from, to, _)| (*from, *to))).collect();
    busy.extend(report.api.outages.iter().map(|outage| (outage.from, outage.to.unwrap_or(last))));
    if busy.is_empty() { None } else { Axis::new(first, last, busy, LEFT, WIDTH - LEFT - RIGHT) }
}

fn drawing(report: &Report, rows: &[Bar<'_>], axis: &Axis) -> Markup {
    let bottom = TOP + rows.len() as f64 * ROW;
    let height = bottom + 28.0;
    let label = format!("Timeline of {} steps; API gap {}", rows.len(), report.api.sentence());
    html! {
        figure.scroll {
            svg.timeline role="img" aria-label=(label) viewBox=(format!("0 0 {WIDTH} {height}")) {
                @for tick in axis.ticks() {
                    @let x = px(axis.x(tick));
                    line.grid x1=(x) x2=(x) y1=(TOP) y2=(bottom) {}
                    text.tick x=(x) y=(bottom + 17.0) { (clock(tick)) }
                }
                @for pause in axis.pauses() {
                    rect.pause x=(px(pause.x)) y=(TOP) width=(px(pause.width)) height=(px(bottom - TOP)) {
                        title { "nothing ran for " (duration(pause.length)) }
                    }
                    text.tick x=(px(pause.x + pause.width / 2.0)) y=(TOP - 6.0) { "⋯ " (duration(pause.length)) }
                }
                (outages(report, axis, bottom))
                @for (index, row) in rows.iter().enumerate() { (bars(row, axis, TOP + index as f64 * ROW)) }
                @if let Some(turn) = &report.turn {
                    @let x = px(axis.x(turn.at));
                    line.turn x1=(x) x2=(x) y1=(TOP) y2=(bottom) { title { "from here it went back" } }
                }
            }
            figcaption {
                @for (class, what) in [("good", "step"), ("wait", "gates and soak"), ("back", "way back"), ("bad", "failed"), ("gap", "the API did not answer")] {
                    span.entry { span.key.(class) {} " " (what) }
                }
            }
        }
    }
}

fn outages(report: &Report, axis: &Axis, bottom: f64) -> Markup {
    html! {
        @for outage in &report.api.outages {
            @let from = axis.x(outage.from);
            @let to = outage.to.or(report.journal.last).map_or(from, |to| axis.x(to)).max(from + LEAST);
            rect.gap x=(px(from)) y=(TOP) width=(px(to - from)) height=(px(bottom - TOP)) {
                title { "the API did not answer for " (duration(outage.gap)) }
            }
            text.gap x=(px(f64::midpoint(from, to).clamp(LEFT + 30.0, WIDTH - RIGHT - 30.0))) y=(TOP - 9.0) { (duration(outage.gap)) }
        }
    }
}

fn bars(row: &Bar<'_>, axis: &Axis, y: f64) -> Markup {
    let step = row.step;
    let waits = matches!(step.kind, Some(StepKind::Baseline | StepKind::Gate | StepKind::Soak));
    let class = |state| match state {
        StepOutcome::Failed => "bar bad",
        StepOutcome::Done if waits => "bar wait",
        StepOutcome::Done if step.back => "bar back",
        StepOutcome::Done => "bar good",
        _ => "bar open",
    };
    html! {
        text.name x=(LEFT - 10.0) y=(y + 16.0) { @if step.back { "↩ " } (step.name()) }
        @for (from, to, state) in &row.stretches {
            @let x = axis.x(*from);
            rect class=(class(*state)) x=(px(x)) y=(y + 5.0) width=(px((axis.x(*to) - x).max(LEAST))) height=(ROW - 10.0) rx="2.5" {
                title { (step.id) ": " (state.name()) ", " (clock(*from)) " to " (clock(*to)) }
            }
        }
        text.took x=(WIDTH - 4.0) y=(y + 16.0) { (step.took.map_or_else(|| "–".to_owned(), duration)) }
    }
}

fn px(x: f64) -> String {
    format!("{x:.1}")
}
