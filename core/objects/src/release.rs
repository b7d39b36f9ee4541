//! What a release of Helm consists of: its record is JSON in gzip in base64, and the objects that were applied are one text of
//! YAML in it. Nothing else of the record is looked at: values and the chart may hold secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::inflate::gunzip;
use crate::json::{self, Members};

/// No record is longer: etcd takes 1.5 MiB.
const LONGEST: usize = 4 * 1024 * 1024;
/// As much as one may become; the largest charts are a fourth of it.
const INFLATED: usize = 32 * 1024 * 1024;
/// As much as the records of a cluster may become together, some seconds on a slow node: whoever may write Secrets can fill it with ones
/// that inflate a thousandfold.
const ALL: usize = 1024 * 1024 * 1024;
/// How many versions of one release are kept.
const MOST: usize = 200;

/// `policy/v1beta1 PodDisruptionBudget`: what the record's manifest has that is of no stable version; `None` when it cannot be read.
/// `taken` is what all records so far became.
#[inline(never)]
pub(crate) fn apis(record: &[u8], taken: &mut usize) -> Option<Vec<String>> {
    if record.len() > LONGEST || *taken > ALL {
        return None;
    }
    let packed = STANDARD.decode(record.trim_ascii()).ok()?;
    // Records of the first Helm 3 are not packed.
    let json = if packed.starts_with(b"{") { Some(packed) } else { gunzip(&packed, INFLATED) };
    // The worst is assumed of what did not open.
    *taken += json.as_ref().map_or(INFLATED, Vec::len);
    let json = json?;
    let (_, manifest) = Members::of(&json).find(|(name, _)| *name == b"manifest")?;
    let mut apis = named_apis(&json::text(manifest));
    apis.retain(|api| !is_stable(api.split(' ').next().unwrap_or_default().as_bytes()));
    apis.truncate(MOST);
    Some(apis)
}

/// `apiVersion kind` of every document, as far as they stand at its top; sorted, each once.
#[must_use]
pub fn named_apis(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut version, mut kind) = (None, None);
    for line in text.lines().chain(["---"]) {
        if line.starts_with("---") {
            if let (Some(version), Some(kind)) = (version.take(), kind.take()) {
                found.push(format!("{version} {kind}"));
            }
            (version, kind) = (None, None);
        } else if let Some(value) = line.strip_prefix("apiVersion:") {
            version = Some(plain(value));
        } else if let Some(value) = line.strip_prefix("kind:") {
            kind = Some(plain(value));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn plain(value: &str) -> String {
    value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
}

/// `v1`, `apps/v2`: Kubernetes takes no stable version away.
pub(crate) fn is_stable(api_version: &[u8]) -> bool {
    let version = api_version.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    version.strip_prefix(b"v").is_some_and(|number| number.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests;
