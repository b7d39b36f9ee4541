//! What must always hold, and what must be reached.

use stateright::Property;

use crate::law::End;
use crate::node::{Guard, Version};
use crate::world::{Life, Protocol, State};

/// Which promises were broken on the way to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Broken(u16);

impl Broken {
    pub const NONE: Self = Self(0);

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOrAssign for Broken {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

pub const OLD_GENERATION: Broken = Broken(1);
pub const TWO_OF_A_GENERATION: Broken = Broken(1 << 1);
pub const NO_INTENT: Broken = Broken(1 << 2);
pub const QUORUM: Broken = Broken(1 << 3);
pub const STALE_COPY: Broken = Broken(1 << 4);
pub const GUARD_WHILE_HEARD: Broken = Broken(1 << 5);
pub const GUARD_AFTER_END: Broken = Broken(1 << 6);
pub const BACK_AFTER_VOUCH: Broken = Broken(1 << 7);
const TWO_DOWN: Broken = Broken(1 << 8);
const COMMITTED_WENT_BACK: Broken = Broken(1 << 9);
const RESTORED_IS_NOT: Broken = Broken(1 << 10);
const HALF_RUNS: Broken = Broken(1 << 11);
const OLD_ON_NEW_DATA: Broken = Broken(1 << 12);
const LEFT_ALONE: Broken = Broken(1 << 13);
const UNCHANGED_IS_NOT: Broken = Broken(1 << 14);

/// What can be seen in the state itself.
pub fn check(protocol: &Protocol, state: &mut State) {
    let mut broken = state.broken;
    if state.nodes.iter().filter(|node| node.stopped && node.running.is_none()).count() > 1 {
        broken |= TWO_DOWN;
    }
    for (n, node) in state.nodes.iter().enumerate() {
        if node.half && node.running.is_some() {
            broken |= HALF_RUNS;
        }
        if node.running == Some(Version::Old) && node.written_by_new {
            broken |= OLD_ON_NEW_DATA;
        }
        let said = |end| state.coordinators.iter().any(|c| protocol.law.standing(c.folds[n]).ended == Some(end));
        let whole_old = node.path == Version::Old && !node.written_by_new && !node.half;
        if (said(End::Committed) || node.ended == Some(End::Committed))
            && (node.path != Version::New || node.turned || node.went_back || !node.vouched)
        {
            broken |= COMMITTED_WENT_BACK;
        }
        if (said(End::Restored) || node.ended == Some(End::Restored)) && !whole_old {
            broken |= RESTORED_IS_NOT;
        }
        // Who never took the node speaks of itself; another one may be at work there.
        let mut in_charge = state.coordinators.iter().filter(|c| c.generation >= node.newest);
        let unchanged = in_charge.any(|c| protocol.law.standing(c.folds[n]).ended == Some(End::Unchanged));
        if (unchanged || node.ended == Some(End::Unchanged)) && (!whole_old || node.stopped) {
            broken |= UNCHANGED_IS_NOT;
        }
    }
    state.broken = broken;
    // Whether the node comes home alone: asked only where nobody is at work, because it is dear.
    let nobody = state.coordinators.iter().all(|c| c.life != Life::Up) && state.strays.is_empty();
    if nobody && !state.nodes.iter().all(|node| node.guard != Guard::Decided) {
        return;
    }
    if nobody && !is_home(protocol, state) && protocol.is_quiet(state) {
        state.broken |= LEFT_ALONE;
    }
}

/// Every server is up, with one whole version; the new one only where its gates said yes and nobody turned it.
fn is_home(protocol: &Protocol, state: &State) -> bool {
    state.nodes.iter().enumerate().all(|(n, node)| {
        let whole = node.running == Some(node.path) && !node.half;
        let in_charge = state.coordinators.iter().filter(|c| c.generation >= node.newest);
        let turned = node.turned || in_charge.into_iter().any(|c| protocol.law.standing(c.folds[n]).turned);
        // Who ended as "needs a human" told one, and leaves the node as it is.
        node.stood_down || whole && (node.path == Version::Old || node.vouched && !turned)
    })
}

pub fn all() -> Vec<Property<Protocol>> {
    let mut all = vec![
        Property::always("an effect of an older generation never follows a newer one", |_, s: &State| {
            !s.broken.has(OLD_GENERATION)
        }),
        Property::always("one coordinator acts in a generation", |_, s: &State| !s.broken.has(TWO_OF_A_GENERATION)),
        Property::always("no effect without an intent", |_, s: &State| !s.broken.has(NO_INTENT)),
        Property::always("no server is stopped while another is down", |_, s: &State| !s.broken.has(QUORUM)),
        Property::always("at most one server is down because of us", |_, s: &State| !s.broken.has(TWO_DOWN)),
        Property::always("only an exact copy is put back", |_, s: &State| !s.broken.has(STALE_COPY)),
        Property::always("the guard is silent while its coordinator is heard", |_, s: &State| {
            !s.broken.has(GUARD_WHILE_HEARD)
        }),
        Property::always("the guard never acts on a run that has ended", |_, s: &State| !s.broken.has(GUARD_AFTER_END)),
        Property::always("the guard never goes back after the gates said yes", |_, s: &State| {
            !s.broken.has(BACK_AFTER_VOUCH)
        }),
        Property::always("no committed run goes back", |_, s: &State| !s.broken.has(COMMITTED_WENT_BACK)),
        Property::always("restored is the old version on its own data", |_, s: &State| !s.broken.has(RESTORED_IS_NOT)),
        Property::always("unchanged was never touched", |_, s: &State| !s.broken.has(UNCHANGED_IS_NOT)),
        Property::always("K3s never runs on a half restored directory", |_, s: &State| !s.broken.has(HALF_RUNS)),
        Property::always("the old version never runs on what the new one wrote", |_, s: &State| {
            !s.broken.has(OLD_ON_NEW_DATA)
        }),
        Property::always("a node that is left alone comes home", |_, s: &State| !s.broken.has(LEFT_ALONE)),
    ];
    all.extend([
        Property::sometimes("committed", |p, s: &State| every(p, s, End::Committed)),
        Property::sometimes("restored", |p, s: &State| any(p, s, End::Restored)),
        Property::sometimes("unchanged", |p, s: &State| any(p, s, End::Unchanged)),
        Property::sometimes("halted for a human", |p, s: &State| any(p, s, End::NeedsHuman)),
        Property::sometimes("the guard brought the old version back", |_, s: &State| {
            s.nodes.iter().any(|node| node.guard == Guard::Acted && node.exchanged)
        }),
        Property::sometimes("the guard brought it back, and a coordinator closed the run", |p, s: &State| {
            any(p, s, End::Restored) && s.nodes.iter().any(|node| node.guard == Guard::Acted && node.exchanged)
        }),
        Property::sometimes("the standby took over and committed", |p, s: &State| {
            let standby = &s.coordinators[1];
            standby.life == Life::Over
                && standby.folds.iter().all(|fold| p.law.standing(*fold).ended == Some(End::Committed))
        }),
        Property::sometimes("a revived coordinator was refused", |_, s: &State| {
            s.coordinators[0].life == Life::Refused && s.coordinators[1].life != Life::Off
        }),
        Property::sometimes("a refused coordinator read how it ended", |p, s: &State| {
            s.coordinators[0].generation > s.coordinators[1].generation
                && s.coordinators[1].life == Life::Over
                && s.coordinators[0].life == Life::Over
                && every(p, s, End::Committed)
        }),
        Property::sometimes("committed though a message was lost", |p, s: &State| {
            s.lost && every(p, s, End::Committed)
        }),
    ]);
    all
}

fn any(protocol: &Protocol, state: &State, end: End) -> bool {
    state.coordinators.iter().any(|c| c.folds.iter().any(|fold| protocol.law.standing(*fold).ended == Some(end)))
}

fn every(protocol: &Protocol, state: &State, end: End) -> bool {
    state.coordinators.iter().any(|c| c.folds.iter().all(|fold| protocol.law.standing(*fold).ended == Some(end)))
}
