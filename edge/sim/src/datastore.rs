//! The datastore of a simulated K3s: a file and its write-ahead log, one line a change.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Platter;

/// Who wrote the data last, as far as another version cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schema {
    /// What the version before the run wrote.
    Before,
    /// What the version after an upgrade across a minor has migrated.
    Migrated,
    /// An earlier state, that a restore brings back.
    Earlier,
}

/// What a datastore says when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datastore {
    pub schema: Schema,
    pub revision: u64,
    pub objects: BTreeSet<u32>,
}

impl Datastore {
    /// `None` when there is none, or it cannot be read.
    #[must_use]
    pub fn read(platter: &Platter, server: &Path) -> Option<Self> {
        let file = platter.read(&server.join("db")).ok()?;
        let mut read = Self { schema: Schema::Before, revision: 0, objects: BTreeSet::new() };
        let head = file.split(|byte| *byte == b'\n').next()?;
        if head != b"kube-system" || !file.ends_with(b"\n") {
            return None;
        }
        read.fold(file);
        if let Ok(log) = platter.read(&server.join("wal")) {
            read.fold(whole_lines(log));
        }
        Some(read)
    }

    fn fold(&mut self, lines: &[u8]) {
        for line in String::from_utf8_lossy(lines).lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next().and_then(|word| word.parse::<u64>().ok())) {
                (Some("put"), Some(object)) => {
                    self.revision += 1;
                    self.objects.insert(u32::try_from(object).unwrap_or(u32::MAX));
                }
                (Some("rev"), Some(revision)) => self.revision = self.revision.max(revision),
                (Some("schema"), Some(1)) => self.schema = Schema::Migrated,
                (Some("schema"), Some(2)) => self.schema = Schema::Earlier,
                _ => {}
            }
        }
    }

    /// One file without a log, as a backup has it.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut text = String::from("kube-system\n");
        for object in &self.objects {
            text.push_str(&format!("put {object}\n"));
        }
        match self.schema {
            Schema::Before => {}
            Schema::Migrated => text.push_str("schema 1\n"),
            Schema::Earlier => text.push_str("schema 2\n"),
        }
        text.push_str(&format!("rev {}\n", self.revision));
        text.into_bytes()
    }
}

/// What a start takes from a log whose last line may be torn.
#[must_use]
pub fn whole_lines(log: &[u8]) -> &[u8] {
    let end = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    log.get(..end).unwrap_or_default()
}
