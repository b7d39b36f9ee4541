//! `observe`: what the unit and its process are doing now; asked several times a second.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use belay_wire::{Fault, Observation};

use crate::digests::SeenDigests;
use crate::etcd;
use crate::process::{K3sRole, Process, k3s_processes, process_facts, processes};
use crate::unit::Unit;
use crate::{Now, Places};

/// Reads one observation. `digests` remembers what was hashed before; without it the running executable is not read.
///
/// # Errors
/// When systemd does not answer.
pub fn observe(
    places: &Places,
    unit: &str,
    data_dir: &Path,
    digests: Option<&SeenDigests>,
) -> Result<Observation, Fault> {
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
        exe_digest: running.zip(digests).and_then(|(path, digests)| digests.digest(&path).ok()),
        data_hash: process.as_ref().and_then(|process| process.data_hash.clone()),
        exe: process.map(|process| process.exe),
        containerd: containerd(places, data_dir),
        etcd: etcd::observed(&data_dir.join("server")).ok(),
        boot_id: now.boot_id,
        uptime: now.uptime,
        wall: now.wall,
    })
}

/// Whether K3s' own containerd accepts a connection; `None` when there is neither its socket nor its process, as on a
/// server without an agent, with another runtime, or with a kubelet that needs none.
fn containerd(places: &Places, data_dir: &Path) -> Option<bool> {
    let socket = places.run.join("k3s/containerd/containerd.sock");
    let there = socket.exists();
    if there && accepts(socket) {
        return Some(true);
    }
    let runs = || processes(places).is_ok_and(|all| k3s_processes(&all, data_dir, "").iter().any(is_containerd));
    (there || runs()).then_some(false)
}

fn is_containerd((_, role): &(Process, K3sRole)) -> bool {
    *role == K3sRole::Containerd
}

/// Connecting to a socket whose owner is stopped and whose backlog is full blocks for ever, hence beside us.
fn accepts(socket: PathBuf) -> bool {
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || answer.send(UnixStream::connect(socket).is_ok()));
    answered.recv_timeout(Duration::from_millis(500)).unwrap_or(false)
}
