use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use belay_facts::Digest;
use belay_journal::durable;
use belay_wire::{Fault, FaultKind, Mutation, NodeTarget, Op, Reply};

use crate::digests::SeenDigests;
use crate::fault::{Attempt as _, failed};
use crate::node_journal::NodeJournal;
use crate::node_run::{Before, NodeEvent, NodeRecord, NodeRun, Proof};
use crate::serve::Channel;
use crate::unit::Unit;
use crate::{Now, Places};

/// What is reserved for K3s itself, where it needs it: given up just before it is started on a way back, and by a boot.
pub(crate) fn start_reserve(target: &NodeTarget, run: &str) -> PathBuf {
    Path::new(&target.data_dir).join(format!(".belay-start-reserve-{run}"))
}

/// One request being carried out: what it is about, what the node remembers, and who listens.
pub(crate) struct Step<'a> {
    pub places: &'a Places,
    pub mutation: &'a Mutation,
    pub channel: &'a mut dyn Channel,
    /// `None` for a probe, which never changes anything.
    pub journal: Option<NodeJournal>,
    /// The fold that a probe uses.
    pub remembered: NodeRun,
    pub begun: Instant,
    /// What this process has hashed already.
    pub digests: SeenDigests,
    /// Why the journal takes no record, where this request leads back without one.
    pub unwritten: Option<Fault>,
    /// At boot, a start of K3s is queued and waits for us: that is no sign of life.
    pub at_boot: bool,
    /// The unit as this request saw it last: each question to systemd is a part of the outage.
    pub seen: Option<Unit>,
}

/// Whether an effect is there, found out by looking at the node and not only at the journal.
pub(crate) enum Found<P> {
    Done(P),
    NotDone,
    Partial(String),
}

/// One kind of effect on a node.
pub(crate) trait Effect {
    type Proof: Clone + serde::Serialize;

    /// Whether it is there. Changes nothing.
    fn probe(step: &mut Step<'_>) -> Result<Found<Self::Proof>, Fault>;
    /// Checks the precondition just before the effect, and says what the intent must remember.
    fn before(step: &mut Step<'_>) -> Result<Before, Fault>;
    /// Does it, from nothing or from any state that an earlier try left.
    fn act(step: &mut Step<'_>) -> Result<Self::Proof, Fault>;
    /// Whether the journal holds this proof already.
    fn remembered(run: &NodeRun, proof: &Self::Proof) -> bool;
    fn proof(proof: &Self::Proof) -> Proof;
    fn reply(proof: Self::Proof) -> Reply;
}

/// Probe-then-do: intent before the effect, outcome with its proof after.
pub(crate) fn carry_out<E: Effect>(step: &mut Step<'_>) -> Result<E::Proof, Fault> {
    if let Found::Done(proof) = E::probe(step)? {
        // A crash may have come between the effect and its outcome, and so between the effect and its sync.
        if !E::remembered(step.run(), &proof) {
            step.secure(&E::proof(&proof))?;
            step.outcome(E::proof(&proof))?;
        }
        return Ok(proof);
    }
    let before = E::before(step)?;
    let intent = NodeEvent::Intent {
        step: step.mutation.step.clone(),
        op: step.mutation.op.clone(),
        target: Box::new(step.mutation.target.clone()),
        before,
    };
    step.append(intent)?;
    match E::act(step) {
        Ok(proof) => {
            // The record of the end says it all: nothing is written after it, which could fail and not be tried again.
            if step.run().ended.is_none() {
                step.outcome(E::proof(&proof))?;
            }
            Ok(proof)
        }
        Err(fault) => {
            let why = fault.message.clone();
            if fault.kind == FaultKind::Space {
                step.free_second_reserve();
            }
            // The fault is what matters; that the journal could not take it as well is seen by whoever comes next.
            let _ = step.append(NodeEvent::Failed { step: step.mutation.step.clone(), why });
            Err(fault)
        }
    }
}

impl Step<'_> {
    pub(crate) fn run(&self) -> &NodeRun {
        self.journal.as_ref().map_or(&self.remembered, |journal| &journal.run)
    }

    pub(crate) fn target(&self) -> &NodeTarget {
        &self.mutation.target
    }

    pub(crate) fn append(&mut self, event: NodeEvent) -> Result<(), Fault> {
        let fault = match (&mut self.journal, &self.unwritten) {
            (Some(journal), _) => {
                match journal.append(self.places, event.clone()).attempt(|| "the node's journal did not take a record")
                {
                    Ok(()) => return Ok(()),
                    Err(fault) => fault,
                }
            }
            (None, Some(fault)) => fault.clone(),
            (None, None) => return Err(failed("a probe writes no journal")),
        };
        if fault.kind != FaultKind::Io || !self.goes_without(&event) {
            return Err(fault);
        }
        if let Some(journal) = self.journal.take() {
            self.remembered = journal.run;
        }
        let (now, run) = (self.now(), self.mutation.run.clone());
        let (generation, wall, up) = (self.mutation.generation, now.wall, now.uptime.as_millis());
        self.remembered.add(&NodeRecord { run, generation, wall, up, boot: now.boot_id, ev: event });
        self.unwritten = Some(fault);
        Ok(())
    }

    /// With K3s down a disk that takes no writes must not keep the old version from being started: its start changes
    /// nothing that a record would have to take back. Whether it may be started is looked at as always. What finds the
    /// old binary in its place has nothing to do either.
    fn goes_without(&self, event: &NodeEvent) -> bool {
        match self.mutation.op {
            Op::Start => !self.run().expects_new(),
            Op::SwapBack => matches!(event, NodeEvent::Outcome { .. }),
            _ => false,
        }
    }

    fn outcome(&mut self, proof: Proof) -> Result<(), Fault> {
        self.append(NodeEvent::Outcome { step: self.mutation.step.clone(), proof: Box::new(proof) })
    }

    /// Makes durable what was found done: whoever did it was killed before the sync, or its sync failed.
    fn secure(&self, proof: &Proof) -> Result<(), Fault> {
        let beside = |path: PathBuf| path.parent().map(Path::to_path_buf);
        let (data, interlock) = (self.data_dir(), self.places.interlock(&self.target().unit));
        let dirs =
            [beside(self.binary()), beside(self.server()), beside(interlock), Some(data.join("data")), Some(data)];
        for dir in dirs.into_iter().flatten().filter(|dir| dir.is_dir()) {
            let synced = durable::sync_dir(&dir).attempt(|| format!("{} could not be made durable", dir.display()));
            let event = || NodeEvent::Outcome { step: self.mutation.step.clone(), proof: Box::new(proof.clone()) };
            match synced {
                Err(fault) if fault.kind != FaultKind::Io || !self.goes_without(&event()) => return Err(fault),
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn now(&self) -> Now {
        Now::read(self.places)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        PathBuf::from(&self.mutation.target.data_dir)
    }

    pub(crate) fn binary(&self) -> PathBuf {
        PathBuf::from(&self.mutation.target.binary)
    }

    /// `.k3s.belay-<run>` beside the resolved binary.
    pub(crate) fn slot(&self) -> PathBuf {
        self.binary().with_file_name(format!(".k3s.belay-{}", self.mutation.run))
    }

    /// K3s' `server` directory, links resolved: what an exchange acts on.
    pub(crate) fn server(&self) -> PathBuf {
        let server = self.data_dir().join("server");
        fs::canonicalize(&server).unwrap_or(server)
    }

    /// Where the stopped copy lies: beside `server`, in its file system.
    pub(crate) fn keep(&self) -> PathBuf {
        self.server().with_file_name(format!("server.belay-{}", self.mutation.run))
    }

    /// Where an earlier state is rebuilt, to be exchanged with `server`.
    pub(crate) fn rebuilt(&self) -> PathBuf {
        self.server().with_file_name(format!("server.belay-{}.restore", self.mutation.run))
    }

    /// The reserve that `fence` made for the stopped copy.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.data_dir().join(format!(".belay-reserve-{}", self.mutation.run))
    }

    /// A small reserve beside the journal, so that a full disk cannot keep the journal and the way back from working.
    pub(crate) fn second_reserve(&self) -> PathBuf {
        self.run_dir().join("reserve")
    }

    pub(crate) fn free_second_reserve(&self) {
        // Should even this fail, the append that follows says so.
        let _ = durable::remove(&self.second_reserve());
    }

    /// What a put-back sets aside, object by object.
    pub(crate) fn lost(&self) -> PathBuf {
        self.run_dir().join("lost.json")
    }

    /// What a restore leaves behind, object by object.
    pub(crate) fn left(&self) -> PathBuf {
        self.run_dir().join("left.json")
    }

    pub(crate) fn marker(&self) -> PathBuf {
        self.data_dir().join(belay_wire::MARKER)
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.places.run_dir(&self.mutation.run)
    }

    pub(crate) fn is_late(&self) -> bool {
        self.begun.elapsed() >= self.mutation.deadline.duration()
    }

    /// Digest of what the binary's path names now.
    pub(crate) fn binary_digest(&self) -> Result<Digest, Fault> {
        let path = self.binary();
        self.digests.digest(&path).attempt(|| format!("{} could not be read", path.display()))
    }

    /// Digest of the other binary, beside it; `None` when there is none.
    pub(crate) fn slot_digest(&self) -> Result<Option<Digest>, Fault> {
        let path = self.slot();
        if !path.exists() {
            return Ok(None);
        }
        let digest = self.digests.digest(&path);
        digest.map(Some).attempt(|| format!("{} could not be read", path.display()))
    }
}

/// Inode of a directory or file; links are not followed. `None` when it is not there.
pub(crate) fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|meta| meta.ino())
}
