//! `inspect`: everything that is true on this node, read and not judged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use belay_facts::{
    BinaryFacts, BootstrapFacts, Cgroup, ConfigFacts, DatastoreFacts, DatastoreKind, Digest, DiskFacts, HelperFacts,
    K3sVersion, MemoryFacts, NodeFacts, NodeRole, TokenFit, UnitFacts,
};
use belay_wire::{Fault, Inspection, PemFile};

use crate::command::run_well;
use crate::config::masked_argv;
use crate::digests::digest_file;
use crate::disk::disk_facts;
use crate::encryption::encryption;
use crate::etcd;
use crate::flush::mean_flush;
use crate::growth::growth;
use crate::newer_files::NewerFiles;
use crate::process::{kilobytes, process_facts};
use crate::sqlite::Database;
use crate::unit::Unit;
use crate::{Installation, Now, Places, bootstrap, links, node_run, surroundings};

/// How long the integrity check of a datastore may take here; `prove-backup` takes what it needs.
const CHECK: Duration = Duration::from_secs(20);

/// Reads all facts of the node.
///
/// # Errors
/// When systemd does not answer. Everything else that cannot be read is `None`, with a note.
pub fn inspect(places: &Places) -> Result<Inspection, Fault> {
    let mut notes = Vec::new();
    let uid = rustix::process::geteuid().as_raw();
    let init = text(&places.proc.join("1/comm")).unwrap_or_default();
    let found = if init == "systemd" || init.is_empty() { Installation::find(places)? } else { None };
    if let Some(found) = &found
        && !found.others.is_empty()
    {
        notes.push(format!("other units run K3s as well: {}", found.others.join(", ")));
    }
    let data_dir = found.as_ref().map_or_else(|| places.default_data_dir.clone(), |found| found.data_dir.clone());
    let binary = found.as_ref().and_then(|found| binary_facts(&found.unit, &mut notes));
    let newer = found.as_ref().map(|found| NewerFiles::find(places, found)).unwrap_or_default();
    let process = found.as_ref().filter(|f| f.unit.main_pid != 0).and_then(|f| {
        let mut process = process_facts(places, f.unit.main_pid, &data_dir)?;
        process.newer_files = newer.config;
        Some(process)
    });
    let datastore = found.as_ref().filter(|found| found.role == NodeRole::Server).and_then(|found| {
        let mut facts = datastore_facts(found, &mut notes)?;
        facts.growth = growth(places, found, facts.kind);
        Some(facts)
    });
    let config = found.as_ref().map_or_else(ConfigFacts::default, |found| found.config.facts());
    // K3s lowers both, as Kubernetes asks for it (util.GetHostnameAndIPs).
    let hostname = text(&places.proc.join("sys/kernel/hostname")).unwrap_or_default().to_lowercase();
    let name = config.last("node-name").map_or(hostname, str::to_lowercase);
    let disks = disks(places, &data_dir, binary.as_ref(), uid == 0, &mut notes);
    let node = NodeFacts {
        name,
        role: found.as_ref().map_or(NodeRole::None, |found| found.role),
        boot_id: Now::read(places).boot_id,
        arch: arch().to_owned(),
        kernel: text(&places.proc.join("sys/kernel/osrelease")).unwrap_or_default(),
        os: os_name(places).unwrap_or_default(),
        init,
        cgroup: cgroup(places),
        memory: memory(places),
        data_dir: data_dir.to_string_lossy().into_owned(),
        unit: found.as_ref().map(|found| unit_facts(&found.unit, newer.drop_ins)),
        binary,
        process,
        data_links: links::data_links(&data_dir),
        config,
        datastore,
        certificates: None,
        disks,
        helper: HelperFacts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uid,
            open_run: node_run::open_runs(places).into_iter().next().map(|run| run.id),
        },
        userland: None,
        encryption: found
            .as_ref()
            .filter(|found| found.role == NodeRole::Server)
            .and_then(|found| encryption(&found.data_dir.join("server"))),
        around: Some(surroundings::look(places, &data_dir, found.as_ref())),
    };
    Ok(Inspection { certificates: certificates(&data_dir, &mut notes), node, notes })
}

/// A small file's text, trimmed.
fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn os_name(places: &Places) -> Option<String> {
    let release = text(&places.etc.join("os-release"))?;
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches(['"', '\'']).to_owned())
}

fn cgroup(places: &Places) -> Option<Cgroup> {
    let root = places.sys.join("fs/cgroup");
    match () {
        () if root.join("cgroup.controllers").exists() => Some(Cgroup::V2),
        () if root.join("unified/cgroup.controllers").exists() => Some(Cgroup::Hybrid),
        () if root.is_dir() => Some(Cgroup::V1),
        () => None,
    }
}

pub(crate) fn memory(places: &Places) -> Option<MemoryFacts> {
    let info = text(&places.proc.join("meminfo"))?;
    let bytes = |key: &str| kilobytes(info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?);
    Some(MemoryFacts { total: bytes("MemTotal")?, available: bytes("MemAvailable")? })
}

fn unit_facts(unit: &Unit, newer_drop_ins: Option<Vec<String>>) -> UnitFacts {
    // Belay's own drop-in comes and goes with a run; it must not make a plan stale.
    let drop_ins: Vec<String> =
        unit.drop_ins.iter().filter(|path| !path.ends_with(belay_wire::INTERLOCK)).cloned().collect();
    let mut files = vec![unit.fragment.clone()];
    files.extend(drop_ins.iter().cloned());
    files.extend(unit.environment_files.iter().cloned());
    let mut bytes = Vec::new();
    for file in &files {
        bytes.extend_from_slice(file.as_bytes());
        bytes.push(0);
        bytes.extend(fs::read(file).unwrap_or_default());
    }
    UnitFacts {
        name: unit.name.clone(),
        fragment: unit.fragment.clone(),
        drop_ins,
        digest: Digest::of(&bytes),
        kind: unit.kind.clone(),
        kill_mode: unit.kill_mode.clone(),
        active_state: unit.active_state.clone(),
        sub_state: unit.sub_state.clone(),
        enabled: unit.enabled,
        timeout_stop: unit.timeout_stop,
        main_pid: unit.main_pid,
        invocation: unit.invocation.clone(),
        restarts: unit.restarts,
        exec: masked_argv(&unit.exec),
        last_start: unit.last_start,
        needs_reload: Some(unit.needs_reload),
        newer_drop_ins,
    }
}

fn binary_facts(unit: &Unit, notes: &mut Vec<String>) -> Option<BinaryFacts> {
    let path = unit.program()?.to_owned();
    let resolved = match fs::canonicalize(&path) {
        Ok(resolved) => resolved,
        Err(error) => {
            notes.push(format!("the binary {path} could not be resolved: {error}"));
            return None;
        }
    };
    let (digest, size) = match digest_file(&resolved) {
        Ok(read) => read,
        Err(error) => {
            notes.push(format!("the binary {path} could not be read: {error}"));
            return None;
        }
    };
    // The installed binary runs already; running `--version` of it adds no trust, and its wrapper extracts nothing.
    let version = match run_well(Command::new(&resolved).arg("--version"), Duration::from_secs(30)) {
        Ok(output) => stated_version(&output.stdout),
        Err(error) => {
            notes.push(format!("the version of {path} could not be asked for: {error}"));
            None
        }
    };
    Some(BinaryFacts { path, resolved: resolved.to_string_lossy().into_owned(), digest, size, version })
}

/// The tag in `k3s version v1.36.1+k3s1 (706aea60)`.
pub(crate) fn stated_version(text: &str) -> Option<K3sVersion> {
    text.split_whitespace().find_map(|word| word.parse().ok())
}

/// Which datastore a server uses: an endpoint that it was given, else embedded etcd where its directory is.
pub(crate) fn datastore_kind(found: &Installation) -> DatastoreKind {
    match found.config.last("datastore-endpoint").filter(|endpoint| !endpoint.is_empty()) {
        Some(endpoint) if !endpoint.starts_with("sqlite://") => DatastoreKind::External,
        _ if found.data_dir.join("server/db/etcd").is_dir() => DatastoreKind::Etcd,
        _ => DatastoreKind::Sqlite,
    }
}

fn datastore_facts(found: &Installation, notes: &mut Vec<String>) -> Option<DatastoreFacts> {
    let kind = datastore_kind(found);
    let mut facts = DatastoreFacts {
        kind,
        path: None,
        size: 0,
        integrity: None,
        revision: None,
        keys: None,
        etcd: None,
        bootstrap: None,
        growth: None,
    };
    let db = found.data_dir.join("server/db");
    match kind {
        DatastoreKind::External => {}
        DatastoreKind::Etcd => {
            facts.size = size_of(&db.join("etcd"));
            facts.path = Some(db.join("etcd").to_string_lossy().into_owned());
            let server = found.data_dir.join("server");
            match etcd::facts(&server) {
                Ok(told) => facts.etcd = Some(told),
                Err(error) => notes.push(error.to_string()),
            }
            match etcd::content(&server) {
                Ok(None) => {
                    notes.push(
                        "whether the token fits the datastore is not known: it is too large to be read here".into(),
                    );
                    facts.bootstrap = Some(BootstrapFacts { token: TokenFit::Unread, differing: None });
                }
                Ok(Some(content)) => {
                    facts.revision = Some(content.revision);
                    facts.keys = Some(content.keys);
                    facts.integrity = Some(content.integrity);
                    facts.bootstrap = bootstrap_facts(found, kind, &content.bootstrap, notes);
                }
                Err(error) => notes.push(error.to_string()),
            }
        }
        DatastoreKind::Sqlite => {
            let path = db.join("state.db");
            if !path.is_file() {
                notes.push(format!("no datastore is seen at {}", path.display()));
                return None;
            }
            facts.size = ["state.db", "state.db-wal"].iter().map(|name| size_of(&db.join(name))).sum();
            facts.path = Some(path.to_string_lossy().into_owned());
            let read = Database::read_only(&path).and_then(|database| {
                facts.revision = Some(database.revision()?);
                facts.keys = Some(database.keys()?);
                facts.bootstrap = bootstrap_facts(found, kind, &database.below(bootstrap::PREFIX)?, notes);
                facts.integrity = database.quick_check(CHECK)?;
                Ok(())
            });
            if let Err(error) = read {
                notes.push(error.to_string());
            }
        }
    }
    Some(facts)
}

fn bootstrap_facts(
    found: &Installation,
    kind: DatastoreKind,
    rows: &[bootstrap::Row],
    notes: &mut Vec<String>,
) -> Option<BootstrapFacts> {
    let told = bootstrap::facts(&found.config, &found.data_dir.join("server"), kind, rows);
    told.map_err(|why| notes.push(format!("whether the token fits the datastore is not known: {why}"))).ok()
}

/// Bytes of a file, or of all regular files below a directory; links are not followed.
pub(crate) fn size_of(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size_of(&entry.path())).sum()
}

fn disks(
    places: &Places,
    data_dir: &Path,
    binary: Option<&BinaryFacts>,
    root: bool,
    notes: &mut Vec<String>,
) -> BTreeMap<String, DiskFacts> {
    let binary = binary.and_then(|binary| Path::new(&binary.resolved).parent().map(Path::to_path_buf));
    let roles = [("data", Some(data_dir.to_path_buf())), ("binary", binary), ("state", Some(places.state.clone()))];
    let mut disks = BTreeMap::new();
    for (role, path) in roles.into_iter().filter_map(|(role, path)| Some((role, path?))) {
        match disk_facts(&path, root) {
            Ok(mut facts) => {
                facts.flush = mean_flush(places, &path);
                disks.insert(role.to_owned(), facts);
            }
            Err(error) => notes.push(format!("the file system of {} could not be asked: {error}", path.display())),
        }
    }
    disks
}

/// Public certificates of the server and of the agent, never a key.
fn certificates(data_dir: &Path, notes: &mut Vec<String>) -> Vec<PemFile> {
    let tls = data_dir.join("server/tls");
    let below = fs::read_dir(&tls).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut dirs: Vec<PathBuf> = below.filter(|path| path.is_dir()).collect();
    dirs.extend([tls, data_dir.join("agent")]);
    let entries = dirs.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ext| ext == "crt")).collect();
    files.sort_unstable();
    let mut pems = Vec::new();
    for path in files {
        let name = path.to_string_lossy().into_owned();
        match fs::read_to_string(&path) {
            Ok(pem) => pems.push(PemFile { path: name, pem: public_part(&pem) }),
            Err(error) => notes.push(format!("the certificate {name} could not be read: {error}")),
        }
    }
    pems
}

/// Only the certificates of a PEM file, in case somebody keeps a key beside them.
fn public_part(pem: &str) -> String {
    let (mut kept, mut inside) = (String::new(), false);
    for line in pem.lines() {
        inside |= line == "-----BEGIN CERTIFICATE-----";
        if inside {
            kept.push_str(line);
            kept.push('\n');
        }
        inside &= line != "-----END CERTIFICATE-----";
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_beside_a_certificate_stays_on_the_node() {
        let pem = "-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\nnote\n";
        assert_eq!(public_part(pem), "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n");
    }

    #[test]
    fn the_version_is_the_whole_tag() {
        let version = stated_version("k3s version v1.36.1+k3s1 (706aea60)\ngo version go1.26.8\n");
        assert_eq!(version.unwrap().tag(), "v1.36.1+k3s1");
        assert_eq!(stated_version("k3s version dev\n"), None);
    }
}
