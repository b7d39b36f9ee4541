//! What a node does for a run without a coordinator. The boot unit and the guard go this one way back, through the same
//! effects as a coordinator would; they differ in when they begin and in how K3s is brought up.

use std::path::{Path, PathBuf};
use std::time::Instant;

use belay_facts::{Mutant, Span, mutated};
use belay_journal::durable;
use belay_wire::{Fault, Mutation, NodeTarget, Op, Way};

use crate::digests::SeenDigests;
use crate::fault::{Attempt as _, failed};
use crate::fence::Holder;
use crate::node_journal::NodeJournal;
use crate::node_run::{NodeEvent, NodeRun};
use crate::serve::Channel;
use crate::step::{Effect, Step, carry_out, start_reserve};
use crate::swap::new_ran;
use crate::unit::{Unit, queue};
use crate::{Places, put_back, restore, stop, swap_back};

/// Nobody listens.
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

/// Who acts without a coordinator; also the name of its steps in the node's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// At boot K3s waits for us, and nobody else is there.
    BootUnit,
    Guard,
}

impl Who {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BootUnit => "recover",
            Self::Guard => "guard",
        }
    }

    /// Whether a step in the node's journal was done by one of them.
    pub(crate) fn did(step: &str) -> bool {
        [Self::BootUnit, Self::Guard].iter().any(|who| who.name() == step)
    }
}

/// One run of this node, with nobody to ask. The caller holds the node's lock.
pub(crate) struct Alone<'a> {
    pub places: &'a Places,
    pub run: NodeRun,
    pub target: NodeTarget,
    generation: u64,
    who: Who,
    begun: Instant,
}

impl<'a> Alone<'a> {
    /// Raises the fence, durably: a coordinator that comes late must read what was done here before it goes on (I17).
    pub(crate) fn take(places: &'a Places, run: NodeRun, target: NodeTarget, who: Who) -> Result<Self, Fault> {
        let mut holder = Holder::read(places)?.unwrap_or_else(|| Holder {
            run: run.id.clone(),
            generation: 0,
            channel: 0,
            plan: None,
            by: None,
        });
        if !(who == Who::Guard && mutated(Mutant::GuardWithoutFence)) {
            (holder.generation, holder.channel) = (holder.generation.max(run.generation) + 1, 0);
            // The node itself holds it now.
            holder.by = None;
            holder.write(places)?;
        }
        if who == Who::BootUnit {
            // systemd starts K3s next, whichever version. Should even this fail, K3s says what it lacks.
            let _ = durable::remove(&start_reserve(&target, &run.id));
        }
        Ok(Self { places, run, target, generation: holder.generation, who, begun: Instant::now() })
    }

    fn mutation(&self, op: Op, deadline: Span) -> Mutation {
        Mutation {
            run: self.run.id.clone(),
            generation: self.generation,
            channel: 0,
            step: self.who.name().into(),
            way: Way::Do,
            target: self.target.clone(),
            deadline,
            op,
        }
    }

    /// One effect, probe-then-do like every other.
    pub(crate) fn carry_out<E: Effect>(&self, op: Op, deadline: Span) -> Result<E::Proof, Fault> {
        self.with(op, deadline, carry_out::<E>)
    }

    /// Writes into the node's journal, and remembers what it then says.
    pub(crate) fn note(&mut self, event: NodeEvent) -> Result<(), Fault> {
        let mut journal = NodeJournal::open(self.places, &self.run.id, self.generation)
            .attempt(|| "the node's journal could not be opened")?;
        journal.append(self.places, event).attempt(|| "the node's journal did not take a record")?;
        self.run = journal.run;
        Ok(())
    }

    /// Reads again what the effects have written.
    pub(crate) fn read_again(&mut self) -> Result<(), Fault> {
        let run = NodeRun::read(self.places, &self.run.id).attempt(|| "the node's journal could not be read")?;
        self.run = run.ok_or_else(|| failed("the node's journal is gone"))?;
        Ok(())
    }

    pub(crate) fn with<T>(
        &self,
        op: Op,
        deadline: Span,
        act: impl FnOnce(&mut Step<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mutation = self.mutation(op, deadline);
        let journal = NodeJournal::open(self.places, &mutation.run, mutation.generation)
            .attempt(|| "the node's journal could not be opened")?;
        let mut step = Step {
            places: self.places,
            mutation: &mutation,
            channel: &mut Mute,
            journal: Some(journal),
            remembered: NodeRun::default(),
            begun: self.begun,
            unwritten: None,
            digests: SeenDigests::default(),
            at_boot: self.who == Who::BootUnit,
            seen: None,
        };
        act(&mut step)
    }

    /// As long as the unit's own stop may take, and a little.
    fn patience(&self) -> Span {
        self.target.timeout_stop + Span::seconds(30)
    }

    pub(crate) fn unit(&self) -> Result<Unit, Fault> {
        Unit::show(self.places, &self.target.unit)
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.marker().exists()
    }

    fn marker(&self) -> PathBuf {
        Path::new(&self.target.data_dir).join(belay_wire::MARKER)
    }

    fn stop(&self) -> Result<(), Fault> {
        if !self.unit()?.is_down() {
            self.carry_out::<stop::Stop>(Op::Stop, self.patience())?;
        }
        Ok(())
    }

    /// Finishes a restore that was decided and begun, so that one whole server comes up.
    pub(crate) fn restore(&self) -> Result<(), Fault> {
        self.stop()?;
        let seen = self.run.turned.unwrap_or(0);
        self.carry_out::<restore::Restore>(Op::Restore { seen }, self.patience())?;
        Ok(())
    }

    /// Goes back by the class that was decided, up to the start of K3s: stopped only where there is something to exchange.
    /// Returns what was done.
    pub(crate) fn go_back(&self) -> Result<&'static str, Fault> {
        let (run, seen, patience) = (&self.run, self.run.turned.unwrap_or(0), self.patience());
        // A swap that was cut off has marked it: nothing is open, and the exchange was made or not.
        if run.swap_intended && run.put_back_plan.is_none() && run.restore_plan.is_none() {
            durable::remove(&self.marker()).attempt(|| "the marker could not be removed")?;
        }
        // What was decided is finished: class binary leaves the data to the old version, unless it was told that it fell.
        let decided = || match run.is_binary() {
            true => Ok(run.fell()),
            // A restore exchanges the data themselves, whatever has run since.
            false if run.restore_plan.is_some() => Ok(true),
            false => self.with(Op::SwapBack, patience, |step| new_ran(step)),
        };
        let put = run.put_back_open() || self.is_marked() || run.put_back.is_none() && decided()?;
        if put {
            self.stop()?;
            let put_back = self.carry_out::<put_back::PutBack>(Op::PutBack { seen }, patience);
            if put_back.is_err() && mutated(Mutant::StartHalfRestored) {
                durable::remove(&self.marker()).attempt(|| "the marker could not be removed")?;
                queue(self.places, "start", &self.target.unit)?;
            }
            put_back?;
        } else if run.put_back.is_none() {
            // Where the path names the old version already, what runs is that.
            if self.with(Op::SwapBack, patience, |step| step.binary_digest())? != self.target.old {
                self.stop()?;
            }
            self.carry_out::<swap_back::SwapBack>(Op::SwapBack, patience)?;
        }
        Ok(match (put, run.put_back.is_some()) {
            (true, _) => "put back",
            (false, true) => "was put back already",
            (false, false) => "swapped back",
        })
    }
}
