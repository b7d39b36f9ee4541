use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belay_facts::{BootstrapFacts, DatastoreKind, DifferingFile, TokenFit};
use serde_json::Value as Json;

use super::{Row, open, row};
use crate::{Config, token};

/// K3s' names of what it keeps (`pkg/daemons/config`, ControlRuntimeBootstrap), and where that lies below `server`.
const FILES: [(&str, &str); 15] = [
    ("ClientCA", "tls/client-ca.crt"),
    ("ClientCAKey", "tls/client-ca.key"),
    ("ETCDPeerCA", "tls/etcd/peer-ca.crt"),
    ("ETCDPeerCAKey", "tls/etcd/peer-ca.key"),
    ("ETCDServerCA", "tls/etcd/server-ca.crt"),
    ("ETCDServerCAKey", "tls/etcd/server-ca.key"),
    ("EncryptionConfig", "cred/encryption-config.json"),
    ("EncryptionHash", "cred/encryption-state.json"),
    ("IPSECKey", "cred/ipsec.psk"),
    ("PasswdFile", "cred/passwd"),
    ("RequestHeaderCA", "tls/request-header-ca.crt"),
    ("RequestHeaderCAKey", "tls/request-header-ca.key"),
    ("ServerCA", "tls/server-ca.crt"),
    ("ServerCAKey", "tls/server-ca.key"),
    ("ServiceKey", "tls/service.key"),
];

/// Seconds by which a file may be newer (`systemTimeSkew`).
const FORGIVEN: i64 = 3;

/// What the next start makes of the rows below [`super::PREFIX`] (K3s `pkg/cluster`, storage.go and bootstrap.go).
///
/// # Errors
/// When the token that it takes cannot be read.
pub(crate) fn facts(
    config: &Config,
    server: &Path,
    kind: DatastoreKind,
    rows: &[Row],
) -> Result<BootstrapFacts, &'static str> {
    let token = token::in_effect(config, server)?;
    if rows.is_empty() {
        return Ok(BootstrapFacts { token: TokenFit::Absent, differing: None });
    }
    // What an older K3s sealed with the token as it was written, or with none, the next start seals anew by itself.
    let token = token.trim();
    let candidates = [token::password(token), token, ""];
    let found = candidates.iter().find_map(|&passphrase| {
        let name = row(passphrase);
        rows.iter().find(|(row, _)| *row == name).map(|(_, sealed)| (passphrase, sealed))
    });
    let Some((passphrase, sealed)) = found else {
        return Ok(BootstrapFacts { token: TokenFit::Other, differing: None });
    };
    // An empty row is one that another server is about to fill.
    if sealed.is_empty() {
        return Ok(BootstrapFacts { token: TokenFit::Fits, differing: None });
    }
    let Some(kept) = open(passphrase, sealed) else {
        return Ok(BootstrapFacts { token: TokenFit::Other, differing: None });
    };
    let encrypts = config.last("secrets-encryption") == Some("true");
    let differing = if kind == DatastoreKind::Sqlite && is_written_anew(server) {
        Some(Vec::new())
    } else {
        serde_json::from_slice(&kept).ok().map(|kept| differing(server, &kept, encrypts))
    };
    Ok(BootstrapFacts { token: TokenFit::Fits, differing })
}

/// Over kine a start writes all files anew when one of their directories is empty or gone (`checkCertDirs`).
fn is_written_anew(server: &Path) -> bool {
    ["cred", "tls", "tls/etcd"]
        .iter()
        .any(|dir| fs::read_dir(server.join(dir)).map_or(true, |mut dir| dir.next().is_none()))
}

fn differing(server: &Path, kept: &Json, encrypts: bool) -> Vec<DifferingFile> {
    let known = FILES.iter().filter(|(name, _)| encrypts || !name.starts_with("Encryption"));
    let differing = known.filter_map(|(name, file)| {
        // Before 1.22 a file was its content alone, and older than any on a disk.
        let kept = kept.get(name)?;
        let (content, written) = match kept.as_str() {
            Some(content) => (content, None),
            None => (kept.get("Content")?.as_str()?, kept.get("Timestamp").and_then(Json::as_str).and_then(unix)),
        };
        let path = server.join(file);
        // One that is not there is written by the start.
        let here = fs::read(&path).ok()?;
        if STANDARD.decode(content).ok()? == here {
            return None;
        }
        let newer = fs::metadata(&path).ok()?.mtime().saturating_sub(written.unwrap_or(0)) >= FORGIVEN;
        Some(DifferingFile { file: (*file).to_owned(), newer })
    });
    differing.collect()
}

/// Seconds since 1970 of a time as Go writes it in JSON: `2026-11-23T17:13:08.123456789+01:00`.
fn unix(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let numbers = |text: &str, by: char| -> Option<[i64; 3]> {
        let numbers: Option<Vec<i64>> = text.split(by).map(|word| word.parse::<u32>().ok().map(i64::from)).collect();
        numbers?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let (time, zone) = match time.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => {
            let (time, zone) = time.split_at_checked(time.len().checked_sub(6)?)?;
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let seconds = i64::from(hours.parse::<u8>().ok()?) * 3600 + i64::from(minutes.parse::<u8>().ok()?) * 60;
            (time, if zone.starts_with('-') { -seconds } else { seconds })
        }
    };
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    if !(1..=12).contains(&month) || !(0..=9999).contains(&year) {
        return None;
    }
    // Days since 1970 in years that begin with March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
            - 719_469;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - zone)
}

#[cfg(test)]
mod tests {
    use super::unix;

    #[test]
    fn times_are_read_as_go_writes_them() {
        assert_eq!(unix("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix("2026-11-23T17:13:08.123456789Z"), Some(1_795_453_988));
        assert_eq!(unix("2026-11-23T18:13:08+01:00"), Some(1_795_453_988));
        assert_eq!(unix("2026-11-23T16:43:08.5-00:30"), Some(1_795_453_988));
        assert_eq!(unix("2024-02-29T00:00:00Z"), Some(1_709_164_800));
        assert_eq!(unix("2000-03-01T00:00:00Z"), Some(951_868_800));
        assert_eq!(unix("0001-01-01T00:00:00Z"), Some(-62_135_596_800));
        assert!(
            unix("9999-12-4294967295T4294967295:4294967295:4294967295+99:99").is_some(),
            "no number of them overflows"
        );
        for none in [
            "",
            "T",
            "2026-11-23",
            "2026-13-01T00:00:00Z",
            "2026-11-23T17:13Z",
            "Tä:00",
            "2026-11-23T1é:00",
            "2026-11-23T99999999999:00:00Z",
        ] {
            assert_eq!(unix(none), None, "{none}");
        }
    }
}
