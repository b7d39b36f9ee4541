use std::collections::BTreeMap;

use belay_facts::Span;
use serde::{Deserialize, Serialize};

use crate::{Answer, Shot};

/// A time in which no shot succeeded, measured to its disadvantage: from the **start** of the last success before it to
/// the **end** of the first success after it. Times from the prober's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    pub from: Span,
    /// `None`: it was not over yet.
    pub to: Option<Span>,
    /// Up to `to`, or up to the end of the last failed shot while it is not over.
    pub length: Span,
    /// False when no shot had succeeded before: then `from` is the first failed shot, and it may have begun earlier.
    pub seen_to_begin: bool,
    pub causes: Causes,
}

/// The failed shots of an outage, counted by what came of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Causes {
    pub refused: u32,
    pub unreachable: u32,
    pub timeout: u32,
    pub untrusted: u32,
    pub broken: u32,
    /// The way to the server was cut: of that time nothing is known.
    pub severed: u32,
    /// By HTTP status.
    pub status: BTreeMap<u16, u32>,
}

impl Causes {
    fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Up => {}
            Answer::Refused => self.refused += 1,
            Answer::Unreachable => self.unreachable += 1,
            Answer::Timeout => self.timeout += 1,
            Answer::Untrusted => self.untrusted += 1,
            Answer::Broken => self.broken += 1,
            Answer::Severed => self.severed += 1,
            Answer::Status(status) => *self.status.entry(status).or_insert(0) += 1,
        }
    }

    #[must_use]
    pub fn shots(&self) -> u32 {
        let named = [self.refused, self.unreachable, self.timeout, self.untrusted, self.broken, self.severed];
        named.iter().chain(self.status.values()).sum()
    }
}

/// The outages in a list of shots that is sorted by `at`. Shots overlap (one that hangs does not hold up the next), so
/// what counts is the order in which they were sent. Two outages with one success between them share that shot's time.
#[must_use]
pub fn outages(shots: &[Shot]) -> Vec<Outage> {
    let shots = severed(shots);
    let mut found = Vec::new();
    let mut last_up: Option<Shot> = None;
    let mut open: Option<Open> = None;
    for shot in &shots {
        if shot.is_up() {
            if let Some(open) = open.take() {
                found.push(open.close(Some(shot.end())));
            }
            last_up = Some(*shot);
        } else {
            open.get_or_insert_with(|| Open::begin(last_up, shot)).add(shot);
        }
    }
    found.extend(open.map(|open| open.close(None)));
    found
}

/// How long a connection may be dead before it is noticed, during which shots hang (microseconds).
const UNNOTICED: u64 = 25_000_000;
/// Shots that were under way when the connection broke (microseconds).
const UNDER_WAY: u64 = 300_000;

/// A cut connection is noticed after some time: shots that hung until then, or broke off with it, say nothing of the
/// server either. Those that broke off before may have been refused by the server, and count.
fn severed(shots: &[Shot]) -> Vec<Shot> {
    let mut told = shots.to_vec();
    let mut noticed = None;
    for shot in told.iter_mut().rev() {
        let within = |limit: u64| noticed.is_some_and(|at: u64| shot.end().saturating_add(limit) >= at);
        match shot.answer {
            Answer::Severed => noticed = Some(shot.at),
            Answer::Timeout if within(UNNOTICED) => shot.answer = Answer::Severed,
            Answer::Broken if within(UNDER_WAY) => shot.answer = Answer::Severed,
            _ => noticed = None,
        }
    }
    told
}

/// The time in which the API was away in all, each moment counted once.
pub(crate) fn total(outages: &[Outage]) -> Span {
    let mut counted_to = 0;
    let mut total = 0;
    for outage in outages {
        let from = outage.from.as_millis();
        let to = from + outage.length.as_millis();
        total += to.saturating_sub(from.max(counted_to));
        counted_to = counted_to.max(to);
    }
    Span::millis(total)
}

struct Open {
    from: u64,
    seen_to_begin: bool,
    last_end: u64,
    causes: Causes,
}

impl Open {
    fn begin(last_up: Option<Shot>, first: &Shot) -> Self {
        Self {
            from: last_up.map_or(first.at, |up| up.at),
            seen_to_begin: last_up.is_some(),
            last_end: 0,
            causes: Causes::default(),
        }
    }

    fn add(&mut self, shot: &Shot) {
        self.last_end = self.last_end.max(shot.end());
        self.causes.add(shot.answer);
    }

    fn close(self, to: Option<u64>) -> Outage {
        // Rounded outwards, so that a millisecond is never lost to the user's disadvantage.
        let (from, end) = (self.from / 1000, to.unwrap_or(self.last_end).div_ceil(1000));
        Outage {
            from: Span::millis(from),
            to: to.map(|_| Span::millis(end)),
            length: Span::millis(end.saturating_sub(from)),
            seen_to_begin: self.seen_to_begin,
            causes: self.causes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shot(at_ms: u64, took_ms: u32, answer: Answer) -> Shot {
        Shot { at: at_ms * 1000, took: took_ms * 1000, answer }
    }

    #[test]
    fn from_the_last_success_start_to_the_next_success_end() {
        let shots = [
            shot(0, 5, Answer::Up),
            shot(100, 7, Answer::Up),
            shot(200, 1, Answer::Refused),
            shot(300, 1000, Answer::Timeout),
            shot(400, 3, Answer::Status(503)),
            shot(500, 40, Answer::Up),
        ];
        let causes = Causes { refused: 1, timeout: 1, status: [(503, 1)].into(), ..Causes::default() };
        let expected = Outage {
            from: Span::millis(100),
            to: Some(Span::millis(540)),
            length: Span::millis(440),
            seen_to_begin: true,
            causes,
        };
        assert_eq!(outages(&shots), vec![expected]);
    }

    #[test]
    fn several_outages_are_listed_and_an_open_one_has_no_end() {
        let shots = [
            shot(0, 1, Answer::Refused),
            shot(100, 5, Answer::Up),
            shot(200, 5, Answer::Broken),
            shot(300, 5, Answer::Up),
            shot(400, 500, Answer::Timeout),
            shot(500, 1, Answer::Refused),
        ];
        let found = outages(&shots);
        assert_eq!(found.len(), 3);
        assert!(!found[0].seen_to_begin);
        assert_eq!((found[1].from, found[1].to), (Span::millis(100), Some(Span::millis(305))));
        assert_eq!((found[2].to, found[2].length), (None, Span::millis(600)));
        // 0–105, 100–305, 300–900: what two outages share counts once.
        assert_eq!(total(&found), Span::millis(900));
    }

    #[test]
    fn what_hangs_until_the_cut_is_noticed_says_nothing_of_the_server() {
        let shots = [
            shot(0, 5, Answer::Up),
            shot(100, 1, Answer::Refused),
            shot(200, 1000, Answer::Timeout),
            shot(300, 2, Answer::Broken),
            shot(400, 1, Answer::Severed),
            shot(500, 1000, Answer::Timeout),
            shot(600, 5, Answer::Up),
        ];
        let causes = outages(&shots).remove(0).causes;
        assert_eq!(causes, Causes { refused: 1, severed: 3, timeout: 1, ..Causes::default() });
        // K3s was stopped, which beyond a forward looks like this, and some time later the connection was cut.
        let stopped = [shot(0, 5, Answer::Up), shot(100, 2, Answer::Broken), shot(3000, 1, Answer::Severed)];
        assert_eq!(outages(&stopped).remove(0).causes, Causes { broken: 1, severed: 1, ..Causes::default() });
    }

    fn answer() -> impl Strategy<Value = Answer> {
        prop_oneof![
            4 => Just(Answer::Up),
            1 => Just(Answer::Refused),
            1 => Just(Answer::Unreachable),
            1 => Just(Answer::Timeout),
            1 => Just(Answer::Untrusted),
            1 => Just(Answer::Broken),
            1 => Just(Answer::Severed),
            1 => prop_oneof![Just(401u16), Just(500), Just(503)].prop_map(Answer::Status),
        ]
    }

    prop_compose! {
        fn timeline()(steps in prop::collection::vec((1u64..200_000, 0u32..1_000_000, answer()), 0..80)) -> Vec<Shot> {
            let mut at = 0;
            steps.into_iter().map(|(step, took, answer)| { at += step; Shot { at, took, answer } }).collect()
        }
    }

    proptest! {
        #[test]
        fn each_failed_shot_lies_in_exactly_one_outage(shots in timeline()) {
            let found = outages(&shots);
            let failed = shots.iter().filter(|shot| !shot.is_up()).count();
            prop_assert_eq!(found.iter().map(|outage| outage.causes.shots() as usize).sum::<usize>(), failed);
            prop_assert!(found.iter().all(|outage| outage.causes.shots() > 0));
        }

        #[test]
        fn there_is_an_outage_for_each_run_of_failures(shots in timeline()) {
            let runs = shots.chunk_by(|a, b| a.is_up() == b.is_up()).filter(|run| !run[0].is_up()).count();
            prop_assert_eq!(outages(&shots).len(), runs);
        }

        #[test]
        fn an_outage_begins_and_ends_at_successes_that_enclose_its_failures(shots in timeline()) {
            for outage in outages(&shots) {
                let (from, to) = (outage.from.as_millis(), outage.to.map(Span::as_millis));
                let starts_at = |shot: &Shot| shot.at / 1000 == from;
                prop_assert!(shots.iter().any(|shot| starts_at(shot) && shot.is_up() == outage.seen_to_begin));
                if let Some(to) = to {
                    prop_assert!(shots.iter().any(|shot| shot.is_up() && shot.end().div_ceil(1000) == to));
                    prop_assert_eq!(outage.length.as_millis(), to - from);
                }
            }
        }

        #[test]
        fn only_the_last_outage_may_be_open_and_it_is_when_the_last_shot_failed(shots in timeline()) {
            let found = outages(&shots);
            let open = found.iter().filter(|outage| outage.to.is_none()).count();
            let down = shots.last().is_some_and(|shot| !shot.is_up());
            prop_assert_eq!(open, usize::from(down));
            prop_assert_eq!(found.last().is_some_and(|outage| outage.to.is_none()), down);
        }

        #[test]
        fn the_total_counts_no_moment_twice(shots in timeline()) {
            let found = outages(&shots);
            let sum: Span = found.iter().map(|outage| outage.length).sum();
            let longest = found.iter().map(|outage| outage.length).max().unwrap_or(Span::ZERO);
            let end = shots.iter().map(Shot::end).max().unwrap_or(0).div_ceil(1000);
            prop_assert!(total(&found) <= sum && total(&found) >= longest && total(&found).as_millis() <= end);
        }
    }
}
