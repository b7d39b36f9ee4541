use serde::{Deserialize, Serialize};

use crate::Span;

/// How a datastore has grown between two copies of it that are on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Bytes, now against the largest copy of another day; negative where it has shrunk.
    pub bytes: i64,
    /// Between the two, a day at least.
    pub over: Span,
}

impl Growth {
    /// Bytes a day, rounded to nothing for what has shrunk.
    #[must_use]
    pub fn daily(&self) -> u64 {
        const DAY: u128 = 24 * 60 * 60 * 1000;
        let over = u128::from(self.over.as_millis()).max(1);
        let bytes = u128::try_from(self.bytes).unwrap_or_default();
        u64::try_from(bytes * DAY / over).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_it_is_told_whatever_time_lies_between() {
        let growth = |bytes, hours: u64| Growth { bytes, over: Span::seconds(hours * 3600) }.daily();
        assert_eq!(growth(1000, 24), 1000);
        assert_eq!(growth(1000, 12), 2000);
        assert_eq!(growth(-1000, 12), 0);
        assert_eq!(growth(i64::MAX, 0), u64::MAX);
    }
}
