//! `recover`: the boot unit. Finishes a way back that a power cut interrupted, before K3s starts.

use std::time::Duration;

use belay_journal::durable;
use belay_wire::Fault;

use crate::Places;
use crate::alone::{Alone, Who};
use crate::fault::Attempt as _;
use crate::mutate::node_lock;
use crate::node_run::{NodeRun, open_runs};
use crate::unit::queue;

/// Looks at every open run and finishes those that go back; the others are left for `resume`, or for the guard when nobody
/// comes. Returns what was done or could not be, a sentence for each run: a fault here must never keep K3s from starting.
#[must_use]
pub fn recover(places: &Places) -> Vec<String> {
    // Briefly: at boot nobody else is there, and the boot must not wait for us.
    let _lock = match node_lock(places, Duration::from_secs(5)) {
        Ok(lock) => lock,
        Err(fault) => return vec![fault.message],
    };
    open_runs(places)
        .into_iter()
        .map(|run| {
            let id = run.id.clone();
            match finish(places, run) {
                Ok(done) => format!("run {id}: {done}"),
                Err(fault) => format!("run {id}: {}", fault.message),
            }
        })
        .collect()
}

fn finish(places: &Places, run: NodeRun) -> Result<&'static str, Fault> {
    let Some(target) = run.target.clone() else { return Ok("nothing to finish") };
    let marked = std::path::Path::new(&target.data_dir).join(belay_wire::MARKER).exists();
    let begun_here = run.put_back_open() || marked;
    if !begun_here && run.stood_down {
        return Ok("left as it is: it needs a human, then `belay resume`");
    }
    // Set for a restore that was never journalled, or for a swap that was cut off: nothing is half done, and only the marker
    // would keep K3s down.
    if marked && run.turned.is_none() && !run.put_back_open() && run.restore_plan.is_none() {
        let marker = std::path::Path::new(&target.data_dir).join(belay_wire::MARKER);
        durable::remove(&marker).attempt(|| format!("{} could not be removed", marker.display()))?;
        return Ok(match run.swap_intended {
            true => "the marker of a swap that was cut off was taken away; `belay resume` decides",
            false => "the marker of a restore that never began was taken away; `belay resume` decides",
        });
    }
    let restores = run.restore_open();
    if !(run.turned.is_some() || begun_here || restores) {
        return Ok(match run.armed {
            Some(_) => "left as it is; `belay resume` decides, or the guard when its lease is over",
            None => "left as it is; `belay resume` decides",
        });
    }
    let alone = Alone::take(places, run, target, Who::BootUnit)?;
    let done = if restores {
        alone.restore()?;
        "restored; `belay resume` asks the gates"
    } else {
        alone.go_back()?
    };
    // Queued only: the start waits for us when the boot has ordered it so, and merges with the one that is queued.
    if alone.unit()?.is_down() {
        queue(places, "start", &alone.target.unit)?;
    }
    Ok(done)
}
