//! `observe`: what the unit and its process are doing now; asked several times a second.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use belay_wire::{Fault, Observation};

use crate::digests::SeenDigests;
use crate::process::process_facts;
use crate::unit::Unit;
use crate::{Now, Places};

/// Reads one observation. `digests` remembers what was hashed before.
///
/// # Errors
/// When systemd does not answer.
pub fn observe(places: &Places, unit: &str, data_dir: &Path, digests: &mut SeenDigests) -> Result<Observation, Fault> {
    let unit = Unit::show(places, unit)?;
    let process = (unit.main_pid != 0).then(|| process_facts(places, unit.main_pid, data_dir)).flatten();
    // Through /proc, not by the name: this is the file that runs, also when the name means another one by now.
    let running = process.as_ref().map(|process| places.proc.join(process.pid.to_string()).join("exe"));
    let now = Now::read(places);
    Ok(Observation {
        active_state: unit.active_state,
        sub_state: unit.sub_state,
        result: unit.result,
        invocation: unit.invocation,
        restarts: unit.restarts,
        main_pid: unit.main_pid,
        exe_digest: running.and_then(|path| digests.digest(&path).ok()),
        data_hash: process.as_ref().and_then(|process| process.data_hash.clone()),
        exe: process.map(|process| process.exe),
        containerd: containerd(places, data_dir),
        boot_id: now.boot_id,
        uptime: now.uptime,
    })
}

/// Whether K3s' own containerd accepts a connection; `None` when K3s does not run one here. K3s writes its
/// configuration exactly when it does (k3s-facts §2.1).
fn containerd(places: &Places, data_dir: &Path) -> Option<bool> {
    data_dir
        .join("agent/etc/containerd/config.toml")
        .is_file()
        .then(|| accepts(places.run.join("k3s/containerd/containerd.sock")))
}

/// Connecting to a socket whose owner is stopped and whose backlog is full blocks for ever, hence beside us.
fn accepts(socket: PathBuf) -> bool {
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || answer.send(UnixStream::connect(socket).is_ok()));
    answered.recv_timeout(Duration::from_millis(500)).unwrap_or(false)
}
