use belay_facts::{K3sVersion, Span};
use belay_plan::Goal;
use jiff::Timestamp;

/// A length of time for people: `84 ms`, `8.1 s`, `1 min 35 s`, `2 h 3 min`.
#[must_use]
pub fn duration(span: Span) -> String {
    let millis = span.as_millis();
    if millis < 100 {
        return format!("{millis} ms");
    }
    // Rounded to a tenth first, so that 59.96 s is not shown as `60.0 s` beside `1 min 0 s`.
    let tenths = millis.saturating_add(50) / 100;
    let seconds = millis.saturating_add(500) / 1000;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if seconds < 3600 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {} min", seconds / 3600, seconds % 3600 / 60)
    }
}

/// A length that was planned, so a round one: `60 s`, `1 min 35 s`, `5 min`.
#[must_use]
pub fn planned(span: Span) -> String {
    let (millis, seconds) = (span.as_millis(), span.as_seconds());
    if !millis.is_multiple_of(1000) {
        duration(span)
    } else if seconds <= 60 {
        format!("{seconds} s")
    } else if seconds.is_multiple_of(60) && seconds < 7200 {
        format!("{} min", seconds / 60)
    } else {
        duration(span)
    }
}

/// A size for people, in binary units: `812 B`, `102.7 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit; whole numbers all the way, so that no rounding shows 1024.0 of a smaller unit.
    let mut tenths = u128::from(bytes).saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS.get(unit).copied().unwrap_or_default())
}

/// `no objects`, `1 object`, `3 objects`.
#[must_use]
pub fn count(n: usize, one: &str, many: &str) -> String {
    match n {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

/// The time of day, UTC: `16:41:34`.
#[must_use]
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// Day and time, UTC: `2026-11-23 16:41:34 UTC`.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The time from one moment to a later one; zero when the clock was set back in between.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Span {
    Span::millis(u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0))
}

/// `sha256:3fa94be0a1c2…`, for people; the whole digest is in the JSON.
pub(crate) fn short_digest(text: &str) -> String {
    match text.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 => format!("sha256:{}…", hex.chars().take(12).collect::<String>()),
        _ => text.to_owned(),
    }
}

/// What a run or plan is about, as its heading.
#[must_use]
pub fn title(goal: Goal, from: &K3sVersion, to: &K3sVersion, nodes: &str) -> String {
    match goal {
        Goal::Upgrade => format!("{from} → {to} on {nodes}"),
        Goal::Restore => format!("back to {to} on {nodes}, from {from}"),
        Goal::Backup => format!("backup of {nodes}, {from}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_do_not_round_into_another_unit() {
        for (millis, text) in [
            (0, "0 ms"),
            (84, "84 ms"),
            (100, "0.1 s"),
            (8_149, "8.1 s"),
            (8_150, "8.2 s"),
            (59_940, "59.9 s"),
            (59_950, "1 min 0 s"),
            (95_000, "1 min 35 s"),
            (3_599_500, "1 h 0 min"),
            (7_380_000, "2 h 3 min"),
        ] {
            assert_eq!(duration(Span::millis(millis)), text, "{millis}");
        }
    }

    #[test]
    fn sizes_keep_their_unit() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size(1024 * 1024 - 1), "1023.9 KiB");
        assert_eq!(size(107_667_618), "102.6 MiB");
        assert_eq!(size(u64::MAX), "16383.9 PiB");
    }
}
