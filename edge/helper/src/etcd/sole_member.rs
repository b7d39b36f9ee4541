use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use belay_journal::durable;

use super::commit;
use super::members::{Member, identity};
use super::segment::{BEGINNING, FIRST, LENGTH, Segment};
use super::snapshot::{TRAILER, check_trailer};
use super::store::{DATABASE, LOG, Store, StoreError};

/// Where K3s keeps the name of its member (`pkg/etcd`, `setName`), and etcd's configuration, below `server/`.
pub(super) const NAME: &str = "db/etcd/name";
const CONFIG: &str = "db/etcd/config";

/// The only member of a cluster, to go on with what a snapshot of itself holds.
///
/// As `etcdutl snapshot restore` leaves it, except that the member and its cluster stay who they are. The snapshot's
/// database has every entry of the log of then applied, so it gets a log that begins anew, and is told that it has
/// applied the first entry of that one. A member that never wrote more than that one log has no `.snap` file either
/// (etcd 3.5 to 3.7, `bootstrapClusterWithWAL`).
pub(crate) struct SoleMember {
    snapshot: PathBuf,
    name: String,
    config: Option<Vec<u8>>,
    cluster: u64,
    node: u64,
    /// As etcd stores it.
    json: Vec<u8>,
}

impl SoleMember {
    /// Reads who it is from the snapshot, and from the `live` server directory whether that is this server's.
    ///
    /// # Errors
    /// When it is not, or one of the two cannot be read.
    pub(crate) fn of(snapshot: &Path, live: &Path) -> Result<Self, StoreError> {
        let refused = |why| StoreError::Member { path: snapshot.into(), why };
        let store = Store::open(snapshot)?;
        let mut members = Vec::new();
        if let Some(bucket) = store.bolt().bucket(b"members")? {
            store.bolt().walk(&bucket, &mut |leaf| members.push(leaf.value.clone()))?;
        }
        let [json] = members.as_slice() else {
            return Err(refused(format!("it is of a cluster with {} members, not with one", members.len())));
        };
        let member: Member = serde_json::from_slice(json)
            .map_err(|error| refused(format!("its member is not in the form of this build: {error}")))?;
        if member.learner {
            return Err(refused(format!("its only member {} is a learner", member.name)));
        }
        let path = live.join(NAME);
        let name = fs::read_to_string(&path).map_err(|source| StoreError::Read { path, source })?;
        let (cluster, node) = identity(&live.join(LOG))
            .ok_or_else(|| refused(format!("the log of etcd in {} does not say whose it is", live.display())))?;
        if (member.id, member.name.as_str()) != (node, name.trim_end()) {
            return Err(refused(format!(
                "it is of the member {} ({:x}), and this server is {} ({node:x})",
                member.name,
                member.id,
                name.trim_end(),
            )));
        }
        let config = fs::read(live.join(CONFIG)).ok();
        Ok(Self { snapshot: snapshot.into(), name, config, cluster, node, json: json.clone() })
    }

    /// Writes its `db/etcd` below `server`, where there is none, and makes all of it durable.
    ///
    /// # Errors
    /// When the snapshot is not whole, or a file cannot be written; what was written until then is left.
    pub(crate) fn write(&self, server: &Path) -> Result<(), StoreError> {
        check_trailer(&self.snapshot)?;
        let (database, log) = (server.join(DATABASE), server.join(LOG));
        let make =
            |path: &Path, made: io::Result<()>| made.map_err(|source| StoreError::Write { path: path.into(), source });
        for dir in [database.parent().unwrap_or(server), &log] {
            make(dir, durable::create_dir(dir, 0o700))?;
        }
        make(&database, self.copy_database(&database))?;
        // Also reads it to its end, and syncs it.
        let beginning = BEGINNING.to_be_bytes().to_vec();
        commit::set(&database, b"meta", &[(b"consistent_index", beginning.clone()), (b"term", beginning)])?;
        let segment = log.join(FIRST);
        make(&segment, self.write_log(&segment))?;
        let small = [(NAME, Some(self.name.as_bytes())), (CONFIG, self.config.as_deref())];
        for (name, content) in small {
            let path = server.join(name);
            make(&path, content.map_or(Ok(()), |content| durable::replace(&path, content, 0o600)))?;
        }
        make(&database, durable::sync_parent(&database))
    }

    fn copy_database(&self, to: &Path) -> io::Result<()> {
        let from = File::open(&self.snapshot)?;
        let length = from.metadata()?.len().saturating_sub(TRAILER);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        io::copy(&mut from.take(length), &mut file).map(|_| ())
    }

    fn write_log(&self, to: &Path) -> io::Result<()> {
        let segment = Segment::of_new_cluster(self.cluster, self.node, &self.json);
        durable::replace(to, &segment.into_bytes(), 0o600)?;
        let file = OpenOptions::new().write(true).open(to)?;
        file.set_len(LENGTH)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::*;
    use crate::etcd::fixture::{CLUSTER, Etcd, MEMBER, snapshot};
    use crate::etcd::store::raise_revision;

    struct Given {
        dir: tempfile::TempDir,
        etcd: Etcd,
    }

    impl Given {
        /// A server that goes on after its snapshot.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut etcd = Etcd::new();
            for n in 0..40 {
                etcd.put(&format!("/registry/configmaps/default/n{n}"), &"x".repeat(n * 40));
            }
            etcd.meta.insert("consistent_index", 90_000_u64.to_be_bytes().to_vec());
            etcd.meta.insert("term", 7_u64.to_be_bytes().to_vec());
            let given = Self { dir, etcd: etcd.clone() };
            given.snapshot(&etcd);
            etcd.put("/registry/configmaps/default/later", "x");
            etcd.log_put("/registry/configmaps/default/last", "x");
            etcd.write(&given.live());
            fs::write(given.live().join(CONFIG), "name: n0\n").unwrap();
            given
        }

        fn live(&self) -> PathBuf {
            self.dir.path().join("live")
        }

        fn stored(&self) -> PathBuf {
            self.dir.path().join("snapshot.db")
        }

        fn snapshot(&self, etcd: &Etcd) {
            let then = self.dir.path().join("then");
            etcd.write(&then);
            fs::write(self.stored(), snapshot(&then)).unwrap();
        }

        fn made(&self) -> Result<PathBuf, StoreError> {
            let to = self.dir.path().join("made");
            SoleMember::of(&self.stored(), &self.live())?.write(&to)?;
            Ok(to)
        }

        #[track_caller]
        fn refusal(&self) -> String {
            let error = SoleMember::of(&self.stored(), &self.live()).err().expect("it was accepted");
            assert!(matches!(error, StoreError::Member { .. }), "{error}");
            error.to_string()
        }
    }

    #[test]
    fn a_member_goes_on_from_its_snapshot_with_an_empty_log() {
        let given = Given::new();
        let then = Store::open(&given.stored()).unwrap();
        let server = given.made().unwrap();
        let made = Store::of_server(&server).unwrap();
        assert_eq!((made.revision().unwrap(), made.keys().unwrap()), (42, 40));
        assert_eq!((made.root().unwrap(), made.check().unwrap().as_str()), (then.root().unwrap(), "ok"));
        assert!(made.is_complete());
        // All that its log says is in the database already, and nothing else counts as applied.
        assert_eq!(made.consistent_index().unwrap(), 1);
        assert_eq!(made.meta_value("term").unwrap(), Some(1_u64.to_be_bytes().to_vec()));
        assert_eq!(identity(&server.join(LOG)), Some((CLUSTER, MEMBER)));
        assert_eq!(fs::read_to_string(server.join(NAME)).unwrap(), "n0");
        assert_eq!(fs::read_to_string(server.join(CONFIG)).unwrap(), "name: n0\n");
        let log = fs::metadata(server.join(LOG).join(FIRST)).unwrap();
        assert_eq!((log.len(), log.permissions().mode() & 0o777), (LENGTH, 0o600));
        for (name, mode) in [(DATABASE, 0o600), (LOG, 0o700), ("db/etcd", 0o700), ("db/etcd/member/snap", 0o700)] {
            assert_eq!(fs::metadata(server.join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
        }
        raise_revision(&server, 5000).unwrap();
        assert_eq!(Store::of_server(&server).unwrap().revision().unwrap(), 5000);
        assert!(given.made().is_err(), "never into what is there");
    }

    #[test]
    fn a_snapshot_of_somebody_else_is_refused_by_name() {
        let mut given = Given::new();
        given.etcd.members = 3;
        given.snapshot(&given.etcd);
        assert!(given.refusal().contains("3 members"));
        given.etcd.members = 0;
        given.snapshot(&given.etcd);
        assert!(given.refusal().contains("0 members"));
        let given = Given::new();
        fs::write(given.live().join(NAME), "another-1a2b3c4d").unwrap();
        let said = given.refusal();
        assert!(said.contains("the member n0 (abc)") && said.contains("another-1a2b3c4d (abc)"), "{said}");
        let given = Given::new();
        fs::write(given.live().join(LOG).join(FIRST), [0; 512]).unwrap();
        assert!(given.refusal().contains("does not say whose it is"));
    }

    #[test]
    fn what_is_no_whole_snapshot_makes_no_member() {
        let given = Given::new();
        let whole = fs::read(given.stored()).unwrap();
        let middle = whole.len() / 2;
        let mut flipped = whole.clone();
        flipped[middle] ^= 1;
        for harm in [&whole[..middle], &whole[..whole.len() - 32], b"", &flipped] {
            fs::write(given.stored(), harm).unwrap();
            assert!(given.made().is_err());
            assert!(!given.dir.path().join("made").exists());
        }
        fs::write(given.stored(), [b"PK\x03\x04", whole.as_slice()].concat()).unwrap();
        let said = check_trailer(&given.stored()).unwrap_err().to_string();
        assert!(said.contains("it is compressed"), "{said}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Also where the hash at its end holds.
        #[test]
        fn no_snapshot_makes_it_panic(
            harm in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        ) {
            use sha2::Digest as _;
            let given = Given::new();
            let mut bytes = fs::read(given.stored()).unwrap();
            bytes.truncate(bytes.len() - TRAILER as usize);
            for (at, with) in &harm {
                let at = at.index(bytes.len());
                bytes[at] = *with;
            }
            let hash = sha2::Sha256::digest(&bytes);
            bytes.extend_from_slice(&hash);
            fs::write(given.stored(), bytes).unwrap();
            if let Ok(server) = given.made() {
                prop_assert_eq!(Store::of_server(&server).unwrap().consistent_index().unwrap(), 1);
            }
        }
    }
}
