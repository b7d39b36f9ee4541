use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use crate::error::CommandError;

/// Prints to standard output. A closed pipe is not an error: who stopped reading has read enough.
pub fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints a line to standard error, beside whatever is shown there.
pub fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// Prints a model as JSON.
pub fn json<T: Serialize>(model: &T) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(model).map_err(CommandError::internal)?;
    print(&format!("{text}\n"));
    Ok(())
}

/// Prints an error with its hints, and gives the exit code.
pub fn fail(error: &CommandError, as_json: bool) -> ExitCode {
    if as_json {
        let model = serde_json::json!({ "error": { "message": error.message, "next": error.hints } });
        print(&format!("{model:#}\n"));
    }
    let red = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    say(&format!("{red}error:{red:#} {}", error.message));
    for hint in &error.hints {
        say(&format!("  next: {hint}"));
    }
    ExitCode::from(error.exit_code())
}

/// How text is written for this terminal. Colours are stripped by the stream itself where they do not belong.
pub fn style() -> belay_report::Style {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = variable("LC_ALL").or_else(|| variable("LC_CTYPE")).or_else(|| variable("LANG"));
    let ascii = matches!(locale.as_deref(), Some("C" | "POSIX")) || variable("TERM").as_deref() == Some("dumb");
    let width = variable("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(100);
    belay_report::Style { ascii, color: true, width: std::cmp::Ord::clamp(width, 60, 120) }
}
