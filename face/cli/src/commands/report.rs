use belay_engine::RunState;
use belay_facts::Life;
use belay_report::{Mark, RunAbout, RunLine, RunResult};
use belay_runner::{RunDir, RunError};

use super::Context;
use super::run::read_report;
use crate::args::{OutputFormat, ReportArgs, ReportFormat};
use crate::error::CommandError;
use crate::output;

/// journal → report. Reads only: a run that goes on elsewhere may be looked at.
pub fn report(context: &Context, args: &ReportArgs) -> Result<u8, CommandError> {
    if args.list {
        return list(context);
    }
    let dir = context.state.find(args.run.as_deref())?;
    let report = read_report(&dir)?;
    if let Some(file) = &args.html {
        std::fs::write(file, belay_report::html(&report))
            .map_err(|error| CommandError::refused(format!("could not write {}: {error}", file.display())))
            .map_err(|error| error.hinted("name a file that you may write: --html report.html"))?;
    }
    let format = args.format.unwrap_or(match context.format {
        OutputFormat::Json => ReportFormat::Json,
        OutputFormat::Text => ReportFormat::Text,
    });
    match format {
        ReportFormat::Json => output::json(&report)?,
        ReportFormat::Markdown => output::print(&belay_report::markdown(&report)),
        ReportFormat::Junit => output::print(&belay_report::junit(&report)),
        ReportFormat::Html => output::print(&belay_report::html(&report)),
        ReportFormat::Text => {
            let html = args.html.clone().unwrap_or_else(|| dir.report_path("html"));
            let place = html.is_file().then(|| html.display().to_string());
            output::print(&belay_report::text(&report, output::style(), place.as_deref()));
        }
    }
    Ok(0)
}

/// Every run of this state directory, oldest first. One that cannot be read is told as that: the others can.
fn list(context: &Context) -> Result<u8, CommandError> {
    let runs: Vec<RunLine> = context.state.runs()?.iter().map(line).collect();
    match context.format {
        OutputFormat::Json => output::json(&runs)?,
        OutputFormat::Text => {
            output::print(&belay_report::runs_text(&runs, output::style()));
            if runs.is_empty()
                && let Some(hint) = RunError::NoRuns.hint()
            {
                output::print(&output::style().paragraph(Mark::Plain, &format!("next: {hint}")));
            }
        }
    }
    Ok(0)
}

fn line(dir: &RunDir) -> RunLine {
    let mut line = RunLine { run: dir.id(), started: None, result: RunResult::Unreadable, about: None, why: None };
    if let Err(error) = fill(&mut line, dir) {
        line.why = Some(error.to_string());
    }
    line
}

fn fill(line: &mut RunLine, dir: &RunDir) -> Result<(), RunError> {
    let plan = dir.plan()?;
    let nodes = plan.waves.iter().flat_map(|wave| wave.nodes.iter().cloned()).collect();
    line.about = Some(RunAbout { goal: plan.goal, from: plan.from.clone(), to: plan.to.clone(), nodes });
    let records = dir.records()?;
    line.started = records.first().map(|record| record.at);
    let state = RunState::replay(&plan, &records).map_err(|source| RunError::Story { run: dir.id(), source })?;
    line.result = match state.end() {
        Some(end) => end.into(),
        None if dir.holding().life == Life::Lives => RunResult::GoesOn,
        None => RunResult::Left,
    };
    Ok(())
}
