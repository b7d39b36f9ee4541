//! The lease: how long this node has not heard of the coordinator of a run, on its boot clock and never by the calendar.
//!
//! What must survive a power cut is in the node's journal: that the guard is armed, and for how long. When the coordinator
//! was heard last is not: after a boot it has the whole lease again, to come back in. So that record lies in `/run`, where
//! writing it every second wears no disk.

use std::fs;

use belay_facts::{Coordinator, Mutant, Span, mutated};
use belay_journal::{durable, without_crash_points};
use belay_wire::{Fault, FaultKind};
use serde::{Deserialize, Serialize};

use crate::fault::{Attempt as _, fault, refused};
use crate::fence::{Holder, refuse_another};
use crate::mutate::{LOCK_WAIT, node_lock};
use crate::node_run::NodeRun;
use crate::{Now, Places};

/// No lease is shorter, so before that nobody has to look any closer.
pub(crate) const SHORTEST: Span = Span::seconds(30);
/// How often the record is written at most.
const AGAIN: Span = Span::seconds(1);

/// A moment at which the coordinator was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SignOfLife {
    pub boot: String,
    /// Milliseconds since that boot.
    pub up: u64,
    /// Milliseconds since 1970, for people.
    pub wall: u64,
}

impl SignOfLife {
    fn of(now: &Now) -> Self {
        Self { boot: now.boot_id.clone(), up: now.uptime.as_millis(), wall: now.wall }
    }
}

/// The record in `/run`: whose sign of life it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lease {
    pub run: String,
    pub generation: u64,
    pub heard: SignOfLife,
}

impl Lease {
    /// `None` when there is none, or none that can be read: then only the journal tells.
    pub(crate) fn read(places: &Places) -> Option<Self> {
        serde_json::from_slice(&fs::read(places.lease()).ok()?).ok()
    }

    /// Begins the lease anew.
    pub(crate) fn renew(places: &Places, run: &str, generation: u64) -> Result<(), Fault> {
        let lease = Self { run: run.to_owned(), generation, heard: SignOfLife::of(&Now::read(places)) };
        let path = places.lease();
        let what = || format!("the lease {} could not be renewed", path.display());
        if let Some(dir) = path.parent() {
            durable::create_dir(dir, 0o700).attempt(what)?;
        }
        durable::replace(&path, &serde_json::to_vec(&lease).attempt(what)?, 0o600).attempt(what)
    }

    pub(crate) fn remove(places: &Places) -> Result<(), Fault> {
        let path = places.lease();
        durable::remove(&path).attempt(|| format!("{} could not be removed", path.display()))
    }
}

/// How long nobody was heard of in the name of this run; `None` when nothing was heard in this boot.
pub(crate) fn silence(run: &NodeRun, lease: Option<&Lease>, now: &Now) -> Option<Span> {
    let written = lease.filter(|lease| lease.run == run.id).map(|lease| &lease.heard);
    let heard = || run.heard.iter().chain(written);
    if mutated(Mutant::GuardByCalendar) {
        let last = heard().map(|sign| sign.wall).max().unwrap_or(0);
        return Some(Span::millis(now.wall.saturating_sub(last)));
    }
    let last = heard().filter(|sign| sign.boot == now.boot_id).map(|sign| sign.up).max()?;
    Some(Span::millis(now.uptime.as_millis().saturating_sub(last)))
}

/// The lease as one channel renews it: whatever a coordinator asks for that has taken the node over this channel.
#[derive(Debug, Default)]
pub(crate) struct Renewal {
    holds: Option<(String, u64)>,
    last: Option<Span>,
}

impl Renewal {
    /// A mutation was let through: this channel is that run's.
    pub(crate) fn took(&mut self, run: &str, generation: u64) {
        self.holds = Some((run.to_owned(), generation));
    }

    /// The run is over, or somebody else's.
    pub(crate) fn let_go(&mut self) {
        *self = Self::default();
    }

    /// Something was asked for. At most one write a second; none for a run that holds the node no more.
    pub(crate) fn heard(&mut self, places: &Places) {
        let Some((run, generation)) = &self.holds else { return };
        let now = Now::read(places).uptime;
        let since = |last: Span| now.as_millis().checked_sub(last.as_millis()).map(Span::millis);
        let lately = self.last.and_then(since).is_some_and(|since| since < AGAIN);
        if lately || mutated(Mutant::NeverRenew) {
            return;
        }
        // What cannot be written now is tried at the next request; the journal's records are signs of life as well.
        let renewed = || Lease::renew(places, run, *generation).is_ok();
        // A run that has ended here has no guard any more, and nobody who would take the record away.
        let is_over = || NodeRun::read(places, run).is_ok_and(|run| run.is_some_and(|run| run.ended.is_some()));
        if admitted(places, run, *generation).is_ok() && !is_over() && without_crash_points(renewed) {
            self.last = Some(now);
        }
    }
}

/// Renews for a coordinator that only waits, over a channel that need not have been used before. One that has resumed
/// raises the fence by it: a guard or a boot that acts later takes a higher generation than the one it refuses.
pub(crate) fn renew(
    places: &Places,
    renewal: &mut Renewal,
    (run, generation): (&str, u64),
    by: Option<&Coordinator>,
) -> Result<(), Fault> {
    let known = admitted(places, run, generation).inspect_err(|_| renewal.let_go())?;
    if let Some(holder) = Holder::read(places)?.filter(|holder| holder.run == run) {
        refuse_another(places, &holder, generation, by).inspect_err(|_| renewal.let_go())?;
    }
    if generation > known {
        let _lock = node_lock(places, LOCK_WAIT)?;
        admitted(places, run, generation)?;
        if let Some(holder) = Holder::read(places)? {
            refuse_another(places, &holder, generation, by)?;
            Holder { generation, channel: 0, by: by.cloned(), ..holder }.write(places)?;
        }
    }
    renewal.took(run, generation);
    renewal.heard(places);
    Ok(())
}

/// The generation that holds the node, unless it is another run's or a later one. Nothing is changed, so this takes no
/// lock: who is late here is refused at the next mutation (invariant I17).
fn admitted(places: &Places, run: &str, generation: u64) -> Result<u64, Fault> {
    match Holder::read(places)?.filter(|holder| holder.run == run) {
        Some(holder) if generation < holder.generation => Err(fault(
            FaultKind::Fenced,
            format!(
                "generation {generation} of run {run} is too old: this node has been taken over by generation {}",
                holder.generation
            ),
        )),
        Some(holder) => Ok(holder.generation),
        None => Err(refused(format!("run {run} has not taken this node (fence)"))),
    }
}
