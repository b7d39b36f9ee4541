//! `recover`: the boot unit. Finishes a way back that a power cut interrupted, before K3s starts.

use std::time::{Duration, Instant};

use belay_facts::{Mutant, Span, mutated};
use belay_wire::{Fault, Mutation, Op, Way};

use crate::digests::SeenDigests;
use crate::fault::Attempt as _;
use crate::fence::Holder;
use crate::mutate::node_lock;
use crate::node_journal::NodeJournal;
use crate::node_run::{NodeRun, open_runs};
use crate::serve::Channel;
use crate::step::{Step, carry_out};
use crate::swap::new_ran;
use crate::unit::{Unit, queue};
use crate::{Places, put_back, restore, stop, swap_back};

/// At boot nobody listens.
struct Mute;

impl Channel for Mute {
    fn progress(&mut self, _: &str, _: u64, _: u64) {}

    fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(Vec::new())
    }

    fn finish_bytes(&mut self) {}

    fn orphaned(&self) -> bool {
        false
    }
}

/// Looks at every open run and finishes those that go back; the others are left for `resume`, which decides. Returns
/// what was done or could not be, a sentence for each run: a fault here must never keep K3s from starting.
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
    let restores = run.restore_open();
    if !(run.turned.is_some() || begun_here || restores) {
        return Ok("left as it is; `belay resume` decides");
    }
    let unit = target.unit.clone();
    // A coordinator that outlived the boot must read what was done here before it goes on (invariant I17).
    let mut holder = Holder::read(places)?.unwrap_or_else(|| Holder { run: run.id.clone(), generation: 0, plan: None });
    holder.generation = holder.generation.max(run.generation) + 1;
    holder.write(places)?;
    let seen = run.turned.unwrap_or(0);
    let mutation = |op| Mutation {
        run: run.id.clone(),
        generation: holder.generation,
        step: "recover".into(),
        way: Way::Do,
        target: target.clone(),
        deadline: target.timeout_stop + Span::seconds(30),
        op,
    };
    let begun = Instant::now();
    let stopping = mutation(Op::Stop);
    // At boot K3s waits for us; by hand it may be running.
    if !Unit::show(places, &unit)?.is_down() {
        with_step(places, &stopping, begun, carry_out::<stop::Stop>)?;
    }
    if restores {
        // Decided and begun: the exchange is finished, so that one whole server comes up; the gates are for `resume`.
        let restoring = mutation(Op::Restore { seen });
        with_step(places, &restoring, begun, carry_out::<restore::Restore>)?;
        if Unit::show(places, &unit)?.is_down() {
            queue(places, "start", &unit)?;
        }
        return Ok("restored; `belay resume` asks the gates");
    }
    let (back, swap) = (mutation(Op::PutBack { seen }), mutation(Op::SwapBack));
    // What was decided is finished: class binary leaves the data to the old version, unless it was told that it fell.
    let decided = || match run.is_binary() {
        true => Ok(run.fell()),
        false => with_step(places, &swap, begun, |step| new_ran(step)),
    };
    let put = run.put_back_open() || marked || run.put_back.is_none() && decided()?;
    if put {
        let put = with_step(places, &back, begun, carry_out::<put_back::PutBack>);
        if put.is_err() && mutated(Mutant::StartHalfRestored) {
            let _ = std::fs::remove_file(std::path::Path::new(&target.data_dir).join(belay_wire::MARKER));
            queue(places, "start", &unit)?;
        }
        put?;
    } else if run.put_back.is_none() {
        with_step(places, &swap, begun, carry_out::<swap_back::SwapBack>)?;
    }
    // Queued only: the start waits for us when the boot has ordered it so, and merges with the one that is queued.
    if Unit::show(places, &unit)?.is_down() {
        queue(places, "start", &unit)?;
    }
    Ok(match (put, run.put_back.is_some()) {
        (true, _) => "put back",
        (false, true) => "was put back already",
        (false, false) => "swapped back",
    })
}

fn with_step<T>(
    places: &Places,
    mutation: &Mutation,
    begun: Instant,
    act: impl FnOnce(&mut Step<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let journal = NodeJournal::open(places, &mutation.run, mutation.generation)
        .attempt(|| "the node's journal could not be opened")?;
    let mut step = Step {
        places,
        mutation,
        channel: &mut Mute,
        journal: Some(journal),
        remembered: NodeRun::default(),
        begun,
        digests: SeenDigests::default(),
        at_boot: true,
    };
    act(&mut step)
}
