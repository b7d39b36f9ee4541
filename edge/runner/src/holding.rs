use std::fmt;

use belay_engine::{Event, Record};
use belay_facts::{Coordinator, Life};
use belay_node::Held;
use serde::Serialize;

use crate::{RunDir, RunError};

/// A run that has not ended: who holds it, since when, where it stands, and whether that process lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Holding {
    pub run: String,
    pub by: Option<Coordinator>,
    pub life: Life,
    /// A clause about the last that is known: `n1.keep begun`.
    pub last: String,
}

impl Holding {
    /// As a node tells it.
    #[must_use]
    pub fn of_node(held: Held) -> Self {
        let Held { run, by, life, last, .. } = held;
        // What the node sees of a process is true here as well, where both are one machine.
        let life = by.as_ref().map_or(life, |by| match belay_journal::life(by, std::path::Path::new("/proc")) {
            Life::Elsewhere => life,
            seen => seen,
        });
        Self { run, by, life, last }
    }

    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> String {
        let run = &self.run;
        match (self.life, &self.by) {
            (Life::Lives, _) => {
                format!(
                    "`belay watch {run}` follows it, `belay halt {run}` stops it safely; when it is over, begin again"
                )
            }
            (Life::Paused, Some(by)) => format!(
                "`kill -CONT {0}` lets it go on, then `belay halt {run}` stops it; or take over: `kill -9 {0}`, then \
                 `belay resume {run}` or `belay rollback {run}`",
                by.pid
            ),
            (Life::Elsewhere, Some(by)) => format!(
                "on {}: `belay watch {run}` follows it, `belay halt {run}` stops it, and if it was left `belay resume {run}` or \
                 `belay rollback {run}` takes over; from here with its directory runs/{run} copied into this state directory",
                by.host
            ),
            _ => format!("take over: `belay resume {run}` goes on, `belay rollback {run}` goes back"),
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} has not ended ({})", self.run, self.last)?;
        match &self.by {
            Some(by) => write!(f, "; {by} has held it since {}, {}", by.since(), self.life.words()),
            None => Ok(()),
        }
    }
}

impl RunDir {
    /// Who holds this run, as far as its directory tells.
    #[must_use]
    pub fn holding(&self) -> Holding {
        let (by, life) = belay_journal::holder(&self.journal_path());
        let last = self.records().ok().and_then(|records| records.iter().rev().find_map(clause));
        Holding { run: self.id(), by, life, last: last.unwrap_or_else(|| "nothing was done yet".to_owned()) }
    }

    /// What stands in the way of whoever wants this run for themselves.
    pub(crate) fn in_use(&self) -> RunError {
        RunError::OpenRun(Box::new(self.holding()))
    }
}

fn clause(record: &Record) -> Option<String> {
    Some(match &record.event {
        Event::Intent { step, .. } => format!("{step} begun"),
        Event::Outcome { step, ok: true, .. } => format!("{step} done"),
        Event::Outcome { step, .. } => format!("{step} not done"),
        Event::Turn { .. } => "turned back".to_owned(),
        Event::Superseded { .. } => "another has taken its node".to_owned(),
        Event::End { state, .. } => format!("ended: {state}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(host: &str) -> Coordinator {
        Coordinator {
            user: "root for anna".into(),
            host: host.into(),
            pid: 4242,
            started: 1,
            boot: "b".into(),
            since: 1_795_452_002_000,
        }
    }

    #[test]
    fn whoever_comes_second_is_told_who_holds_it_and_how_to_take_over() {
        let held = |life| Holding { run: "r1".into(), by: Some(by("laptop")), life, last: "n1.keep begun".into() };
        let told = held(Life::Paused).to_string();
        for word in
            ["run r1", "n1.keep begun", "root for anna on laptop", "process 4242", "2026-11-23T16:40:02Z", "paused"]
        {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(held(Life::Lives).hint().contains("belay halt r1"));
        assert!(held(Life::Gone).hint().contains("belay resume r1"));
        assert!(held(Life::Paused).hint().contains("kill -CONT 4242"));
        let elsewhere = held(Life::Elsewhere).hint();
        assert!(elsewhere.starts_with("on laptop: ") && elsewhere.contains("belay rollback r1"), "{elsewhere}");
    }

    #[test]
    fn what_a_node_cannot_see_is_seen_where_the_process_is() {
        let own = belay_journal::this_process();
        let held = Held { run: "r1".into(), generation: 1, by: Some(own), life: Life::Elsewhere, last: "x".into() };
        assert_eq!(Holding::of_node(held).life, Life::Lives);
    }
}
