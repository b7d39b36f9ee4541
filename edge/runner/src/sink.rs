use belay_engine::Record;
use belay_facts::Span;

/// What a face hears of a run. Events are lossless; progress may be dropped.
pub trait Sink: Send {
    /// A record that is durable in the journal.
    fn event(&mut self, record: &Record);
    /// What the current step is doing.
    fn progress(&mut self, progress: &Progress);
}

/// The state of the current step, between its intent and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub step: String,
    /// A clause in the present tense: `waiting for READY`.
    pub doing: String,
    pub done: u64,
    /// 0 when it is not known.
    pub total: u64,
    pub elapsed: Span,
    pub deadline: Span,
    /// Whether the probe's last shot was good; `None` before the first.
    pub api: Option<bool>,
}
