//! Whether K3s is down: nothing of it runs, and nobody has its datastore open.

use std::fs::{self, OpenOptions};

use crate::Installation;
use crate::credentials::api_port;
use crate::datastore::locks;
use crate::fault::{Attempt as _, refused};
use crate::process::{K3sRole, Process, holds_socket, k3s_processes, listeners, processes};
use crate::step::Step;
use crate::unit::Unit;
use belay_wire::Fault;

/// The unit as it was seen, and what still speaks against "down" (empty: it is down).
pub(crate) struct Down {
    pub unit: Unit,
    pub against: Vec<String>,
    /// A containerd that outlived K3s.
    pub containerd: Option<Process>,
}

impl Down {
    /// Looks once.
    pub(crate) fn look(step: &Step<'_>) -> Result<Self, Fault> {
        let (places, data_dir) = (step.places, step.data_dir());
        let found = Installation::of_unit(places, &step.target().unit)?;
        let unit = found.unit.clone();
        let mut against = Vec::new();
        if !unit.is_down() {
            against.push(format!("{} is {} ({})", unit.name, unit.active_state, unit.sub_state));
        }
        // A crash-looping unit has no process between two lives, but its next start is queued.
        if unit.job != 0 && !step.at_boot {
            against.push(format!("a job is queued for {}", unit.name));
        }
        let cgroup = if unit.control_group.is_empty() {
            format!("/system.slice/{}", unit.name)
        } else {
            unit.control_group.clone()
        };
        let all = processes(places)?;
        let mut running = k3s_processes(&all, &data_dir, &cgroup);
        for (process, role) in &running {
            against.push(format!("process {} ({}) is running", process.pid, name(*role)));
        }
        running.retain(|(_, role)| *role == K3sRole::Containerd);
        let inner = data_dir.join("data").to_string_lossy().into_owned();
        let of_k3s = |process: &&Process| process.exe.as_deref().is_some_and(|exe| exe.starts_with(&inner));
        let of_k3s: Vec<&Process> = all.iter().filter(of_k3s).collect();
        // The kernel goes through its table of all connections for this: milliseconds of the outage, so only where somebody
        // is there who could listen.
        let ports: &[u16] = if of_k3s.is_empty() { &[] } else { &[api_port(&found), 6443, 2379, 2380] };
        for (port, inode) in listeners(places, ports) {
            if let Some(owner) = of_k3s.iter().find(|process| holds_socket(places, process.pid, inode)) {
                against.push(format!("process {} listens on port {port}", owner.pid));
            }
        }
        // On the way back the directory is set aside as it is: whoever else reads it (an open `sqlite3` shell) is left to.
        if against.is_empty() && step.run().turned.is_none() {
            against.extend(locked(step)?);
        }
        Ok(Self { unit, against, containerd: running.pop().map(|(process, _)| process) })
    }

    /// As a precondition.
    pub(crate) fn require(step: &Step<'_>) -> Result<Unit, Fault> {
        let down = Self::look(step)?;
        match down.against.first() {
            None => Ok(down.unit),
            Some(_) => Err(refused(format!("K3s is not down: {}", down.against.join("; ")))),
        }
    }
}

fn name(role: K3sRole) -> &'static str {
    match role {
        K3sRole::Server => "a K3s server",
        K3sRole::Agent => "a K3s agent",
        K3sRole::Containerd => "K3s' containerd",
        K3sRole::Child => "a component of K3s",
    }
}

/// Whether somebody has a lock on the database, found by taking an exclusive one as its owner would. Not by opening it:
/// a reader may create the log and its index.
fn locked(step: &Step<'_>) -> Result<Option<String>, Fault> {
    for (name, lock) in locks(step.target().datastore) {
        let path = step.server().join(name);
        if !fs::exists(&path).unwrap_or(false) {
            continue;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.attempt(|| format!("{} could not be opened", path.display()))?;
        match lock.take(&file) {
            Ok(()) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
                return Ok(Some(format!("another process has {} locked", path.display())));
            }
            Err(error) => return Err(error).attempt(|| format!("{} could not be locked", path.display())),
        }
    }
    Ok(None)
}
