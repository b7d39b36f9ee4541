use std::io::Write;
use std::time::Instant;

use belay_engine::Record;
use belay_facts::Span;
use belay_plan::Plan;
use belay_runner::{Progress, Sink};

use crate::output;

mod api;
mod current;
mod live;
mod told;

#[cfg(test)]
mod tests;

use api::ApiWatch;
use live::Live;
use told::Told;

/// What a person sees while a run goes on. Shows records, never results of its own: what is on the screen is journalled.
///
/// On a terminal: a line for each step that is over, and below them the current step, what it waits for, and the API. Else
/// one plain line for each record. Everything goes to standard error; standard output is the report's.
pub struct Display {
    told: Told,
    screen: Screen,
    api: ApiWatch,
    began: Instant,
}

enum Screen {
    Live(Live),
    /// One line per record. Boxed, so that a test can read it.
    Plain(Box<dyn Write + Send>),
}

impl Display {
    /// A display on standard error; `live` when that is a terminal.
    #[must_use]
    pub fn new(plan: &Plan, live: bool) -> Self {
        let style = output::style();
        let screen = if live && !style.ascii {
            Screen::Live(Live::new(style))
        } else {
            // A console without cursor movement or Unicode (a serial line, `TERM=dumb`) gets plain lines as well.
            Screen::Plain(Box::new(anstream::stderr()))
        };
        Self::on(plan, style, screen)
    }

    fn on(plan: &Plan, mut style: belay_report::Style, screen: Screen) -> Self {
        if matches!(screen, Screen::Live(_)) {
            // The live screen is not written through `anstream`, so `NO_COLOR` is asked here.
            style.color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        }
        Self { told: Told::new(plan, style), screen, api: ApiWatch::default(), began: Instant::now() }
    }
}

/// The records of a run as lines with their times, as a plain screen shows them.
#[must_use]
pub fn lines(plan: &Plan, records: &[Record], style: belay_report::Style) -> Vec<String> {
    let mut told = Told::new(plan, style);
    records.iter().flat_map(|record| told.plain(record)).collect()
}

impl Sink for Display {
    fn event(&mut self, record: &Record) {
        match &mut self.screen {
            Screen::Live(live) => {
                live.print(&self.told.live(record));
                live.current(self.told.current(), None, &self.api.line());
            }
            Screen::Plain(to) => {
                for line in self.told.plain(record) {
                    // Who closed standard error wants no display; the run goes on without one.
                    let _ = writeln!(to, "{line}");
                }
                let _ = to.flush();
            }
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if let Some(up) = progress.api {
            self.api.saw(up, Span::from(self.began.elapsed()));
        }
        if let Screen::Live(live) = &mut self.screen
            && self.told.current() == Some(progress.step.as_str())
        {
            live.current(self.told.current(), Some(progress), &self.api.line());
        }
    }
}
