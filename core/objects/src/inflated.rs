use std::borrow::Cow;

use belay_facts::{ReleasedApi, ReleasedApis};

use crate::release::{INFLATED, objects};
use crate::tally::{Notes, parts};

/// As much as all releases together may take to inflate: some seconds on a slow node.
const ALL: usize = 48;
/// So many releases are told; more have only clusters that nobody upgrades by hand.
const MOST: usize = 5000;

/// Reads records of releases, within a budget: whoever may write Secrets can fill a cluster with ones that inflate a thousandfold.
#[derive(Debug, Default)]
pub(crate) struct Inflated {
    /// Bytes of records that were taken in.
    taken: usize,
}

impl Inflated {
    /// One text for each version and kind of a record; one that is empty when it cannot be read, or no more are.
    pub fn apis(&mut self, record: Option<Cow<'_, [u8]>>) -> Vec<String> {
        let Some(record) = record.filter(|_| self.taken < ALL * INFLATED) else { return vec![String::new()] };
        let Some(objects) = objects(&record) else {
            // The worst is assumed of what did not open: it may have been inflated to the limit.
            self.taken += INFLATED;
            return vec![String::new()];
        };
        self.taken += record.len() * 16;
        let text = |((api_version, kind), of): ((String, String), crate::release::Released)| {
            format!("{api_version}\0{kind}\0{}\0{}", of.count, of.examples.join("\0"))
        };
        objects.into_iter().map(text).collect()
    }

    /// What the notes of releases say, behind their status.
    pub fn told(releases: &Notes) -> ReleasedApis {
        let mut told = ReleasedApis::default();
        for (name, note) in releases.iter().take(MOST) {
            let [namespace, release, _] = parts(name);
            for text in note.texts.iter().skip(1) {
                let mut parts = text.split('\0');
                let (Some(api_version), Some(kind), Some(count)) = (parts.next(), parts.next(), parts.next()) else {
                    told.unread.push(format!("{namespace}/{release}"));
                    continue;
                };
                told.apis.push(ReleasedApi {
                    namespace: namespace.clone(),
                    release: release.clone(),
                    revision: note.number,
                    api_version: api_version.to_owned(),
                    kind: kind.to_owned(),
                    count: count.parse().unwrap_or(0),
                    examples: parts.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
                });
            }
        }
        if releases.len() > MOST {
            told.unread.push(format!("and {} more releases", releases.len() - MOST));
        }
        told
    }
}
