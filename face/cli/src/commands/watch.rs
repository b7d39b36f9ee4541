use std::io::IsTerminal;
use std::time::Duration;

use belay_engine::{Event, Record};
use belay_facts::Span;
use belay_plan::Plan;
use belay_runner::{Clock, Progress, RunDir, Sink};

use super::Context;
use super::run::read_report;
use crate::args::{OutputFormat, RunArgs};
use crate::display::Display;
use crate::error::CommandError;
use crate::output;

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// journal → screen, until its end. Takes no lock and writes nothing: the run does not know that it is watched.
pub async fn watch(context: &Context, args: &RunArgs) -> Result<u8, CommandError> {
    let dir = context.state.find(args.run.as_deref())?;
    let plan = dir.plan()?;
    {
        let screen = context.format == OutputFormat::Text;
        let mut display = screen.then(|| Display::new(&plan, std::io::stderr().is_terminal()));
        follow(&dir, &plan, &mut display, false).await?;
        // What the display draws below its lines goes with it, before the report is printed.
    }
    let report = read_report(&dir)?;
    match context.format {
        OutputFormat::Json => output::json(&report)?,
        OutputFormat::Text => {
            let html = dir.report_path("html");
            let place = html.is_file().then(|| html.display().to_string());
            output::print(&belay_report::text(&report, output::style(), place.as_deref()));
        }
    }
    Ok(report.exit_code.unwrap_or(0))
}

/// Shows a run until its end. `leave`: or until nobody carries it out any more.
pub async fn follow(dir: &RunDir, plan: &Plan, display: &mut Option<Display>, leave: bool) -> Result<(), CommandError> {
    let clock = Clock::of_this_machine();
    let (mut seen, mut size, mut left) = (0, 0, false);
    let mut current: Option<Record> = None;
    loop {
        let now = std::fs::metadata(dir.journal_path()).map_or(0, |meta| meta.len());
        if now != size {
            size = now;
            let records = dir.records()?;
            for record in records.iter().skip(seen) {
                if let Some(display) = display {
                    display.event(record);
                }
                current = goes_on(record, current);
            }
            seen = records.len();
            if records.last().is_some_and(|record| matches!(record.event, Event::End { .. })) {
                return Ok(());
            }
        }
        if !dir.is_held() && leave {
            return Ok(());
        }
        if !left && !dir.is_held() {
            left = true;
            output::say(&format!(
                "Nobody carries this run out now. Go on with: belay resume {0}    Go back with: belay rollback {0}",
                dir.id()
            ));
        }
        if let (Some(display), Some(record)) = (display.as_mut(), &current) {
            progress(plan, record, &clock).iter().for_each(|progress| display.progress(progress));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The intent of the step that goes on after a record.
fn goes_on(record: &Record, before: Option<Record>) -> Option<Record> {
    match &record.event {
        Event::Intent { .. } => Some(record.clone()),
        Event::Outcome { .. }
        | Event::Probed { .. }
        | Event::Turn { .. }
        | Event::Superseded { .. }
        | Event::End { .. } => None,
        _ => before,
    }
}

/// How long the current step has gone on. What it is doing inside, and whether the API answers, is not journalled.
fn progress(plan: &Plan, intent: &Record, clock: &Clock) -> Option<Progress> {
    let Event::Intent { step, .. } = &intent.event else { return None };
    // A run of another boot, or of another machine's clock, has no length here.
    let elapsed = (intent.boot == clock.boot_id())
        .then(|| clock.since_boot().as_millis().saturating_sub(intent.up))
        .map_or(Span::ZERO, Span::millis);
    let deadline = plan.any_step(step).map_or(Span::ZERO, |step| step.deadline);
    Some(Progress { step: step.clone(), doing: String::new(), done: 0, total: 0, elapsed, deadline, api: None })
}
