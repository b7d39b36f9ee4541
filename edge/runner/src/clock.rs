use belay_engine::Record;
use belay_facts::Span;

/// The clocks of this machine. The only place in the runner where time comes from.
#[derive(Clone, Debug)]
pub struct Clock {
    boot_id: String,
}

impl Clock {
    #[must_use]
    pub fn of_this_machine() -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        Self { boot_id }
    }

    /// Calendar time, for people. May jump.
    #[must_use]
    pub fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    /// Time since boot, suspended time counted. Never jumps while the machine runs.
    #[must_use]
    pub fn since_boot(&self) -> Span {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let millis = now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000);
        Span::millis(u64::try_from(millis).unwrap_or(0))
    }

    /// For how long this process has lived.
    #[must_use]
    pub fn since_begin(&self) -> Span {
        // The kernel counts a hundred ticks a second, on every machine (USER_HZ).
        let begun = belay_journal::this_process().started.saturating_mul(10);
        Span::millis(self.since_boot().as_millis().saturating_sub(begun))
    }

    /// When a record was written on this machine's boot clock; `None` when that has begun anew since.
    #[must_use]
    pub fn of_this_boot(&self, record: Option<&Record>) -> Option<Span> {
        record.filter(|record| record.boot == self.boot_id).map(|record| Span::millis(record.up))
    }

    #[must_use]
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }
}
