//! Points at which a test build can be killed, one by one (feature `crash-points`; `lab/bench/crash` does the killing).
//!
//! A point has a name and an order: the harness records which were passed in an undisturbed run, and so knows how many
//! there are. Without the feature a point is nothing at all.

#[cfg(not(feature = "crash-points"))]
/// Nothing, in this build.
#[inline(always)]
pub fn crash_point(_: std::fmt::Arguments<'_>) {}

#[cfg(feature = "crash-points")]
pub use armed::{crash_point, without_crash_points};

/// Carries out what has no points, in any build: what is done as often as a run is slow has no order that a second run would
/// repeat.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn without_crash_points<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// What a record is about, as the name of a point.
#[cfg(feature = "crash-points")]
pub(crate) fn record_name(json: &str) -> String {
    use serde_json::Value;
    let body: Value = serde_json::from_str(json).unwrap_or_default();
    let step = |of: &Value| of.get("step").and_then(Value::as_str).map(|step| format!(" {step}")).unwrap_or_default();
    let gate = body.pointer("/answer/name").and_then(Value::as_str).map(|gate| format!(" {gate}")).unwrap_or_default();
    match body.get("ev") {
        Some(Value::String(event)) => format!("{event}{}{gate}", step(&body)),
        Some(Value::Object(event)) => {
            event.iter().next().map(|(name, of)| format!("{name}{}", step(of))).unwrap_or_default()
        }
        _ => "record".to_owned(),
    }
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::cell::Cell;
    use std::fmt::Arguments;
    use std::fs::{self, File, OpenOptions};
    use std::io::{self, Write as _};
    use std::path::Path;

    use rustix::fs::{FlockOperation, flock};
    use rustix::process::{Pid, Signal, getpid, kill_process};

    /// The directory in which points are noted (`trace`) and kills are ordered (`kill`).
    const POINTS: &str = "BELAY_CRASH_POINTS";

    thread_local! {
        static UNNOTED: Cell<bool> = const { Cell::new(false) };
    }

    /// Carries out what has no points, on this thread.
    pub fn without_crash_points<T>(work: impl FnOnce() -> T) -> T {
        let before = UNNOTED.replace(true);
        let done = work();
        UNNOTED.set(before);
        done
    }

    /// Notes that this point is passed, and kills whom the harness has ordered to be killed here.
    pub fn crash_point(name: Arguments<'_>) {
        if let Some(dir) = std::env::var_os(POINTS).filter(|_| !UNNOTED.get()) {
            // A harness that cannot be read orders nothing.
            let _ = pass(Path::new(&dir), &name.to_string());
        }
    }

    fn pass(dir: &Path, name: &str) -> io::Result<()> {
        let own = fs::read_to_string("/proc/self/comm")?.trim().to_owned();
        let line = format!("{own}\t{}", without_run(name));
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let trace = fs::read_to_string(dir.join("trace")).unwrap_or_default();
        let nth = trace.lines().filter(|passed| *passed == line).count() + 1;
        let number = trace.lines().count() + 1;
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join("trace"))?
            .write_all(format!("{line}\n").as_bytes())?;
        let orders = fs::read_to_string(dir.join("kill")).unwrap_or_default();
        for order in orders.lines() {
            // `<victims>\t<number>` or `<victims>\t<nth>\t<process>\t<name>`.
            let (victims, when) = order.split_once('\t').unwrap_or_default();
            let due = match when.split_once('\t') {
                None => when == number.to_string(),
                Some((wanted, point)) => wanted == nth.to_string() && point == line,
            };
            if due {
                kill(dir, victims, &own)?;
            }
        }
        Ok(())
    }

    /// Kills every process of these names, this one last. `node` stands for all that there are.
    fn kill(dir: &Path, victims: &str, own: &str) -> io::Result<()> {
        let names: Vec<&str> = match victims {
            "node" => {
                File::create(dir.join("power-cut"))?;
                vec!["belay", "belay-helper", "k3s"]
            }
            names => names.split(',').collect(),
        };
        let myself = getpid();
        for entry in fs::read_dir("/proc")?.flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            if let Some(pid) = pid.filter(|pid| *pid != myself && names.contains(&name.trim())) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if names.contains(&own) {
            let _ = kill_process(myself, Signal::KILL);
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }

    /// The id of a run is another one each time.
    fn without_run(name: &str) -> String {
        let shape = |at: usize, c: u8| match at {
            4 | 7 | 10 => c == b'-',
            11.. => c.is_ascii_hexdigit(),
            _ => c.is_ascii_digit(),
        };
        let bytes = name.as_bytes();
        let is_id = |piece: &[u8]| piece.iter().enumerate().all(|(at, c)| shape(at, *c));
        match bytes.windows(15).position(is_id) {
            Some(at) => format!(
                "{}RUN{}",
                name.get(..at).unwrap_or_default(),
                without_run(name.get(at + 15..).unwrap_or_default())
            ),
            None => name.to_owned(),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::without_run;

        #[test]
        fn the_id_of_a_run_is_no_part_of_a_name() {
            assert_eq!(without_run("a server.belay-2026-11-23-3fa9.partial b"), "a server.belay-RUN.partial b");
            assert_eq!(without_run("2026-11-23-3fa"), "2026-11-23-3fa");
        }
    }
}
