use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use belay_facts::{Digest, K3sVersion};
use belay_journal::durable;
use sha2::{Digest as _, Sha256};

use super::origin::Location;
use super::{Origin, VaultError, read, sums, web};

/// No K3s binary is larger (upstream's own limit is 80 MiB, builds with more in them reach 110).
const LARGEST: u64 = 1024 * 1024 * 1024;
const LARGEST_SUMS: usize = 64 * 1024;

/// A verified binary in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub tag: K3sVersion,
    pub arch: String,
    pub path: PathBuf,
    pub digest: Digest,
    pub size: u64,
    /// Where it came from, for people.
    pub source: String,
    pub trust: String,
}

/// Whether an origin has a release for an architecture, by the list of sums that stands beside every one.
///
/// # Errors
/// When it cannot be asked; that it is not there is no error.
pub async fn holds(origin: &Origin, tag: &K3sVersion, arch: &str) -> Result<bool, VaultError> {
    let name = file_name(arch).ok_or_else(|| VaultError::Arch(arch.to_owned()))?;
    origin.ensure_there()?;
    let sums_at = origin.file(tag, &format!("sha256sum-{arch}.txt"));
    let text = match read_text(&sums_at).await {
        Ok(text) => text,
        Err(VaultError::Status { status: 404, .. }) => return Ok(false),
        Err(VaultError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(sums::find(&text, name, &sums_at.to_string()).is_ok())
}

/// Brings the binary of `tag` into `cache/<tag>/`, verified against the sums of its origin and the pin, if any.
/// A file that is there already is used when it has the right digest. `progress` is given bytes done and total (0: unknown).
///
/// # Errors
/// Says which of the promises does not hold; the cache then holds nothing new.
pub async fn fetch(
    tag: &K3sVersion,
    arch: &str,
    origin: &Origin,
    pin: Option<Digest>,
    cache: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Release, VaultError> {
    let name = file_name(arch).ok_or_else(|| VaultError::Arch(arch.to_owned()))?;
    origin.ensure_there()?;
    let sums_at = origin.file(tag, &format!("sha256sum-{arch}.txt"));
    let listed = sums::find(&read_text(&sums_at).await?, name, &sums_at.to_string())?;
    if let Some(pinned) = pin.filter(|pinned| *pinned != listed) {
        let (origin, name) = (sums_at.to_string(), name.to_owned());
        return Err(VaultError::NotPinned { origin, name, listed, pinned });
    }
    let from = origin.file(tag, name);
    let directory = cache.join(tag.tag());
    let path = directory.join(name);
    let release = |size| Release {
        tag: tag.clone(),
        arch: arch.to_owned(),
        path: path.clone(),
        digest: listed,
        size,
        source: from.to_string(),
        trust: origin.trust(pin.is_some()).to_owned(),
    };
    if let Ok((digest, size)) = digest_of(&path)
        && digest == listed
    {
        return Ok(release(size));
    }
    let file = |what, path: &Path| {
        let path = path.display().to_string();
        move |source| VaultError::File { what, path, source }
    };
    durable::create_dir(&directory, 0o700).map_err(file("could not create", &directory))?;
    let part = directory.join(format!("{name}.part"));
    durable::remove(&part).map_err(file("could not replace", &part))?;
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
    let mut out = Hashing { file: opened.map_err(file("could not create", &part))?, hash: Sha256::new(), bytes: 0 };
    let arrived = copy(&from, &mut out, &part, &mut progress).await;
    let (got, bytes) = (Digest::from_bytes(out.hash.finalize().into()), out.bytes);
    let verified = arrived.and_then(|()| {
        if got == listed {
            Ok(())
        } else {
            Err(VaultError::WrongDigest { origin: from.to_string(), tag: tag.clone(), expected: listed, got, bytes })
        }
    });
    let stored = verified.and_then(|()| {
        out.file.sync_all().map_err(file("could not write", &part))?;
        durable::rename_over(&part, &path).map_err(file("could not write", &path))
    });
    if stored.is_err() {
        let _ = durable::remove(&part);
    }
    stored.map(|()| release(bytes))
}

/// Where `fetch` keeps the binary of a tag; whether it is there is another question.
#[must_use]
pub fn cached(cache: &Path, tag: &K3sVersion, arch: &str) -> Option<PathBuf> {
    file_name(arch).map(|name| cache.join(tag.tag()).join(name))
}

/// K3s' names per architecture (k3s-facts §3.1).
fn file_name(arch: &str) -> Option<&'static str> {
    match arch {
        "amd64" => Some("k3s"),
        "arm64" => Some("k3s-arm64"),
        "arm" => Some("k3s-armhf"),
        _ => None,
    }
}

struct Hashing {
    file: std::fs::File,
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    fn write(&mut self, chunk: &[u8], part: &Path, origin: &Location) -> Result<(), VaultError> {
        self.bytes += chunk.len() as u64;
        if self.bytes > LARGEST {
            return Err(VaultError::TooLarge { origin: origin.to_string(), limit: LARGEST });
        }
        self.hash.update(chunk);
        let written = self.file.write_all(chunk);
        written.map_err(|source| VaultError::File { what: "could not write", path: part.display().to_string(), source })
    }
}

async fn copy(
    from: &Location,
    out: &mut Hashing,
    part: &Path,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), VaultError> {
    match from {
        Location::Path(path) => {
            let failed = |source| VaultError::File { what: "could not read", path: path.display().to_string(), source };
            let mut file = std::fs::File::open(path).map_err(failed)?;
            let total = file.metadata().map_err(failed)?.len();
            let mut buffer = vec![0u8; 1024 * 1024];
            loop {
                let read = file.read(&mut buffer).map_err(failed)?;
                let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { return Ok(()) };
                out.write(chunk, part, from)?;
                progress(out.bytes, total);
            }
        }
        Location::Url(url) => {
            let mut response = web::get(&web::client(true)?, url).await?;
            let total = response.content_length();
            loop {
                let chunk = response.chunk().await.map_err(|error| match total {
                    Some(expected) => VaultError::Truncated { origin: url.clone(), expected, got: out.bytes },
                    None => VaultError::Unreachable(url.clone(), web::chain(&error)),
                })?;
                let Some(chunk) = chunk else { break };
                out.write(&chunk, part, from)?;
                progress(out.bytes, total.unwrap_or(0));
            }
            match total {
                Some(expected) if expected != out.bytes => {
                    Err(VaultError::Truncated { origin: url.clone(), expected, got: out.bytes })
                }
                _ => Ok(()),
            }
        }
    }
}

async fn read_text(at: &Location) -> Result<String, VaultError> {
    Ok(String::from_utf8_lossy(&read(at, LARGEST_SUMS).await?).into_owned())
}

pub(crate) fn digest_of(path: &Path) -> std::io::Result<(Digest, u64)> {
    let mut file = std::fs::File::open(path)?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0u64, vec![0u8; 1024 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            return Ok((Digest::from_bytes(hash.finalize().into()), bytes));
        };
        hash.update(chunk);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(content: &[u8], sum_of: &[u8]) -> (tempfile::TempDir, Origin, K3sVersion) {
        let dir = tempfile::tempdir().unwrap();
        let tag: K3sVersion = "v1.36.3+k3s1".parse().unwrap();
        let folder = dir.path().join(tag.tag());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("k3s"), content).unwrap();
        std::fs::write(folder.join("sha256sum-amd64.txt"), format!("{}  k3s\n", Digest::of(sum_of).hex())).unwrap();
        let origin = Origin::Directory(dir.path().to_owned());
        (dir, origin, tag)
    }

    #[tokio::test]
    async fn a_release_is_verified_into_the_cache_and_used_from_there() {
        let (dir, origin, tag) = mirror(b"binary", b"binary");
        let cache = tempfile::tempdir().unwrap();
        let release = fetch(&tag, "amd64", &origin, None, cache.path(), |_, _| {}).await.unwrap();
        assert_eq!((release.size, release.digest), (6, Digest::of(b"binary")));
        std::fs::remove_file(dir.path().join(tag.tag()).join("k3s")).unwrap();
        let again = fetch(&tag, "amd64", &origin, None, cache.path(), |_, _| {}).await.unwrap();
        assert_eq!(again, release);
    }

    #[tokio::test]
    async fn what_is_not_what_its_sum_says_never_enters_the_cache() {
        for content in [&b"binarx"[..], b"bina", b""] {
            let (_dir, origin, tag) = mirror(content, b"binary");
            let cache = tempfile::tempdir().unwrap();
            let error = fetch(&tag, "amd64", &origin, None, cache.path(), |_, _| {}).await.unwrap_err();
            assert!(matches!(error, VaultError::WrongDigest { .. }), "{error}");
            let left: Vec<_> = std::fs::read_dir(cache.path().join(tag.tag())).unwrap().collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }

    #[tokio::test]
    async fn a_tag_that_the_mirror_lacks_says_what_to_type() {
        let (_dir, origin, _) = mirror(b"binary", b"binary");
        let cache = tempfile::tempdir().unwrap();
        let other: K3sVersion = "v1.36.99+k3s1".parse().unwrap();
        let error = fetch(&other, "amd64", &origin, None, cache.path(), |_, _| {}).await.unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("belay versions --mirror DIR")), "{error}");
        let error = fetch(&other, "arm64", &origin, None, cache.path(), |_, _| {}).await.unwrap_err();
        assert!(error.to_string().contains("v1.36.99+k3s1") && error.hint().is_some(), "{error}");
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0, "and nothing was made");
    }

    #[tokio::test]
    async fn a_mirror_that_is_not_mounted_was_one_without_releases() {
        let cache = tempfile::tempdir().unwrap();
        let origin = Origin::Directory(cache.path().join("usb"));
        let tag = "v1.36.3+k3s1".parse().unwrap();
        let asked = holds(&origin, &tag, "amd64").await.unwrap_err();
        let fetched = fetch(&tag, "amd64", &origin, None, cache.path(), |_, _| {}).await.unwrap_err();
        for error in [asked, fetched] {
            assert!(matches!(error, VaultError::NoMirror { .. }) && error.to_string().contains("usb"), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("--mirror DIR")));
        }
    }

    #[tokio::test]
    async fn a_pin_that_differs_refuses_before_anything_is_fetched() {
        let (_dir, origin, tag) = mirror(b"binary", b"binary");
        let cache = tempfile::tempdir().unwrap();
        let pin = Some(Digest::of(b"another"));
        let error = fetch(&tag, "amd64", &origin, pin, cache.path(), |_, _| {}).await.unwrap_err();
        assert!(matches!(error, VaultError::NotPinned { .. }), "{error}");
        assert!(!cache.path().join(tag.tag()).exists());
    }

    #[tokio::test]
    async fn an_altered_file_in_the_cache_is_fetched_again() {
        let (_dir, origin, tag) = mirror(b"binary", b"binary");
        let cache = tempfile::tempdir().unwrap();
        let release = fetch(&tag, "amd64", &origin, None, cache.path(), |_, _| {}).await.unwrap();
        std::fs::write(&release.path, b"tampered").unwrap();
        fetch(&tag, "amd64", &origin, None, cache.path(), |_, _| {}).await.unwrap();
        assert_eq!(std::fs::read(&release.path).unwrap(), b"binary");
    }
}
