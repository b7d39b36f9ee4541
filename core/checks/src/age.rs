use std::fmt;

use jiff::civil::Date;
use serde::Serialize;

/// Knowledge that is older than it should be: what went wrong since is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Age {
    pub of: Aged,
    pub date: Date,
    pub days: i32,
}

/// What is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aged {
    Build,
    Bundle,
}

impl Age {
    /// From this age in days on it is said.
    pub const WARNS: i32 = 90;

    /// Days from `date` to `today`; none when it lies ahead, where a clock is wrong.
    #[must_use]
    pub fn in_days(date: Date, today: Date) -> i32 {
        today.since(date).map_or(0, |span| span.get_days().max(0))
    }

    pub(crate) fn of(of: Aged, date: Date, today: Date) -> Option<Self> {
        let days = Self::in_days(date, today);
        (days > Self::WARNS).then_some(Self { of, date, days })
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.of {
            Aged::Build => "what this build knows",
            Aged::Bundle => "the knowledge bundle",
        };
        write!(f, "{what} is of {}, {} days ago: what went wrong since is not in it", self.date, self.days)
    }
}
