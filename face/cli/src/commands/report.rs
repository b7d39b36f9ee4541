use super::Context;
use super::run::read_report;
use crate::args::{OutputFormat, ReportArgs, ReportFormat};
use crate::error::CommandError;
use crate::output;

/// journal → report. Reads only: a run that goes on elsewhere may be looked at.
pub fn report(context: &Context, args: &ReportArgs) -> Result<u8, CommandError> {
    let dir = context.state.find(args.run.as_deref())?;
    let report = read_report(&dir)?;
    if let Some(file) = &args.html {
        std::fs::write(file, belay_report::html(&report))
            .map_err(|error| CommandError::refused(format!("could not write {}: {error}", file.display())))?;
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
