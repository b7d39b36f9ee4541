use std::fs;
use std::path::{Path, PathBuf};

use belay_facts::ProcessFacts;
use belay_wire::Fault;
use rustix::process::{Pid, Signal, kill_process};

use crate::Places;
use crate::fault::Attempt as _;

/// One process, as `/proc` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// `None` when it may not be read, or for a thread of the kernel.
    pub exe: Option<String>,
    pub argv: Vec<String>,
    pub cgroup: String,
}

/// What a process of K3s is, as far as a stop has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum K3sRole {
    Server,
    Agent,
    /// K3s' own containerd, which outlives it with `KillMode=process` when K3s is killed.
    Containerd,
    /// A component that the server started as a process of its own, in the unit's control group.
    Child,
}

impl Process {
    fn read(places: &Places, pid: u32) -> Option<Self> {
        let dir = places.proc.join(pid.to_string());
        let cmdline = fs::read(dir.join("cmdline")).ok()?;
        let argv = cmdline.split(|&byte| byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned());
        let mut argv: Vec<String> = argv.collect();
        argv.pop();
        let exe = fs::read_link(dir.join("exe")).ok().map(|path| path.to_string_lossy().into_owned());
        let cgroup = fs::read_to_string(dir.join("cgroup")).unwrap_or_default();
        Some(Self { pid, exe, argv, cgroup })
    }

    /// What this is of the K3s in `data_dir`; `None` for everything else: a user's `kubectl`, container shims, pods.
    ///
    /// K3s runs from `data/<hash>/bin/k3s` whatever its argv says, and containerd is a link to the same file
    /// (k3s-facts §9, captures `ps` and `databin`).
    #[must_use]
    pub fn role(&self, data_dir: &Path, unit_cgroup: &str) -> Option<K3sRole> {
        let exe = self.exe.as_deref()?.trim_end_matches(" (deleted)");
        let program = Path::new(self.argv.first()?).file_name()?.to_str()?;
        let inner = data_hash(data_dir, exe).is_some();
        let of_unit = !unit_cgroup.is_empty() && self.cgroup.lines().any(|line| line.ends_with(unit_cgroup));
        if !(inner || of_unit && program.starts_with("k3s")) {
            return None;
        }
        let file = Path::new(exe).file_name()?.to_str()?;
        match self.argv.get(1).map(String::as_str) {
            // K3s names its process after the command on some releases: `k3s-server`, or `k3s server`.
            Some("server") if program.starts_with("k3s") => Some(K3sRole::Server),
            Some("agent") if program.starts_with("k3s") => Some(K3sRole::Agent),
            _ if program == "k3s-server" => Some(K3sRole::Server),
            _ if program == "k3s-agent" => Some(K3sRole::Agent),
            _ if program == "containerd" => Some(K3sRole::Containerd),
            // Only in the unit's own group: the same file under another name in a shell is a user's `kubectl`.
            _ if of_unit && file == "k3s" => Some(K3sRole::Child),
            _ => None,
        }
    }

    /// Asks it to end. One that is gone already is fine.
    pub(crate) fn terminate(&self) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// All processes that can be seen.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn processes(places: &Places) -> Result<Vec<Process>, Fault> {
    let entries = fs::read_dir(&places.proc).attempt(|| "the processes of this node could not be listed")?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter_map(|pid| Process::read(places, pid)).collect())
}

/// Those of `all` that are of the K3s in `data_dir`, each with its role.
#[must_use]
pub fn k3s_processes(all: &[Process], data_dir: &Path, cgroup: &str) -> Vec<(Process, K3sRole)> {
    let known = |process: &Process| process.role(data_dir, cgroup).map(|role| (process.clone(), role));
    all.iter().filter_map(known).collect()
}

/// What is known of one process for the facts.
#[must_use]
pub fn process_facts(places: &Places, pid: u32, data_dir: &Path) -> Option<ProcessFacts> {
    let dir = places.proc.join(pid.to_string());
    let exe = fs::read_link(dir.join("exe")).ok()?.to_string_lossy().into_owned();
    let stat = fs::read_to_string(dir.join("stat")).ok()?;
    // The command in parentheses may hold blanks and parentheses itself: fields are counted after the last one.
    let start_ticks = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let status = fs::read_to_string(dir.join("status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(kilobytes).unwrap_or_default();
    let data_hash = data_hash(data_dir, &exe);
    Some(ProcessFacts { pid, exe, data_hash, start_ticks, resident, newer_files: None })
}

/// The bytes of `  460000 kB`, as the kernel writes sizes.
pub(crate) fn kilobytes(text: &str) -> Option<u64> {
    text.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}

/// The `<hash>` when `exe` lies in `<data_dir>/data/<hash>/bin`.
#[must_use]
pub fn data_hash(data_dir: &Path, exe: &str) -> Option<String> {
    let rest = Path::new(exe.trim_end_matches(" (deleted)")).strip_prefix(data_dir.join("data")).ok()?;
    let mut parts = rest.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let (hash, bin) = (parts.next()?, parts.next()?);
    (bin == "bin" && is_hash(&hash)).then_some(hash)
}

/// 64 hexadecimal digits: the name of an extracted data directory.
#[must_use]
pub fn is_hash(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Inodes of the TCP sockets that listen on one of `ports`.
pub(crate) fn listeners(places: &Places, ports: &[u16]) -> Vec<(u16, u64)> {
    if ports.is_empty() {
        return Vec::new();
    }
    let tables = ["net/tcp", "net/tcp6"].map(|name| fs::read_to_string(places.proc.join(name)).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let listening = lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let port = fields.nth(1)?.rsplit_once(':')?.1;
        let port = u16::from_str_radix(port, 16).ok()?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?.parse().ok()?;
        (state == "0A" && ports.contains(&port)).then_some((port, inode))
    });
    listening.collect()
}

/// Whether `process` has one of these sockets open.
pub(crate) fn holds_socket(places: &Places, pid: u32, inode: u64) -> bool {
    let dir: PathBuf = places.proc.join(pid.to_string()).join("fd");
    let name = format!("socket:[{inode}]");
    let Ok(entries) = fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "6cfea298162fa4e99d3b9c43e957a22fec3011a4b8147cebf6dfb8db50b09458";

    fn process(exe: &str, argv: &[&str], cgroup: &str) -> Process {
        let argv = argv.iter().map(|&arg| arg.to_owned()).collect();
        Process { pid: 1, exe: Some(exe.to_owned()), argv, cgroup: cgroup.to_owned() }
    }

    #[test]
    fn a_size_beyond_all_memory_is_none_and_not_another_one() {
        assert_eq!(kilobytes("   460000 kB"), Some(471_040_000));
        assert_eq!(kilobytes("18446744073709551615 kB"), None);
    }

    #[test]
    fn only_processes_that_write_or_run_k3s_count() {
        let data = Path::new("/var/lib/rancher/k3s");
        let inner = format!("/var/lib/rancher/k3s/data/{HASH}/bin/k3s");
        let unit = "1:name=systemd:/system.slice/k3s.service\n";
        let shell = "1:name=systemd:/user.slice\n";
        let role =
            |exe: &str, argv: &[&str], cgroup: &str| process(exe, argv, cgroup).role(data, "/system.slice/k3s.service");
        assert_eq!(role(&inner, &["/usr/local/bin/k3s", "server"], unit), Some(K3sRole::Server));
        assert_eq!(role(&inner, &["/usr/local/bin/k3s", "server"], shell), Some(K3sRole::Server));
        assert_eq!(role(&inner, &["k3s-agent"], unit), Some(K3sRole::Agent));
        assert_eq!(role(&format!("{inner} (deleted)"), &["containerd"], unit), Some(K3sRole::Containerd));
        assert_eq!(role(&inner, &["kube-apiserver", "--x"], unit), Some(K3sRole::Child));
        // The wrapper before it has extracted: not yet the inner executable, but of the unit.
        assert_eq!(role("/usr/local/bin/k3s", &["/usr/local/bin/k3s", "server"], unit), Some(K3sRole::Server));
        assert_eq!(role(&inner, &["kubectl", "get", "pods"], shell), None);
        assert_eq!(role(&inner, &["/usr/local/bin/k3s", "kubectl", "logs", "server"], shell), None);
        let shim = format!("/var/lib/rancher/k3s/data/{HASH}/bin/containerd-shim-runc-v2");
        assert_eq!(role(&shim, &[&shim, "-namespace", "k8s.io"], unit), None);
        assert_eq!(role("/usr/bin/containerd", &["/usr/bin/containerd"], shell), None);
        assert_eq!(role("/pause", &["/pause"], "1:name=systemd:/kubepods/x\n"), None);
    }
}
