use belay_facts::Span;
use jiff::Timestamp;

use crate::quantity::between;

/// Time on a line. A long time in which nothing ran (a run that was left and resumed next day) is drawn short, so that the
/// steps can still be seen.
pub(super) struct Axis {
    pieces: Vec<Piece>,
    left: f64,
}

/// A stretch of time, drawn evenly from `x`.
struct Piece {
    from: Timestamp,
    to: Timestamp,
    x: f64,
    width: f64,
    pause: bool,
}

/// A stretch that was drawn short.
pub(super) struct Pause {
    pub x: f64,
    pub width: f64,
    pub length: Span,
}

/// A pause is drawn short when it is longer than this and than a quarter of everything that ran.
const SHORTEST_PAUSE: Span = Span::seconds(15);
/// What a pause takes of the line.
const PAUSE: f64 = 0.05;

impl Axis {
    /// `None` when there is no time to draw.
    pub fn new(
        first: Timestamp,
        last: Timestamp,
        mut busy: Vec<(Timestamp, Timestamp)>,
        left: f64,
        width: f64,
    ) -> Option<Self> {
        busy.sort();
        let first = busy.first().map_or(first, |(from, _)| first.min(*from));
        let last = busy.iter().map(|(_, to)| *to).fold(last, Timestamp::max);
        let ran: u64 = busy.iter().map(|(from, to)| between(*from, *to).as_millis()).fold(0, u64::saturating_add);
        let short = |length: Span| length > SHORTEST_PAUSE && length.as_millis() > ran / 4;
        let mut spans: Vec<(Timestamp, Timestamp, bool)> = Vec::new();
        let (mut at, mut begun) = (first, first);
        for (from, to) in busy.into_iter().chain([(last, last)]) {
            if short(between(at, from)) {
                spans.push((begun, at, false));
                spans.push((at, from, true));
                begun = from;
            }
            at = at.max(to);
        }
        spans.push((begun, at, false));
        let drawn: f64 = spans.iter().filter(|(.., pause)| !pause).map(|(from, to, _)| millis(*from, *to)).sum();
        let pauses = spans.iter().filter(|(.., pause)| *pause).count() as f64;
        let pause = (PAUSE * width).min(width / 2.0 / pauses.max(1.0));
        if drawn <= 0.0 {
            return None;
        }
        let scale = (width - pause * pauses) / drawn;
        let mut x = left;
        let pieces = spans
            .into_iter()
            .map(|(from, to, is_pause)| {
                let width = if is_pause { pause } else { millis(from, to) * scale };
                let piece = Piece { from, to, x, width, pause: is_pause };
                x += width;
                piece
            })
            .collect();
        Some(Self { pieces, left })
    }

    pub fn x(&self, at: Timestamp) -> f64 {
        let Some(piece) = self.pieces.iter().rfind(|piece| piece.from <= at) else { return self.left };
        let length = millis(piece.from, piece.to);
        let part = if length > 0.0 { (millis(piece.from, at) / length).min(1.0) } else { 0.0 };
        piece.x + part * piece.width
    }

    pub fn pauses(&self) -> impl Iterator<Item = Pause> {
        self.pieces.iter().filter(|piece| piece.pause).map(|piece| Pause {
            x: piece.x,
            width: piece.width,
            length: between(piece.from, piece.to),
        })
    }

    /// Round moments, at most about eight, and none so near another that they cannot be read.
    pub fn ticks(&self) -> Vec<Timestamp> {
        const STEPS: [i64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
        let drawn: f64 =
            self.pieces.iter().filter(|piece| !piece.pause).map(|piece| millis(piece.from, piece.to)).sum();
        let step = STEPS.into_iter().find(|step| drawn / 1000.0 / (*step as f64) <= 8.0).unwrap_or(7200);
        let mut ticks: Vec<Timestamp> = Vec::new();
        for piece in self.pieces.iter().filter(|piece| !piece.pause) {
            let mut second = piece.from.as_second().div_euclid(step) * step;
            while second <= piece.to.as_second() && ticks.len() < 64 {
                let tick = Timestamp::from_second(second).ok().filter(|tick| *tick >= piece.from);
                if let Some(tick) = tick
                    && ticks.last().is_none_or(|last| self.x(tick) - self.x(*last) > 56.0)
                {
                    ticks.push(tick);
                }
                second += step;
            }
        }
        ticks
    }
}

fn millis(from: Timestamp, to: Timestamp) -> f64 {
    between(from, to).as_millis() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_night_between_two_processes_does_not_squash_the_steps() {
        let axis =
            Axis::new(at(0), at(36_020), vec![(at(0), at(10)), (at(36_010), at(36_020))], 100.0, 1000.0).unwrap();
        let pause = axis.pauses().next().unwrap();
        assert_eq!(pause.length, Span::seconds(36_000));
        assert!(pause.width < 60.0);
        assert!(axis.x(at(10)) - axis.x(at(0)) > 400.0);
        assert!((axis.x(at(36_020)) - 1100.0).abs() < 0.1);
    }

    #[test]
    fn time_runs_to_the_right_and_stays_on_the_line() {
        let axis = Axis::new(at(0), at(100), vec![(at(0), at(30)), (at(40), at(100))], 100.0, 1000.0).unwrap();
        assert_eq!(axis.pauses().count(), 0);
        let xs: Vec<f64> = (-10..120).map(|second| axis.x(at(second))).collect();
        assert!(xs.is_sorted());
        assert!(xs.iter().all(|x| (100.0..=1100.1).contains(x)));
        assert!(axis.ticks().len() > 3);
    }

    #[test]
    fn no_time_no_line() {
        assert!(Axis::new(at(0), at(0), vec![(at(0), at(0))], 0.0, 100.0).is_none());
    }
}
