//! What a release of Helm consists of: its record is JSON in gzip in base64, and the objects that were applied are one text of
//! YAML in it. Nothing else of the record is looked at: values and the chart may hold secrets.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::json::{self, Members};
use crate::templated::Templated;
use crate::written::Written;

/// No record is longer: etcd takes 1.5 MiB.
const LONGEST: usize = 4 * 1024 * 1024;
/// As much as one may become; the largest charts are a fourth of it.
pub(crate) const INFLATED: usize = 32 * 1024 * 1024;
/// How many names of one kind are kept, and how many versions of one release.
const EXAMPLES: usize = 3;
const MOST: usize = 200;

const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// The objects of a release that have one version and kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Released {
    pub count: u64,
    pub examples: Vec<String>,
}

/// The objects of the record's manifest whose version is not a stable one; `None` when it cannot be read.
pub(crate) fn objects(record: &[u8]) -> Option<BTreeMap<(String, String), Released>> {
    let manifest = manifest(record)?;
    // What Helm rendered is YAML; where it is not, its lines still say what it is.
    let written = Written::all(&manifest).unwrap_or_else(|_| Templated::read(&manifest).objects);
    let mut found: BTreeMap<(String, String), Released> = BTreeMap::new();
    for one in written.into_iter().filter(|one| !is_stable(one.api_version.as_bytes())) {
        let key = (one.api_version, one.kind);
        if found.len() >= MOST && !found.contains_key(&key) {
            continue;
        }
        let some = found.entry(key).or_default();
        some.count += 1;
        if some.examples.len() < EXAMPLES && !one.name.is_empty() {
            some.examples.push(one.name);
        }
    }
    Some(found)
}

fn manifest(record: &[u8]) -> Option<String> {
    if record.len() > LONGEST {
        return None;
    }
    let packed = STANDARD.decode(record.trim_ascii()).ok()?;
    let json = if packed.starts_with(&GZIP) { inflated(&packed)? } else { packed };
    let (_, manifest) = Members::of(&json).find(|(name, _)| *name == b"manifest")?;
    Some(json::text(manifest).into_owned())
}

/// What is in a gzip file, unless it is more than a record can be.
fn inflated(gzip: &[u8]) -> Option<Vec<u8>> {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const SUM: u8 = 2;
    let flags = *gzip.get(3)?;
    let mut rest = gzip.get(10..)?;
    if flags & EXTRA != 0 {
        let length = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
        rest = rest.get(length.checked_add(2)?..)?;
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end.checked_add(1)?..)?;
        }
    }
    if flags & SUM != 0 {
        rest = rest.get(2..)?;
    }
    let whole = decompress_to_vec_with_limit(rest, INFLATED).ok()?;
    let (_, length) = gzip.split_last_chunk::<4>()?;
    (u32::from_le_bytes(*length) as usize == whole.len()).then_some(whole)
}

/// `v1`, `apps/v2`: Kubernetes takes no stable version away.
pub(crate) fn is_stable(api_version: &[u8]) -> bool {
    let version = api_version.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    version.strip_prefix(b"v").is_some_and(|number| number.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests;
