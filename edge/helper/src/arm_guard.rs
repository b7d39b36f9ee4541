//! `arm-guard`: from here on the node finishes alone.

use belay_wire::{ArmProof, Fault, Op, Reply};

use crate::fault::refused;
use crate::lease::{Lease, SHORTEST};
use crate::node_run::{Before, NodeRun, Proof};
use crate::step::{Effect, Found, Step};
use crate::timer;

pub(crate) struct ArmGuard;

impl Effect for ArmGuard {
    type Proof = ArmProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<ArmProof>, Fault> {
        let Op::ArmGuard { lease } = step.mutation.op else { return Ok(Found::NotDone) };
        let remembered = step.run().armed == Some(lease) && !step.run().stood_down;
        Ok(match (remembered, timer::is_armed(step)?) {
            (true, true) => Found::Done(proof(step, lease)),
            (false, false) => Found::NotDone,
            _ => Found::Partial("the guard is armed in part".into()),
        })
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        let Op::ArmGuard { lease } = step.mutation.op else { return Err(refused("this is no arming of a guard")) };
        if lease < SHORTEST {
            return Err(refused(format!("a lease of {lease} is too short; the shortest is {SHORTEST}")));
        }
        if step.run().fenced.is_none() {
            return Err(refused("this run has not fenced the node, so there is no boot unit beside its guard"));
        }
        Ok(Before::default())
    }

    fn act(step: &mut Step<'_>) -> Result<ArmProof, Fault> {
        let Op::ArmGuard { lease } = step.mutation.op else { return Err(refused("this is no arming of a guard")) };
        Lease::renew(step.places, &step.mutation.run, step.mutation.generation)?;
        timer::arm(step)?;
        Ok(proof(step, lease))
    }

    fn remembered(run: &NodeRun, proof: &ArmProof) -> bool {
        !run.stood_down && run.arm_proof.as_ref().is_some_and(|known| known.lease == proof.lease)
    }

    fn proof(proof: &ArmProof) -> Proof {
        Proof::Armed(proof.clone())
    }

    fn reply(proof: ArmProof) -> Reply {
        Reply::Armed(proof)
    }
}

fn proof(step: &Step<'_>, lease: belay_facts::Span) -> ArmProof {
    let timer = step.places.guard_timer().to_string_lossy().into_owned();
    ArmProof { lease, timer, boot_id: step.now().boot_id }
}
