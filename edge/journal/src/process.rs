//! Who a process is, beyond its number.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use belay_facts::{Coordinator, Life};

/// This process, as it signs what it holds.
#[must_use]
pub fn this_process() -> Coordinator {
    static OWN: LazyLock<Coordinator> = LazyLock::new(looked_up);
    OWN.clone()
}

fn looked_up() -> Coordinator {
    let proc = Path::new("/proc");
    let pid = std::process::id();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Coordinator {
        user: somebody(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid,
        started: stat(proc, pid).map_or(0, |(_, started)| started),
        boot: boot(proc),
        since: u64::try_from(since).unwrap_or(u64::MAX),
    }
}

/// Whether a process lives that signed here or elsewhere. A number that another process has got since is not it.
#[must_use]
pub fn life(of: &Coordinator, proc: &Path) -> Life {
    if of.boot != boot(proc) {
        let here = rustix::system::uname().nodename().to_string_lossy() == of.host;
        return if here { Life::Gone } else { Life::Elsewhere };
    }
    match stat(proc, of.pid) {
        Some((state, started)) if started == of.started => match state {
            'T' | 't' => Life::Paused,
            'Z' | 'X' => Life::Gone,
            _ => Life::Lives,
        },
        _ => Life::Gone,
    }
}

fn boot(proc: &Path) -> String {
    fs::read_to_string(proc.join("sys/kernel/random/boot_id")).unwrap_or_default().trim().to_owned()
}

/// State and start of a process; its name, which comes before them, may hold anything.
fn stat(proc: &Path, pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Who types: `root`, or `root for anna` behind sudo.
fn somebody() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| format!("uid {}", rustix::process::geteuid().as_raw()));
    match std::env::var("SUDO_USER") {
        Ok(sudo) if sudo != user => format!("{user} for {sudo}"),
        _ => user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_with_its_number() {
        let own = this_process();
        let proc = Path::new("/proc");
        assert!(own.started > 0 && !own.boot.is_empty());
        assert_eq!(life(&own, proc), Life::Lives);
        assert_eq!(life(&Coordinator { started: own.started + 1, ..own.clone() }, proc), Life::Gone);
        assert_eq!(life(&Coordinator { boot: "before".into(), ..own.clone() }, proc), Life::Gone);
        assert_eq!(life(&Coordinator { boot: "b".into(), host: "elsewhere".into(), ..own }, proc), Life::Elsewhere);
    }

    #[test]
    fn a_paused_process_is_no_dead_one_and_any_name_is_read() {
        let proc = tempfile::tempdir().unwrap();
        let at = |path: &str| proc.path().join(path);
        fs::create_dir_all(at("7")).unwrap();
        fs::create_dir_all(at("sys/kernel/random")).unwrap();
        fs::write(at("sys/kernel/random/boot_id"), "b\n").unwrap();
        let of = Coordinator { boot: "b".into(), pid: 7, started: 42, ..this_process() };
        for (state, expected) in [("T", Life::Paused), ("S", Life::Lives), ("Z", Life::Gone), ("R", Life::Lives)] {
            let text = format!("7 (a) b) {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 42 1000 2");
            fs::write(at("7/stat"), text).unwrap();
            assert_eq!(life(&of, proc.path()), expected, "{state}");
        }
    }
}
