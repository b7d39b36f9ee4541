use belay_engine::EndState;
use belay_facts::K3sVersion;
use belay_plan::Goal;
use jiff::Timestamp;
use serde::Serialize;

use crate::{Mark, Style, moment, title};

/// One run in a list of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunLine {
    pub run: String,
    pub started: Option<Timestamp>,
    pub result: RunResult,
    /// `None` where its plan cannot be read.
    pub about: Option<RunAbout>,
    /// Why the plan or the journal cannot be read.
    pub why: Option<String>,
}

/// What a run is about, as its plan says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunAbout {
    pub goal: Goal,
    pub from: K3sVersion,
    pub to: K3sVersion,
    pub nodes: Vec<String>,
}

/// How a run ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunResult {
    Committed,
    Restored,
    Unchanged,
    NeedsHuman,
    /// Somebody carries it out now.
    GoesOn,
    /// It has not ended, and nobody is known to carry it out.
    Left,
    Unreadable,
}

impl From<EndState> for RunResult {
    fn from(state: EndState) -> Self {
        match state {
            EndState::Committed => Self::Committed,
            EndState::Restored => Self::Restored,
            EndState::Unchanged => Self::Unchanged,
            EndState::NeedsHuman => Self::NeedsHuman,
        }
    }
}

impl RunResult {
    const fn shown(self) -> (Mark, &'static str) {
        match self {
            Self::Committed => (Mark::Yes, "committed"),
            Self::Restored => (Mark::Back, "restored"),
            Self::Unchanged => (Mark::Back, "unchanged"),
            Self::NeedsHuman => (Mark::No, "needs a human"),
            Self::GoesOn => (Mark::Plain, "goes on"),
            Self::Left => (Mark::Unsure, "was left"),
            Self::Unreadable => (Mark::No, "cannot be read"),
        }
    }
}

/// Runs in the order in which they are given, one line each.
#[must_use]
pub fn runs_text(runs: &[RunLine], style: Style) -> String {
    if runs.is_empty() {
        return "No run was ever made here. Make the first one: belay upgrade --to TAG\n".to_owned();
    }
    let mut out = String::new();
    for line in runs {
        let (mark, result) = line.result.shown();
        let at = line.started.map_or_else(|| "not begun".to_owned(), moment);
        let about = line.about.as_ref().map(|about| title(about.goal, &about.from, &about.to, &about.nodes.join(", ")));
        let about = line.why.clone().or(about).unwrap_or_default();
        let text = format!("{}  {at:23}  {result:14}  {about}", line.run);
        out.push_str(&format!("{} {}\n", style.mark(mark), style.plain(text.trim_end())));
    }
    out.push_str(&format!("{}\n", style.dim("What happened in one: belay report RUN")));
    out
}
