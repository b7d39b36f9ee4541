//! `stop`: stops the unit and proves that nothing of K3s is left. Never with SIGKILL.

use std::thread;
use std::time::{Duration, Instant};

use belay_facts::Digest;
use belay_wire::{Fault, FaultKind, Reply, StopProof};

use crate::datastore::hot_file;
use crate::digests::read_through;
use crate::down::Down;
use crate::fault::{failed, fault, refused};
use crate::node_run::{Before, NodeRun, Proof};
use crate::step::{Effect, Found, Step};
use crate::unit::{Unit, queue, reset_failed};

pub(crate) struct Stop;

impl Effect for Stop {
    type Proof = StopProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<StopProof>, Fault> {
        let down = Down::look(step)?;
        let now = step.now();
        Ok(match &step.run().stopped {
            _ if !down.against.is_empty() && down.unit.is_down() => {
                Found::Partial(format!("the unit is down, but {}", down.against.join("; ")))
            }
            _ if !down.against.is_empty() => Found::NotDone,
            Some(proof) if proof.boot_id == now.boot_id && same_life(&proof.invocation, &down.unit) => {
                Found::Done(proof.clone())
            }
            // It is down, and not by the stop that we remember: the effect is there all the same.
            _ => Found::Done(StopProof {
                active_state: down.unit.active_state,
                invocation: down.unit.invocation,
                boot_id: now.boot_id,
                took: belay_facts::Span::ZERO,
            }),
        })
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        let run = step.run();
        // Going back needs nothing; going on needs everything that a way back or forward will (invariant I7).
        if run.turned.is_none() {
            if run.staged.is_none() {
                return Err(refused("nothing is staged on this node"));
            }
            if run.proven.is_none() {
                return Err(refused("this node's backup has no receipt"));
            }
        }
        let unit = Unit::show(step.places, &step.target().unit)?;
        if step.run().turned.is_none() && step.run().staged.is_some() {
            let is = step.target().clone();
            let (path, slot) = warm(step)?;
            // What `swap` would refuse is refused while K3s still runs.
            if ![(is.old, Some(is.new)), (is.new, Some(is.old))].contains(&(path, slot)) {
                return Err(refused(format!("{} or its slot is not what was staged", is.binary)));
            }
            reset_failed(step.places, &is.unit);
        }
        Ok(Before { invocation: Some(unit.invocation), ..Before::default() })
    }

    fn act(step: &mut Step<'_>) -> Result<StopProof, Fault> {
        let name = step.target().unit.clone();
        let Unit { invocation: ended, main_pid, .. } = Unit::show(step.places, &name)?;
        let begun = Instant::now();
        let forward = step.run().turned.is_none();
        // Whoever is left alone does not begin an outage: nobody would end it.
        if forward && step.channel.orphaned() {
            return Err(failed("the coordinator went away before the unit was stopped; it still runs"));
        }
        queue(step.places, "stop", &name)?;
        let mut asked = None;
        loop {
            let down = Down::look(step)?;
            if down.against.is_empty() {
                return Ok(StopProof {
                    active_state: down.unit.active_state,
                    invocation: ended,
                    boot_id: step.now().boot_id,
                    took: begun.elapsed().into(),
                });
            }
            // With KillMode=process a containerd may outlive the server; it is asked, once the unit is down.
            if down.unit.is_down()
                && let Some(containerd) = &down.containerd
                && asked != Some(containerd.pid)
            {
                containerd.terminate();
                asked = Some(containerd.pid);
            }
            if begun.elapsed() >= step.mutation.deadline.duration() {
                let message = format!("{name} did not stop in time: {}", down.against.join("; "));
                return Err(fault(FaultKind::Deadline, message));
            }
            if step.channel.orphaned() {
                if forward {
                    // Nothing halts with K3s down: what was begun alone is taken back alone.
                    queue(step.places, "start", &name)?;
                }
                return Err(failed("the coordinator went away while the unit was being stopped"));
            }
            step.channel.progress(&format!("waiting: {}", down.against.join("; ")), 0, 0);
            wait(step, main_pid);
        }
    }

    fn remembered(run: &NodeRun, proof: &StopProof) -> bool {
        run.stopped.as_ref() == Some(proof)
    }

    fn proof(proof: &StopProof) -> Proof {
        Proof::Stopped(proof.clone())
    }

    fn reply(proof: StopProof) -> Reply {
        Reply::Stopped(proof)
    }
}

/// Whether the unit has had no other life than `ended`. systemd forgets the id of a unit that it unloads.
pub(crate) fn same_life(ended: &str, unit: &Unit) -> bool {
    unit.invocation.is_empty() || unit.invocation == ended
}

/// How long nobody looks at a unit whose main process still runs.
const GLANCE: Duration = Duration::from_millis(500);
/// How long nobody looks once that has ended: what is left takes systemd some milliseconds.
const CLOSE_LOOK: Duration = Duration::from_millis(20);
/// How long nobody looks when something outlives it.
const LONG_WAIT: Duration = Duration::from_millis(100);

/// Waits for the next look, which asks systemd and every process. While the unit's main process is there it cannot be
/// down, and asking for that one file costs next to nothing, so its end is seen at once and K3s' own work is not disturbed.
fn wait(step: &Step<'_>, main_pid: u32) {
    let process = step.places.proc.join(main_pid.to_string());
    let begun = Instant::now();
    if main_pid == 0 || !process.exists() {
        let late = step.begun.elapsed() > Duration::from_secs(10);
        return thread::sleep(if late { LONG_WAIT } else { CLOSE_LOOK });
    }
    while begun.elapsed() < GLANCE && !step.channel.orphaned() {
        thread::sleep(Duration::from_millis(5));
        if !process.exists() {
            return;
        }
    }
}

/// Reads the new executable and the datastore into the page cache, which on an SD card is most of the outage, and both
/// binaries with it: their digests are known from now on, for as long as nobody touches them. Returns those of the path
/// and of the slot.
fn warm(step: &mut Step<'_>) -> Result<(Digest, Option<Digest>), Fault> {
    step.channel.progress("reading the new version into memory", 0, 0);
    if let Some(staged) = &step.run().staged {
        let inner = step.data_dir().join("data").join(&staged.data_hash).join("bin/k3s");
        for path in [&inner, &step.server().join(hot_file(step.target().datastore))] {
            // Nothing depends on it but the length of the outage.
            let _ = read_through(path);
        }
    }
    Ok((step.binary_digest()?, step.slot_digest()?))
}
