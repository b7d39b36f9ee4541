use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{BootstrapFacts, Digest, EncryptionFacts, Growth, K3sVersion, Span, Surroundings, UserlandFacts};

/// What is true on one node, as the helper read it there. `None` means "could not be read", never "no".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFacts {
    /// Kubernetes node name: `node-name` of the config, else the lower-cased host name.
    pub name: String,
    pub role: NodeRole,
    pub boot_id: String,
    /// As Rust and Go agree on it after mapping: `amd64`, `arm64`, `arm`.
    pub arch: String,
    pub kernel: String,
    /// `PRETTY_NAME` of /etc/os-release.
    pub os: String,
    /// `systemd`, or the name of process 1.
    pub init: String,
    pub cgroup: Option<Cgroup>,
    pub memory: Option<MemoryFacts>,
    /// `/var/lib/rancher/k3s` unless the configuration says otherwise, symlinks resolved.
    pub data_dir: String,
    pub unit: Option<UnitFacts>,
    pub binary: Option<BinaryFacts>,
    pub process: Option<ProcessFacts>,
    pub data_links: Vec<DataLink>,
    pub config: ConfigFacts,
    pub datastore: Option<DatastoreFacts>,
    /// One entry per leaf or CA certificate under `server/tls` and `agent`.
    pub certificates: Option<Vec<CertificateFacts>>,
    /// The file systems that a run writes to, by role: `data`, `binary`, `state`.
    pub disks: BTreeMap<String, DiskFacts>,
    pub helper: HelperFacts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Surroundings>,
    /// `None` as well where nobody asked for it: it is seconds of reading on a slow disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userland: Option<UserlandFacts>,
    /// Of a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionFacts>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    Server,
    Agent,
    /// No K3s unit or process was found.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroup {
    V1,
    V2,
    Hybrid,
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFacts {
    pub total: u64,
    pub available: u64,
}

/// `systemctl show` of the K3s unit, which may be named `k3s-NAME` (install.sh, `INSTALL_K3S_NAME`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFacts {
    /// With the suffix: `k3s.service`.
    pub name: String,
    pub fragment: String,
    pub drop_ins: Vec<String>,
    /// Digest over the unit file, its drop-ins (without Belay's own) and its environment files.
    pub digest: Digest,
    /// `Type=`: `notify`, unless the installer was told otherwise.
    pub kind: String,
    pub kill_mode: String,
    pub active_state: String,
    pub sub_state: String,
    pub enabled: bool,
    pub timeout_stop: Span,
    pub main_pid: u32,
    pub invocation: String,
    pub restarts: u32,
    /// The argument vector of ExecStart, environment not expanded, secrets masked.
    pub exec: Vec<String>,
    /// How long the last start took until READY=1; `None` when it is not active.
    pub last_start: Option<Span>,
    /// Its files are others than those that systemd has read: the next `daemon-reload`, whoever asks for it, takes them into use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_reload: Option<bool>,
    /// Drop-ins in `/etc` and `/run` that were written after its last start had begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_drop_ins: Option<Vec<String>>,
}

/// The file that the unit executes: K3s' self-extracting wrapper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryFacts {
    /// As the unit names it.
    pub path: String,
    /// With symlinks resolved: the path that a swap exchanges.
    pub resolved: String,
    pub digest: Digest,
    pub size: u64,
    /// What `k3s --version` says.
    pub version: Option<K3sVersion>,
}

/// The process that serves: `data/<hash>/bin/k3s`, not the wrapper (k3s-facts §9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessFacts {
    pub pid: u32,
    pub exe: String,
    /// The `<hash>` of `data/<hash>` that it was extracted to; `None` when it runs from elsewhere.
    pub data_hash: Option<String>,
    /// Start time in clock ticks after boot (`/proc/PID/stat` field 22): with the pid it names one life.
    pub start_ticks: u64,
    pub resident: u64,
    /// Files of K3s' configuration that were written after it started, so that its next start need not be like its last one:
    /// `config.yaml`, its drop-ins, `registries.yaml`. `None` where it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_files: Option<Vec<String>>,
}

/// One of `current`, `previous` and `cni/*` under `data/`, which name the wrong version after a way back by hand (k3s-facts §9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DataLink {
    /// Relative to `data/`.
    pub name: String,
    pub target: String,
}

/// The configuration as K3s merges it, each key with the place that it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFacts {
    pub files: Vec<String>,
    /// Digest over all configuration files' bytes, in merge order.
    pub digest: Option<Digest>,
    /// In merge order; a later entry replaces earlier ones of the same key unless it adds to them ([`ConfigKey::adds`]).
    pub keys: Vec<ConfigKey>,
    /// Files that could not be read as YAML, with the reason.
    pub unreadable: Vec<String>,
}

/// Values are text as written (`0755`, `yes`, `1.20` stay what they are); secrets are masked as `(secret)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigKey {
    pub key: String,
    pub values: Vec<String>,
    /// A file, `environment` or `unit` (ExecStart).
    pub source: String,
    /// 1-based; 0 where there are no lines.
    pub line: u32,
    /// `key+:` in a file.
    pub append: bool,
}

/// Flags that may be given more than once, beside those that end in `-arg` (k3s server --help: those shown as `--tls-san value [ --tls-san value ]`).
const REPEATABLE: [&str; 11] = [
    "cluster-cidr",
    "cluster-dns",
    "disable",
    "node-external-dns",
    "node-external-ip",
    "node-internal-dns",
    "node-ip",
    "node-label",
    "node-taint",
    "service-cidr",
    "tls-san",
];

impl ConfigKey {
    /// Whether it adds to what comes before it, instead of replacing that: `key+:` does, and so does a repeatable flag of
    /// the unit, in front of which K3s puts what the files say (`pkg/configfilearg/parser.go`; seen on 1.35.4: an argument of
    /// kube-apiserver from a file and one from ExecStart were both in force).
    #[must_use]
    pub fn adds(&self) -> bool {
        let repeatable = self.key.ends_with("-arg") || REPEATABLE.contains(&self.key.as_str());
        self.append || self.source == "unit" && repeatable
    }
}

impl ConfigFacts {
    /// The values that are in force for `key`, after replacing and appending.
    #[must_use]
    pub fn effective(&self, key: &str) -> Vec<&str> {
        let mut values: Vec<&str> = Vec::new();
        for entry in self.keys.iter().filter(|entry| entry.key == key) {
            if !entry.adds() {
                values.clear();
            }
            values.extend(entry.values.iter().map(String::as_str));
        }
        values
    }

    /// The last value in force, for keys that take one.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&str> {
        self.effective(key).last().copied()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatastoreKind {
    Sqlite,
    Etcd,
    External,
}

/// What the cluster is stored in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatastoreFacts {
    pub kind: DatastoreKind,
    /// The file or directory; `None` for an external endpoint, whose address may hold a password.
    pub path: Option<String>,
    /// Bytes of all its files.
    pub size: u64,
    /// `ok`, or the first lines of what the integrity check said.
    pub integrity: Option<String>,
    /// Highest revision handed out.
    pub revision: Option<u64>,
    /// Live keys.
    pub keys: Option<u64>,
    /// Of embedded etcd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<BootstrapFacts>,
    /// By the copies that K3s' etcd takes by itself, or Belay's backups; `None` where none is a day old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
}

/// Embedded etcd as its files tell it, and its endpoint for health and metrics on 127.0.0.1:2381.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdFacts {
    /// The cluster's id in hexadecimal.
    pub cluster: Option<String>,
    /// Version of the server, such as `3.6.7`; `None` while it is down.
    pub server: Option<String>,
    /// What all members agreed upon, such as `3.6.0`.
    pub cluster_version: Option<String>,
    /// Of the files; only etcd 3.6 and later say it.
    pub storage: Option<String>,
    pub members: Vec<EtcdMember>,
    /// `NOSPACE`, `CORRUPT`.
    pub alarms: Vec<String>,
    /// What `/health` says: a leader, no alarm, and a read that was answered. `None` while it is down.
    pub healthy: Option<bool>,
    /// This member sees a leader.
    pub leader: Option<bool>,
    /// Bytes at which it stops taking writes, and bytes in use.
    pub quota: Option<u64>,
    pub in_use: Option<u64>,
    /// What 99 of 100 syncs of its log have taken at most since it started, rounded up to the buckets of
    /// `etcd_disk_wal_fsync_duration_seconds`; at least that long where it is the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_99: Option<Span>,
}

/// A member of the cluster of etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdMember {
    /// In hexadecimal.
    pub id: String,
    /// Empty until it has started once.
    pub name: String,
    pub learner: bool,
}

/// One certificate of a file, or one that a server shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFacts {
    pub path: String,
    pub subject: String,
    pub is_ca: bool,
    pub not_before: jiff::Timestamp,
    pub not_after: jiff::Timestamp,
    /// Whole days from the taking of the facts to `not_after`; negative when it is over.
    pub days_left: i64,
}

/// Bytes and inodes as `statvfs` gives them to an unprivileged writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFacts {
    pub path: String,
    pub device: u64,
    pub free: u64,
    pub total: u64,
    pub inodes_free: u64,
    pub read_only: bool,
    /// Mounted `noexec`: nothing that lies there can be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_exec: Option<bool>,
    /// What a flush of its disk has taken since the boot, on average (`/proc/diskstats`, Linux 5.5 and later); `None` where no disk of
    /// this node is under it, or nothing was flushed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush: Option<Span>,
    /// `renameat2(RENAME_EXCHANGE)` was tried in a scratch directory there.
    pub exchange: bool,
    /// `FICLONE` was tried there.
    pub reflink: bool,
}

/// The program that reads all this on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperFacts {
    pub version: String,
    /// Effective user id; anything but 0 explains many `None`s.
    pub uid: u32,
    /// An unfinished run of Belay that the node remembers.
    pub open_run: Option<String>,
}
