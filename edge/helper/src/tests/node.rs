use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use belay_facts::{DatastoreKind, Digest, Span, WayClass};
use belay_wire::{ArtifactSpec, Fault, FaultKind, Mutation, NodeTarget, Op, Reply, StepProbe, Way};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::digests::SeenDigests;
use crate::mutate::mutate;
use crate::serve::Channel;
use crate::{NodeRun, Places};

mod stubs;

pub use stubs::{hash_of, k3s};

pub const RUN: &str = "2026-11-23-3fa9";
pub const OLD: &str = "v1.35.4+k3s1";
pub const NEW: &str = "v1.36.3+k3s1";
/// The lease of design.md's own example.
pub const LEASE: Span = Span::seconds(210);

/// A node with a running K3s 1.35.
pub struct Node {
    pub root: Root,
    pub places: Places,
    pub target: NodeTarget,
    pub generation: u64,
    pub run: String,
    pub artifact: PathBuf,
    /// What the helper's process has hashed.
    pub digests: SeenDigests,
}

/// The directory that a node lives in: its own, which goes with it, or one that is there.
pub enum Root {
    Own(tempfile::TempDir),
    There(PathBuf),
}

impl Root {
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(dir) => dir.path(),
            Self::There(dir) => dir,
        }
    }
}

/// Nobody listens, and nobody sends.
pub struct Quiet(pub Vec<Vec<u8>>);

impl Channel for Quiet {
    fn progress(&mut self, _: &str, _: u64, _: u64) {}
    fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(if self.0.is_empty() { Vec::new() } else { self.0.remove(0) })
    }
    fn finish_bytes(&mut self) {}
    fn orphaned(&self) -> bool {
        false
    }
}

impl Node {
    pub fn new() -> Self {
        Self::with(Root::Own(tempfile::tempdir().unwrap()))
    }

    /// The same in a directory that is there and empty.
    pub fn with(root: Root) -> Self {
        // Every test here must be able to fail: `./dev crash --mutants` runs them with a bug switched on.
        #[cfg(feature = "mutants")]
        if let Some(mutant) = std::env::var("BELAY_MUTANT").ok().and_then(|name| belay_facts::Mutant::named(&name)) {
            belay_facts::mutate(Some(mutant));
        }
        let at = |path: &str| root.path().join(path);
        let write = |path: &str, text: &str, mode: u32| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
            fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        let name = root.path().to_string_lossy().into_owned();
        write("bin/systemctl", &stubs::SYSTEMCTL.replace("ROOT", &name), 0o755);
        write("bin/journalctl", "#!/bin/sh\necho 'level=fatal msg=\"no luck\"'\n", 0o755);
        write("bin/belay-helper", "the helper", 0o755);
        write("bin/k3s", &k3s(OLD), 0o755);
        write("artifact", &k3s(NEW), 0o644);
        write("unit/state", "active=active\nsub=running\nresult=success\ninvocation=1\nrestarts=0\n", 0o644);
        write("proc/uptime", "100.00 50.00\n", 0o644);
        write("proc/sys/kernel/random/boot_id", "boot-1\n", 0o644);
        write("etc/systemd/system/k3s.service", &format!("[Service]\nExecStart={name}/bin/k3s server\n"), 0o644);
        write("etc/systemd/system/k3s.service.env", "K3S_TOKEN=password\n", 0o600);
        write("etc/rancher/k3s/config.yaml", "write-kubeconfig-mode: 0644\n", 0o644);
        write("etc/rancher/node/password", "node-password\n", 0o600);
        write("k3s/server/token", "K10abc::server:password\n", 0o600);
        write("k3s/server/tls/client-admin.crt", "certificate\n", 0o644);
        write("k3s/server/cred/passwd", "passwd\n", 0o600);
        write("k3s/server/manifests/ccm.yaml", "old ccm\n", 0o600);
        write("k3s/server/manifests/mine.yaml", "mine\n", 0o600);
        write("k3s/server/db/snapshots/first", "snapshot\n", 0o600);
        symlink(at("k3s/server/token"), at("k3s/server/node-token")).unwrap();
        let old = at("k3s/data").join(hash_of(OLD));
        write(&format!("k3s/data/{}/bin/k3s", hash_of(OLD)), &format!("inner {OLD}"), 0o755);
        let sums = format!("{}  k3s\n", Digest::of(format!("inner {OLD}").as_bytes()).hex());
        write(&format!("k3s/data/{}/bin/.sha256sums", hash_of(OLD)), &sums, 0o644);
        write(&format!("k3s/data/{}/bin/.links", hash_of(OLD)), "kubectl k3s\n", 0o644);
        symlink("k3s", old.join("bin/kubectl")).unwrap();
        symlink(&old, at("k3s/data/current")).unwrap();
        fs::create_dir(at("k3s/data/cni")).unwrap();
        symlink(old.join("bin/cni"), at("k3s/data/cni/cni")).unwrap();
        let digest = |path: &str| Digest::of(&fs::read(at(path)).unwrap());
        let target = NodeTarget {
            unit: "k3s.service".into(),
            binary: at("bin/k3s").to_string_lossy().into_owned(),
            data_dir: at("k3s").to_string_lossy().into_owned(),
            datastore: DatastoreKind::Sqlite,
            old: digest("bin/k3s"),
            old_version: OLD.parse().unwrap(),
            new: digest("artifact"),
            new_version: NEW.parse().unwrap(),
            timeout_stop: Span::seconds(90),
            way_back: WayClass::Keep,
        };
        let node = Self {
            places: Places::under(root.path()),
            artifact: at("artifact"),
            root,
            target,
            generation: 1,
            run: RUN.into(),
            digests: SeenDigests::default(),
        };
        let database = node.database();
        database
            .execute_batch(
                "CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
                 create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
                 CREATE INDEX kine_name_index ON kine (name);",
            )
            .unwrap();
        drop(database);
        node.put("compact_rev_key", "");
        for name in ["kept", "changed", "deleted"] {
            node.put(&format!("/registry/configmaps/default/{name}"), "one");
        }
        node.put("/registry/leases/kube-node-lease/n1", "beat");
        node
    }

    /// This node, as its disk is now.
    pub fn again(&self) -> Self {
        Self {
            root: Root::There(self.root.path().to_owned()),
            places: self.places.clone(),
            target: self.target.clone(),
            generation: self.generation,
            run: self.run.clone(),
            artifact: self.artifact.clone(),
            digests: SeenDigests::default(),
        }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// The live database as K3s has it open: in WAL mode, and with the log left behind when it is closed.
    pub fn database(&self) -> Connection {
        let connection = Connection::open(self.path("k3s/server/db/state.db")).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        connection
    }

    fn row(&self, name: &str, value: &str, deleted: bool) -> u64 {
        let database = self.database();
        database
            .execute(
                "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
                 VALUES(?1, 0, ?2, 0, 0, 0, CAST(?3 AS BLOB), NULL)",
                (name, deleted, value),
            )
            .unwrap();
        u64::try_from(database.last_insert_rowid()).unwrap()
    }

    pub fn put(&self, name: &str, value: &str) -> u64 {
        self.row(name, value, false)
    }

    pub fn delete(&self, name: &str) -> u64 {
        self.row(name, "", true)
    }

    /// Live keys with their values, read from a copy of the database so that nothing of it is touched.
    pub fn live(&self) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["state.db", "state.db-wal"] {
            let from = self.path("k3s/server/db").join(name);
            if from.exists() {
                fs::copy(from, dir.path().join(name)).unwrap();
            }
        }
        let copy = Connection::open(dir.path().join("state.db")).unwrap();
        let sql = "SELECT name, CAST(value AS TEXT) FROM kine k JOIN (SELECT MAX(id) AS id FROM kine GROUP BY name) m
                   ON k.id = m.id WHERE deleted = 0 ORDER BY name";
        let mut statement = copy.prepare(sql).unwrap();
        let rows =
            statement.query_map((), |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default())));
        rows.unwrap().map(Result::unwrap).collect()
    }

    pub fn mutation(&self, op: Op, way: Way) -> Mutation {
        Mutation {
            channel: 0,
            run: self.run.clone(),
            generation: self.generation,
            step: "n1.step".into(),
            way,
            target: self.target.clone(),
            deadline: Span::seconds(20),
            op,
        }
    }

    pub fn ask(&self, op: Op) -> Result<Reply, Fault> {
        mutate(&self.places, &self.mutation(op, Way::Do), &mut Quiet(Vec::new()), &self.digests)
    }

    #[track_caller]
    pub fn act(&self, op: Op) -> Reply {
        self.ask(op.clone()).unwrap_or_else(|fault| panic!("{op:?}: {fault:?}"))
    }

    #[track_caller]
    pub fn fault(&self, op: Op, kind: FaultKind) -> String {
        let fault = self.ask(op.clone()).expect_err("it should have been refused");
        assert_eq!(fault.kind, kind, "{op:?}: {}", fault.message);
        fault.message
    }

    #[track_caller]
    pub fn probe(&self, op: Op) -> StepProbe {
        match mutate(&self.places, &self.mutation(op, Way::Probe), &mut Quiet(Vec::new()), &self.digests) {
            Ok(Reply::Probe(probe)) => probe,
            other => panic!("{other:?}"),
        }
    }

    pub fn fence(&self) -> Op {
        Op::Fence { plan: Digest::of(b"plan"), reserve: 64 * 1024 }
    }

    pub fn stage(&self) -> Op {
        let artifact = ArtifactSpec {
            tag: NEW.parse().unwrap(),
            digest: self.target.new,
            size: fs::metadata(&self.artifact).unwrap().len(),
        };
        Op::Stage { artifact, have: Some(self.artifact.to_string_lossy().into_owned()) }
    }

    /// Does the first `count` of the steps of an upgrade.
    pub fn forward(&self, count: usize) {
        for op in self.steps().into_iter().take(count) {
            self.act(op);
        }
    }

    /// The steps of an upgrade with the guard in its place: armed before the stop.
    pub fn guarded_steps(&self) -> Vec<Op> {
        let mut steps = self.steps();
        steps.insert(4, Op::ArmGuard { lease: LEASE });
        steps
    }

    /// As much later on the boot clock.
    pub fn later(&self, span: Span) {
        let path = self.path("proc/uptime");
        let text = fs::read_to_string(&path).unwrap();
        let up: f64 = text.split(' ').next().unwrap().parse().unwrap();
        fs::write(path, format!("{:.2} 50.00\n", up + span.duration().as_secs_f64())).unwrap();
    }

    /// A boot some seconds ago that started K3s from whatever is at its path, as a unit that is enabled does.
    pub fn boot_with_k3s(&self) {
        self.boot();
        let _ = fs::remove_dir_all(self.path("run/belay"));
        fs::write(self.path("proc/uptime"), "10.00 5.00\n").unwrap();
        let said = crate::recover::recover(&self.places);
        assert_eq!(said.len(), 1, "{said:?}");
        if !self.path("k3s/.belay-put-back").exists() {
            self.set_unit("active=active\nsub=running\nresult=success\ninvocation=900\nrestarts=0\n");
        }
        assert!(crate::guard(&self.places).is_empty(), "the first look after a boot begins the lease again");
    }

    pub fn active(&self) -> bool {
        fs::read_to_string(self.path("unit/state")).unwrap().starts_with("active=active")
    }

    pub fn steps(&self) -> Vec<Op> {
        let steps = [Op::Backup, Op::ProveBackup, Op::Stop, Op::Keep, Op::Swap, Op::Start];
        [self.fence(), self.stage()].into_iter().chain(steps).collect()
    }

    pub fn folded(&self) -> NodeRun {
        self.folded_of(&self.run)
    }

    pub fn folded_of(&self, run: &str) -> NodeRun {
        NodeRun::read(&self.places, run).unwrap().unwrap()
    }

    pub fn set_unit(&self, state: &str) {
        fs::write(self.path("unit/state"), state).unwrap();
    }

    /// As after a power cut and a boot that has not come to K3s yet.
    pub fn boot(&self) {
        let boot = fs::read_to_string(self.path("proc/sys/kernel/random/boot_id")).unwrap();
        fs::write(self.path("proc/sys/kernel/random/boot_id"), format!("{}+\n", boot.trim())).unwrap();
        self.set_unit("active=inactive\nsub=dead\nresult=success\ninvocation=\nrestarts=0\n");
    }

    pub fn version(&self) -> &'static str {
        match Digest::of(&fs::read(self.path("bin/k3s")).unwrap()) {
            digest if digest == self.target.old => OLD,
            digest if digest == self.target.new => NEW,
            _ => "neither",
        }
    }

    pub fn current(&self) -> PathBuf {
        fs::read_link(self.path("k3s/data/current")).unwrap()
    }

    pub fn jobs(&self) -> String {
        fs::read_to_string(self.path("unit/jobs")).unwrap_or_default()
    }
}

/// Every name below `dir` with what it is, without what SQLite and the run make up.
pub fn listing(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let name = entry.path().strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            if name.ends_with("-shm") || name.ends_with("-wal") {
                continue;
            }
            if kind.is_dir() {
                todo.push(entry.path());
                names.push(format!("{name}/"));
            } else if kind.is_symlink() {
                names.push(format!("{name} -> {}", fs::read_link(entry.path()).unwrap().display()));
            } else if name.ends_with("state.db") {
                names.push(name);
            } else {
                names.push(format!("{name} {}", Digest::of(&fs::read(entry.path()).unwrap()).short(8)));
            }
        }
    }
    names.sort();
    names
}
