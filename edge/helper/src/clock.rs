use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use belay_facts::Span;

use crate::Places;

/// One moment, on the wall and since boot. Only the boot clock is used for decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970; may be wrong at boot.
    pub wall: u64,
    /// Since boot, suspended time included.
    pub uptime: Span,
    pub boot_id: String,
}

impl Now {
    /// Reads `/proc`. What cannot be read is zero or empty.
    #[must_use]
    pub fn read(places: &Places) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let uptime = fs::read_to_string(places.proc.join("uptime")).unwrap_or_default();
        let uptime = uptime.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        let uptime = Duration::try_from_secs_f64(uptime).unwrap_or(Duration::ZERO);
        let boot_id = fs::read_to_string(places.proc.join("sys/kernel/random/boot_id")).unwrap_or_default();
        Self {
            wall: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            uptime: uptime.into(),
            boot_id: boot_id.trim().to_owned(),
        }
    }
}
