use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use belay_facts::{NodeFacts, NodeRole, Unread};

/// Facts that are read below the data directory, and where.
const OF_DATA: [(&str, &str); 7] = [
    ("node.data_links", "data"),
    ("node.around.manifests", "server/manifests"),
    ("node.around.image_archives", "agent/images"),
    ("node.around.static_pods", "agent/pod-manifests"),
    ("node.around.containerd_templates", "agent/etc/containerd"),
    ("node.around.containerd_drop_ins", "agent/etc/containerd"),
    ("node.encryption", "server/cred"),
];
const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
const FIX: &str = "Run it as root: `sudo belay …`.";

/// Finds what a helper without root could not look at, and takes out of the facts what would look like an answer: to a program that
/// may not enter a directory nothing is in it.
pub(crate) fn without_root(node: &mut NodeFacts, denied: &dyn Fn(&Path) -> bool) -> Vec<Unread> {
    if node.helper.uid == 0 || node.role == NodeRole::None {
        return Vec::new();
    }
    let mut found = Found { uid: node.helper.uid, unread: Vec::new() };
    config(node, denied, &mut found);
    let data = PathBuf::from(&node.data_dir);
    let of_data = OF_DATA.map(|(fact, below)| (fact, data.join(below)));
    for (fact, path) in &of_data {
        found.look(fact, path, denied);
    }
    found.look("node.disks.data", &data, denied);
    if node.role == NodeRole::Server {
        for file in ["server/db", "server/db/state.db", "server/db/etcd/member"] {
            found.look("node.datastore", &data.join(file), denied);
        }
    }
    if let Some(path) = certificates(&data, denied) {
        found.note("node.certificates", &path);
    }
    if let Some(unit) = &node.unit {
        if let Some(program) = unit.exec.first().filter(|_| node.binary.is_none()) {
            found.look("node.binary", Path::new(program.trim_start_matches(['-', '@', ':', '+', '!'])), denied);
        }
        let process = PathBuf::from(format!("/proc/{}", unit.main_pid));
        if unit.main_pid != 0 {
            found.look("node.process", &process.join("exe"), denied);
            if node.around.as_ref().is_some_and(|around| around.labels.is_some()) {
                found.look("node.around.labels", &process.join("attr/current"), denied);
            }
        }
    }
    found.look("node.around.node_password", Path::new("/etc/rancher/node/password"), denied);
    let registries = node.config.last("private-registry").unwrap_or("/etc/rancher/k3s/registries.yaml");
    found.look("node.around.mirrors", Path::new(registries), denied);
    // Where no disk is under it, nobody asked the kernel.
    if node.around.as_ref().is_some_and(|around| around.disk_errors.is_none()) {
        found.look("node.around.disk_errors", Path::new("/dev/kmsg"), denied);
    }
    if node.around.as_ref().is_some_and(|around| around.firewall.is_none()) {
        found.look("node.around.firewall", Path::new("/proc/net/ip_tables_names"), denied);
    }
    for role in node.disks.keys() {
        for ability in ["exchange", "reflink"] {
            found.say(
                &format!("node.disks.{role}.{ability}"),
                "needs root: it is tried in a directory that only root can make",
            );
        }
    }
    found.say("node.helper.open_run", "needs root: only root can look into /var/lib/belay/node");
    take_out(node, &found.unread);
    found.unread
}

/// Whether this process may not look at it; one that is not there may be looked at.
pub(crate) fn is_denied(path: &Path) -> bool {
    let look = || -> io::Result<()> {
        match fs::metadata(path)?.is_dir() {
            true => fs::read_dir(path).map(drop),
            false => File::open(path).map(drop),
        }
    };
    look().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// A file of the configuration that may not be read may set any key, the data directory as well.
fn config(node: &mut NodeFacts, denied: &dyn Fn(&Path) -> bool, found: &mut Found) {
    let base = node.config.last("config").unwrap_or(CONFIG).to_owned();
    let unreadable = &mut node.config.unreadable;
    for path in [base.clone(), format!("{base}.d")] {
        let is_told = unreadable.iter().any(|entry| entry.starts_with(&format!("{path}: ")));
        if denied(Path::new(&path)) && !is_told {
            unreadable.push(format!("{path}: needs root"));
        }
    }
    let mut files = unreadable.iter().filter_map(|entry| entry.split_once(": ")).map(|(file, _)| file);
    let Some(unread) = files.find(|file| denied(Path::new(file))) else { return };
    found.note("node.config", Path::new(unread));
    found.note("node.process.newer_files", Path::new(unread));
    for fact in OF_DATA.map(|(fact, _)| fact).iter().chain(&["node.datastore", "node.certificates", "node.disks.data"])
    {
        found.say(fact, &format!("needs root: {unread} may say where the data are"));
    }
}

/// The first of the directories and files of certificates that may not be read: half of them is not all of them.
fn certificates(data: &Path, denied: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let (tls, agent) = (data.join("server/tls"), data.join("agent"));
    let mut open = vec![tls.clone(), agent.clone()];
    while let Some(dir) = open.pop() {
        if denied(&dir) {
            return Some(dir);
        }
        for path in fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if dir == tls && path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "crt") && denied(&path) {
                return Some(path);
            }
        }
    }
    None
}

/// What stands for an answer in facts that have a place for none.
fn take_out(node: &mut NodeFacts, unread: &[Unread]) {
    let facts: BTreeSet<&str> = unread.iter().map(|one| one.fact.as_str()).collect();
    let is = |fact: &str| facts.contains(fact);
    if is("node.datastore") {
        node.datastore = None;
    }
    if is("node.certificates") {
        node.certificates = None;
    }
    if is("node.encryption") {
        node.encryption = None;
    }
    if is("node.process") {
        node.process = None;
    }
    if let Some(process) = node.process.as_mut().filter(|_| is("node.process.newer_files")) {
        process.newer_files = None;
    }
    if is("node.disks.data") {
        node.disks.remove("data");
    }
    let Some(around) = &mut node.around else { return };
    if is("node.around.manifests") {
        around.manifests = None;
    }
    if is("node.around.image_archives") {
        around.image_archives = None;
    }
    if is("node.around.static_pods") {
        around.static_pods = None;
    }
    if is("node.around.containerd_templates") {
        around.containerd_templates = None;
    }
    if is("node.around.containerd_drop_ins") {
        around.containerd_drop_ins = None;
    }
    if is("node.around.labels") {
        around.labels = None;
    }
}

struct Found {
    uid: u32,
    unread: Vec<Unread>,
}

impl Found {
    fn look(&mut self, fact: &str, path: &Path, denied: &dyn Fn(&Path) -> bool) {
        if denied(path) {
            self.note(fact, path);
        }
    }

    fn note(&mut self, fact: &str, path: &Path) {
        self.say(fact, &format!("needs root: user {} may not read {}", self.uid, path.display()));
    }

    /// The first reason is enough.
    fn say(&mut self, fact: &str, why: &str) {
        if !self.unread.iter().any(|one| one.fact == fact) {
            self.unread.push(Unread::new(fact, why, Some(FIX.to_owned())));
        }
    }
}

#[cfg(test)]
mod tests;
