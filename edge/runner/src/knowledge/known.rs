use belay_checks::Knowledge;
use jiff::civil::Date;

use super::store::left_out;
use super::{BundleError, KnowledgeStore};
use crate::StateDir;

/// What is known on this machine: what the build carries, with what is installed.
#[derive(Debug)]
pub struct Known {
    pub knowledge: Knowledge,
    /// What is to be said about it, such as that it is old, or that an installed bundle could not be used.
    pub notes: Vec<String>,
}

impl Known {
    /// Reads and verifies what is installed beside what the build knows. What cannot be used is said, and the rest is used.
    #[must_use]
    pub fn on(state: &StateDir, build: Knowledge, today: Date) -> Self {
        match KnowledgeStore::of(state) {
            Ok(store) => Self::of(&store, build, today),
            Err(error) => Self { notes: vec![unused(&error)], knowledge: build },
        }
    }

    pub(super) fn of(store: &KnowledgeStore, build: Knowledge, today: Date) -> Self {
        let mut knowledge = build;
        let mut notes = Vec::new();
        for found in store.installed() {
            match found {
                Ok(installed) => {
                    let (merged, clashes) = knowledge.with(&installed.bundle, installed.signer);
                    knowledge = merged;
                    notes.extend(clashes.iter().map(left_out));
                }
                Err(error) => notes.push(unused(&error)),
            }
        }
        let ages = knowledge.ages(today).into_iter();
        notes.extend(ages.map(|age| format!("{age}; a newer one comes with: belay knowledge update --from FILE|URL")));
        Self { knowledge, notes }
    }
}

fn unused(error: &BundleError) -> String {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("an installed knowledge bundle is not used: {error}{hint}")
}
