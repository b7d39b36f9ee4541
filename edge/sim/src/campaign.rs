use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use belay_engine::EndState;

use crate::{FaultKind, Lived, Shape, Station, Violation, Wish, live};

/// Many schedules, one after the other.
#[derive(Debug)]
pub struct Campaign {
    shapes: Vec<Rc<Shape>>,
    points: Vec<(Station, FaultKind)>,
    pub coverage: Coverage,
}

/// What was reached.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Schedules in which at least one fault happened.
    pub schedules: u64,
    /// Seeds that had to be lived for that: in the others no fault was met.
    pub lived: u64,
    pub faults: u64,
    pub reached: BTreeSet<(Station, FaultKind)>,
    pub ends: BTreeMap<&'static str, u64>,
    /// The seeds of schedules in which an invariant did not hold.
    pub violations: Vec<(u64, Violation)>,
}

impl Default for Campaign {
    fn default() -> Self {
        Self::new()
    }
}

impl Campaign {
    #[must_use]
    pub fn new() -> Self {
        let shapes = Shape::all().into_iter().map(Rc::new).collect();
        Self { shapes, points: Station::points(), coverage: Coverage::default() }
    }

    #[must_use]
    pub fn points(&self) -> &[(Station, FaultKind)] {
        &self.points
    }

    #[must_use]
    pub fn shapes(&self) -> &[Rc<Shape>] {
        &self.shapes
    }

    #[must_use]
    pub fn live(&self, seed: u64, wish: Wish) -> Lived {
        live(seed, &self.shapes, &self.points, wish)
    }

    /// Lives seeds from `seed` on until so many schedules had a fault, or so many have failed. Returns the next seed.
    pub fn run(&mut self, mut seed: u64, schedules: u64, failures: usize) -> u64 {
        let until = self.coverage.schedules + schedules;
        // A seed whose faults are met by nobody is no schedule; more than this many of them are a bug of the simulation.
        let most = schedules.saturating_mul(20) + 1000;
        for _ in 0..most {
            if self.coverage.schedules >= until || self.coverage.violations.len() >= failures {
                break;
            }
            let lived = self.live(seed, Wish::default());
            self.note(seed, lived);
            seed += 1;
        }
        seed
    }

    fn note(&mut self, seed: u64, lived: Lived) {
        let Coverage { schedules, lived: all, faults, reached, ends, violations } = &mut self.coverage;
        *all += 1;
        *schedules += u64::from(!lived.fired.is_empty());
        *faults += lived.fired.len() as u64;
        reached.extend(lived.fired);
        *ends.entry(lived.end.map_or("violated", EndState::name)).or_default() += 1;
        if let Some(violation) = lived.violation {
            violations.push((seed, violation));
        }
    }

    /// Points that no schedule has reached.
    #[must_use]
    pub fn missed(&self) -> Vec<(Station, FaultKind)> {
        self.points.iter().filter(|point| !self.coverage.reached.contains(point)).copied().collect()
    }
}
