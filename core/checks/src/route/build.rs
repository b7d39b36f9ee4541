use std::fmt;

use belay_facts::{DatastoreKind, K3sVersion};

use super::Standing;
use crate::{Hazard, Releases, Severity};

/// One build as the path finder sees it: what the tables say of its tag, for one kind of datastore.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) tag: K3sVersion,
    pub(super) etcd: Option<Etcd>,
    /// Why it must not be gone to: it is known to be bad, or not known at all.
    pub(super) bad: Option<String>,
    /// What is to be known before going there.
    pub(super) problems: Vec<Hazard>,
}

/// A version of etcd, in order. Fields: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Etcd(pub(super) u32, pub(super) u32, pub(super) u32);

impl Etcd {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => Some(Self(major, minor, patch)),
            _ => None,
        }
    }
}

impl fmt::Display for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Build {
    /// A build that could be gone to.
    pub(super) fn of(releases: &Releases, tag: &K3sVersion, datastore: Option<DatastoreKind>) -> Self {
        let release = releases.look_up(tag);
        let concerns =
            |hazard: &Hazard| hazard.datastore == "any" || datastore.is_none_or(|kind| hazard.datastore == name(kind));
        let (bad, problems): (Vec<_>, Vec<_>) =
            release.hazards.into_iter().filter(concerns).partition(|hazard| hazard.severity == Severity::Block);
        let bad = if !release.known {
            let newest = release.latest.map(|latest| format!(", the newest of its minor that is known is {latest}"));
            Some(format!("nothing is known here about {tag}, as of {}{}", releases.as_of, newest.unwrap_or_default()))
        } else if !releases.exists(tag) {
            Some(format!("no release {tag} is known to exist"))
        } else {
            let told = bad.first().map(|hazard| format!("{} (repaired in {})", hazard.problem, hazard.fixed));
            told.map(|told| format!("{tag} is known to be bad: {told}"))
        };
        Self { tag: tag.clone(), etcd: release.etcd.as_deref().and_then(Etcd::parse), bad, problems }
    }

    /// What runs now: whatever is wrong with it, a ladder may begin there.
    pub(super) fn start(releases: &Releases, from: &Standing) -> Self {
        let etcd = from.etcd(releases).as_deref().and_then(Etcd::parse);
        Self { tag: from.tag.clone(), etcd, bad: None, problems: Vec::new() }
    }
}

/// As the tables spell it.
const fn name(kind: DatastoreKind) -> &'static str {
    match kind {
        DatastoreKind::Sqlite => "sqlite",
        DatastoreKind::Etcd => "etcd",
        DatastoreKind::External => "external",
    }
}
