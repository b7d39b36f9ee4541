//! Mutations: lock, fence, then one effect.

use std::thread;
use std::time::{Duration, Instant};

use belay_facts::Coordinator;
use belay_journal::{Lock, LockError, durable};
use belay_wire::{Fault, FaultKind, Mutation, Op, Reply, StepProbe, Way};

use crate::digests::SeenDigests;
use crate::fault::{Attempt as _, fault, refused};
use crate::node_journal::NodeJournal;
use crate::node_run::{NodeEvent, NodeRun};
use crate::serve::Channel;
use crate::step::{Effect, Found, Step, carry_out};
use crate::{
    Places, arm_guard, backup, fence, keep, prove, put_back, rebuild, release, restore, stage, start, stop, swap,
    swap_back, timer,
};

/// How long the helper of a killed coordinator may need to finish the step that it is in.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Carries out, or probes, one step.
pub(crate) fn mutate(
    places: &Places,
    mutation: &Mutation,
    channel: &mut dyn Channel,
    digests: &SeenDigests,
) -> Result<Reply, Fault> {
    let begun = Instant::now();
    let by = channel.by().cloned();
    let answer = admitted(places, mutation, begun, digests, by).and_then(|admitted| match &mutation.op {
        Op::Fence { .. } => dispatch::<fence::Fence>(admitted, channel),
        Op::Stage { .. } => dispatch::<stage::Stage>(admitted, channel),
        Op::Backup => dispatch::<backup::Backup>(admitted, channel),
        Op::ProveBackup => dispatch::<prove::ProveBackup>(admitted, channel),
        Op::ArmGuard { .. } => dispatch::<arm_guard::ArmGuard>(admitted, channel),
        Op::Stop => dispatch::<stop::Stop>(admitted, channel),
        Op::Keep => dispatch::<keep::Keep>(admitted, channel),
        Op::Swap => dispatch::<swap::Swap>(admitted, channel),
        Op::Start => dispatch::<start::Start>(admitted, channel),
        Op::SwapBack => dispatch::<swap_back::SwapBack>(admitted, channel),
        Op::Rebuild { .. } => dispatch::<rebuild::Rebuild>(admitted, channel),
        Op::Restore { .. } => dispatch::<restore::Restore>(admitted, channel),
        Op::PutBack { .. } => dispatch::<put_back::PutBack>(admitted, channel),
        Op::Release { .. } => dispatch::<release::Release>(admitted, channel),
        Op::Vouch => note(admitted, channel, NodeEvent::Vouched, |run| run.vouched),
        Op::StandDown { why } => {
            note(admitted, channel, NodeEvent::StoodDown { why: why.clone() }, |run| run.stood_down)
        }
        Op::Turn { seen, class, why } => {
            let (seen, class) = (*seen, *class);
            let event = NodeEvent::Turned { seen, class, why: why.clone() };
            let known = move |run: &NodeRun| {
                !run.stood_down && run.class == class && run.turned.is_some_and(|known| known >= seen)
            };
            note(admitted, channel, event, known)
        }
    });
    // Whatever came of it, the artifact's bytes follow a request that announced them.
    if let (Op::Stage { have: None, .. }, Way::Do) = (&mutation.op, mutation.way) {
        channel.finish_bytes();
    }
    answer
}

/// A request that holds the node.
struct Admitted<'a> {
    places: &'a Places,
    mutation: &'a Mutation,
    digests: &'a SeenDigests,
    begun: Instant,
    _lock: Lock,
}

fn admitted<'a>(
    places: &'a Places,
    mutation: &'a Mutation,
    begun: Instant,
    digests: &'a SeenDigests,
    by: Option<Coordinator>,
) -> Result<Admitted<'a>, Fault> {
    check_names(mutation)?;
    let lock = node_lock(places, LOCK_WAIT)?;
    fence::admit(places, mutation, by)?;
    Ok(Admitted { places, mutation, digests, begun, _lock: lock })
}

/// The lock that every change of this node is made under.
pub(crate) fn node_lock(places: &Places, wait: Duration) -> Result<Lock, Fault> {
    lock(places, "lock", wait, "is changing this node")
}

/// A lock between helpers on this node: `does` is what whoever holds it is told to be doing.
pub(crate) fn lock(places: &Places, name: &str, wait: Duration, does: &str) -> Result<Lock, Fault> {
    durable::create_dir(&places.state, 0o700).attempt(|| format!("{} could not be created", places.state.display()))?;
    let path = places.state.join(name);
    let begun = Instant::now();
    loop {
        match Lock::try_take(&path) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held { .. }) if begun.elapsed() < wait => thread::sleep(Duration::from_millis(50)),
            Err(LockError::Held { holder, .. }) => {
                let message = format!("another helper (process {holder}) {does}");
                // Not a rival but our own, cut off: what it does is known when it is done.
                return Err(fault(FaultKind::Deadline, message));
            }
            Err(error) => return Err(error).attempt(|| "this node could not be locked"),
        }
    }
}

/// The names of a request become paths: nothing may lead out of where it belongs.
fn check_names(mutation: &Mutation) -> Result<(), Fault> {
    let plain = |name: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
        !name.is_empty() && name.len() <= 128 && !name.starts_with(['.', '-']) && name.chars().all(fine)
    };
    let target = &mutation.target;
    if !plain(&mutation.run) || mutation.run.contains(':') {
        return Err(refused(format!("`{}` is not the name of a run", mutation.run)));
    }
    if !plain(&target.unit) || !target.unit.ends_with(".service") {
        return Err(refused(format!("`{}` is not the name of a service unit", target.unit)));
    }
    for path in [&target.binary, &target.data_dir] {
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(refused(format!("`{path}` is not an absolute path")));
        }
    }
    Ok(())
}

fn open<'a>(admitted: &Admitted<'a>, channel: &'a mut dyn Channel) -> Result<Step<'a>, Fault> {
    let Admitted { places, mutation, digests, begun, .. } = admitted;
    let remembered = || {
        NodeRun::read(places, &mutation.run)
            .attempt(|| format!("what this node remembers of run {} could not be read", mutation.run))
            .map(Option::unwrap_or_default)
    };
    let (remembered, journal, unwritten) = match mutation.way {
        Way::Probe => (remembered()?, None, None),
        Way::Do => {
            let opened = NodeJournal::open(places, &mutation.run, mutation.generation)
                .attempt(|| "the node's journal could not be opened");
            match opened {
                Ok(journal) => (NodeRun::default(), Some(journal), None),
                Err(fault) if fault.kind == FaultKind::Io => (remembered()?, None, Some(fault)),
                Err(fault) => return Err(fault),
            }
        }
    };
    Ok(Step {
        places,
        mutation,
        channel,
        journal,
        remembered,
        begun: *begun,
        unwritten,
        digests: (*digests).clone(),
        at_boot: false,
        seen: None,
    })
}

fn dispatch<E: Effect>(admitted: Admitted<'_>, channel: &mut dyn Channel) -> Result<Reply, Fault> {
    let mut step = open(&admitted, channel)?;
    match admitted.mutation.way {
        Way::Probe => {
            let probe = match E::probe(&mut step)? {
                Found::Done(proof) => StepProbe::Done { proof: as_value(serde_json::to_vec(&proof))? },
                Found::NotDone => StepProbe::NotDone,
                Found::Partial(what) => StepProbe::Partial { what },
            };
            Ok(Reply::Probe(probe))
        }
        Way::Do => {
            let proof = carry_out::<E>(&mut step)?;
            Ok(E::reply(proof))
        }
    }
}

/// Through the text, because a second serializer for every type of proof would be a good part of the helper's size.
fn as_value(json: Result<Vec<u8>, serde_json::Error>) -> Result<serde_json::Value, Fault> {
    json.and_then(|json| serde_json::from_slice(&json)).attempt(|| "a proof has no JSON form")
}

/// Remembers something, once.
fn note(
    admitted: Admitted<'_>,
    channel: &mut dyn Channel,
    event: NodeEvent,
    known: impl Fn(&NodeRun) -> bool,
) -> Result<Reply, Fault> {
    let mut step = open(&admitted, channel)?;
    match admitted.mutation.way {
        Way::Probe if known(step.run()) => Ok(Reply::Probe(StepProbe::Done { proof: serde_json::Value::Null })),
        Way::Probe => Ok(Reply::Probe(StepProbe::NotDone)),
        Way::Do => {
            let (turns, stands_down) =
                (matches!(event, NodeEvent::Turned { .. }), matches!(event, NodeEvent::StoodDown { .. }));
            if !known(step.run()) {
                if turns {
                    step.free_second_reserve();
                }
                step.append(event)?;
            }
            // Whoever goes back is guarded, and whatever needs a human is left to one.
            if stands_down {
                timer::disarm(step.places)?;
            } else if turns && step.run().armed.is_some() && !timer::is_armed(&step)? {
                timer::arm(&step)?;
            }
            Ok(Reply::Noted)
        }
    }
}
