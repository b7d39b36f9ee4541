//! The lease of the node's guard, as its coordinator keeps it.

use std::time::{Duration, Instant};

use belay_engine::{Fault, FaultKind};
use belay_wire::{GuardTale, Request};

use super::{ASK, Session, fault};

/// How often a coordinator that only waits tells so. Far below the shortest lease that a plan can have.
const RENEW_AFTER: Duration = Duration::from_secs(5);

impl Session {
    /// What the node's guard did, as one sentence for journal and report.
    pub(super) fn told(&self, tale: &GuardTale) -> String {
        let at = i64::try_from(tale.wall).ok().and_then(|wall| jiff::Timestamp::from_millisecond(wall).ok());
        let at = at.map(|at| format!(" at {}", at.strftime("%F %T UTC"))).unwrap_or_default();
        let did = tale.did.clone().unwrap_or_else(|| "it has not finished".to_owned());
        let tries = if tale.attempt > 1 { format!(" (try {})", tale.attempt) } else { String::new() };
        format!(
            "the guard of {} acted{at}{tries}: its coordinator was silent for {}, and the lease is {}; {did}",
            self.node(),
            tale.silent,
            tale.lease
        )
    }

    /// Tells the node that this coordinator goes on, unless it heard so a moment ago: for whoever only waits.
    ///
    /// # Errors
    /// When the node has been taken over: its guard has acted, or another coordinator. Any other fault is left to the next
    /// question, which meets it as well.
    pub async fn renew(&mut self) -> Result<(), Fault> {
        match self.take().await {
            Err(fault) if fault.kind == FaultKind::Fenced => Err(fault),
            _ => Ok(()),
        }
    }

    /// The same, for whoever must know that the node heard it: the first word of a coordinator raises the generation there.
    ///
    /// # Errors
    /// As well when there was no answer, or the node could not write it down.
    pub async fn take(&mut self) -> Result<(), Fault> {
        if self.renewed.is_some_and(|at| at.elapsed() < RENEW_AFTER) {
            return Ok(());
        }
        let request = Request::Renew { run: self.run.clone(), generation: self.generation };
        self.call(&request, "go on with its lease", ASK, |_| {}).await.map_err(|error| fault(&error))?;
        self.renewed = Some(Instant::now());
        Ok(())
    }
}
