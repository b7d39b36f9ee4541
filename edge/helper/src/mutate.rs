use belay_wire::{Fault, Mutation, Reply};

use crate::Places;
use crate::fault::refused;
use crate::serve::Channel;

/// Carries out, or probes, one step.
pub(crate) fn mutate(_places: &Places, _mutation: &Mutation, _channel: &mut dyn Channel) -> Result<Reply, Fault> {
    Err(refused("this helper cannot change anything yet"))
}
