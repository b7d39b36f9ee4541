use std::sync::OnceLock;

use belay_checks::Knowledge;
use belay_facts::Destination;
use belay_plan::Plan;
use belay_report::Mark;
use belay_runner::StateDir;
use belay_runner::knowledge::Known;

use super::policy::today;
use crate::args::OutputFormat;
use crate::error::CommandError;
use crate::output;

/// What every command needs to know.
pub struct Context {
    pub state: StateDir,
    pub format: OutputFormat,
    /// The node that was named; `None` for this machine, or for the one that a plan names.
    node: Option<Destination>,
    /// Read when it is first asked for.
    known: OnceLock<Known>,
}

impl Context {
    pub const fn new(state: StateDir, format: OutputFormat, node: Option<Destination>) -> Self {
        Self { state, format, node, known: OnceLock::new() }
    }

    /// How the node is reached when there is no plan yet.
    pub const fn node(&self) -> Option<&Destination> {
        self.node.as_ref()
    }

    /// How the node of a plan is reached: as was said now, else as the plan was made.
    pub fn node_of(&self, plan: Option<&Plan>) -> Option<Destination> {
        self.node.clone().or_else(|| plan?.ssh.clone())
    }

    /// What is known here. Whoever asks first has what is to be said about it said, beside the output.
    pub fn known(&self) -> Result<&Known, CommandError> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let build = Knowledge::embedded().map_err(CommandError::internal)?;
        let known = Known::on(&self.state, build, today());
        for note in &known.notes {
            output::say(output::style().paragraph(Mark::Unsure, note).trim_end());
        }
        Ok(self.known.get_or_init(|| known))
    }
}
