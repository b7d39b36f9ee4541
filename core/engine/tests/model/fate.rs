use proptest::prelude::*;

/// What fate does around one command.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Fine,
    /// The step does not work; nothing happened.
    Fails,
    /// It happened, the channel broke.
    Unheard,
    /// The coordinator dies after the intent, before the effect.
    KilledBefore,
    /// The coordinator dies after the effect, before the outcome.
    KilledAfter,
    /// The node loses power after the effect and boots: K3s starts by itself from what is at the path.
    PowerCut,
    /// A person asks for the way back.
    Asked,
    /// The coordinator slept, and somebody has taken the node meanwhile: the step is refused.
    Superseded,
    /// The coordinator is paused after its intent, for longer than the lease, and goes on.
    Paused,
    /// It dies after the effect, and nobody comes before the guard.
    Gone,
    /// The same, and the node boots before its guard looks.
    GoneAndPowerCut,
}

impl Fate {
    pub const ALL: [Self; 11] = [
        Self::Fine,
        Self::Fails,
        Self::Unheard,
        Self::KilledBefore,
        Self::KilledAfter,
        Self::PowerCut,
        Self::Asked,
        Self::Superseded,
        Self::Paused,
        Self::Gone,
        Self::GoneAndPowerCut,
    ];
}

pub fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Fine),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Unheard),
        1 => Just(Fate::KilledBefore),
        1 => Just(Fate::KilledAfter),
        1 => Just(Fate::PowerCut),
        1 => Just(Fate::Asked),
        1 => Just(Fate::Superseded),
        1 => Just(Fate::Paused),
        1 => Just(Fate::Gone),
        1 => Just(Fate::GoneAndPowerCut),
    ]
}
