use std::time::Duration;

use belay_report::Style;
use belay_runner::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{current, told};

/// The two lines at the bottom of a terminal; what is over scrolls up above them and stays.
pub(super) struct Live {
    style: Style,
    lines: MultiProgress,
    step: ProgressBar,
    api: ProgressBar,
}

impl Live {
    pub fn new(style: Style) -> Self {
        let lines = MultiProgress::new();
        let step = lines.add(ProgressBar::new_spinner());
        let api = lines.add(ProgressBar::new_spinner());
        // A template that is wrong would be a bug of ours; the default one still shows the message.
        let template = |text| ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_spinner());
        step.set_style(
            template("{spinner} {wide_msg}").tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "]),
        );
        api.set_style(template("  {wide_msg}"));
        // So that a long step is seen to live, even while its helper says nothing.
        step.enable_steady_tick(Duration::from_millis(120));
        Self { style, lines, step, api }
    }

    pub fn print(&self, lines: &[String]) {
        for line in lines {
            // A terminal that went away ends no run.
            let _ = self.lines.println(line);
        }
    }

    /// Shows the step that goes on; `None` between steps and at the end.
    pub fn current(&self, step: Option<&str>, progress: Option<&Progress>, api: &str) {
        let line =
            step.map_or_else(String::new, |id| current::line(self.style, told::name(id), told::COLUMN, progress));
        self.step.set_message(line);
        self.api.set_message(self.style.dim(api));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // However the run ended, no spinner is left behind.
        self.step.finish_and_clear();
        self.api.finish_and_clear();
    }
}
