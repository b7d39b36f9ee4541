use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use belay_checks::{Clash, Knowledge, Signer};
use belay_journal::durable;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{BundleError, Installed, SignedBundle, TrustedKey};
use crate::StateDir;

/// The first field of an installed bundle.
const FORMAT: &str = "installed-knowledge/v1";

/// Bytes. A bundle as a JSON string is at most twice its size in practice.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What is installed beside the knowledge of the build: at most one bundle of the project, and one of another key. Each is
/// one file, so that a bundle and its signature are replaced together or not at all.
#[derive(Clone, Debug)]
pub struct KnowledgeStore {
    directory: PathBuf,
    project: TrustedKey,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Kept {
    belay: String,
    from: String,
    installed_on: Date,
    /// The key that the user trusts; none where the project's has signed.
    key: Option<String>,
    signature: String,
    bundle: String,
}

/// The places of a store.
#[derive(Clone, Copy)]
enum Place {
    Project,
    Other,
}

impl Place {
    const fn file(self) -> &'static str {
        match self {
            Self::Project => "project.json",
            Self::Other => "other.json",
        }
    }
}

impl KnowledgeStore {
    /// That of a state directory.
    ///
    /// # Errors
    /// Never in a build that passed its tests: its own key is sound.
    pub fn of(state: &StateDir) -> Result<Self, BundleError> {
        Ok(Self { directory: state.knowledge(), project: TrustedKey::project()? })
    }

    #[cfg(test)]
    pub(super) const fn with_project(directory: PathBuf, project: TrustedKey) -> Self {
        Self { directory, project }
    }

    /// What is installed: the project's first. Each is verified anew, and one that cannot be used does not hide the other.
    #[must_use]
    pub fn installed(&self) -> Vec<Result<Installed, BundleError>> {
        [Place::Project, Place::Other].into_iter().filter_map(|place| self.read(place).transpose()).collect()
    }

    /// Installs a bundle over what this build knows.
    ///
    /// # Errors
    /// When it is not signed by a trusted key, broken, older than what is installed and that is not allowed, dated ahead of
    /// `today`, or asks for what its signer may not. Nothing has changed then.
    pub fn install(
        &self,
        signed: &SignedBundle,
        key: Option<&TrustedKey>,
        allow_older: bool,
        build: Knowledge,
        today: Date,
    ) -> Result<Installed, BundleError> {
        let (bundle, signer) = signed.open(&self.project, key)?;
        let from = || signed.from.clone();
        // A day of grace: time zones, and clocks that are a little off.
        if today.tomorrow().is_ok_and(|tomorrow| bundle.date > tomorrow) {
            return Err(BundleError::Ahead { from: from(), date: bundle.date });
        }
        let place = if signer == Signer::Project { Place::Project } else { Place::Other };
        // What is there and cannot be used is in nobody's way.
        let there = self.read(place).ok().flatten();
        if let Some(there) = &there {
            ensure_newer(&bundle, &signer, there, allow_older, &signed.from)?;
        }
        let project = if signer == Signer::Project { None } else { self.read(Place::Project).ok().flatten() };
        let base =
            project.map_or_else(|| build.clone(), |project| build.clone().with(&project.bundle, Signer::Project).0);
        let (_, clashes) = base.with(&bundle, signer.clone());
        if !clashes.is_empty() {
            return Err(BundleError::Refused { from: from(), clashes });
        }
        let kept = Kept {
            belay: FORMAT.to_owned(),
            from: from(),
            installed_on: today,
            key: match &signer {
                Signer::Project => None,
                Signer::Other(word) => Some(word.clone()),
            },
            signature: signed.signature.clone(),
            bundle: signed.text.clone(),
        };
        let path = self.directory.join(place.file());
        let json = serde_json::to_vec_pretty(&kept)
            .map_err(|error| BundleError::Damaged { path: path.display().to_string(), why: error.to_string() })?;
        durable::create_dir(&self.directory, 0o700).map_err(file("could not create", &self.directory))?;
        durable::replace(&path, &json, 0o600).map_err(file("could not write", &path))?;
        Ok(Installed { bundle, signer, from: from(), installed_on: today })
    }

    /// Goes back to what the build carries. Whether something was there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> Result<bool, BundleError> {
        let mut was_there = false;
        for place in [Place::Project, Place::Other] {
            let path = self.directory.join(place.file());
            if path.symlink_metadata().is_ok() {
                durable::remove(&path).map_err(file("could not remove", &path))?;
                was_there = true;
            }
        }
        Ok(was_there)
    }

    fn read(&self, place: Place) -> Result<Option<Installed>, BundleError> {
        let path = self.directory.join(place.file());
        let damaged = |why: String| BundleError::Damaged { path: path.display().to_string(), why };
        let opened = match std::fs::File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(file("could not read", &path))?,
        };
        let mut text = String::new();
        opened.take(LARGEST).read_to_string(&mut text).map_err(|error| damaged(error.to_string()))?;
        let kept: Kept = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if kept.belay != FORMAT {
            return Err(damaged(format!("it is of format {:?}, and this build reads `{FORMAT}`", kept.belay)));
        }
        let key = kept.key.as_deref().map(str::parse::<TrustedKey>).transpose()?;
        let signed = SignedBundle { text: kept.bundle, signature: kept.signature, from: path.display().to_string() };
        let (bundle, signer) = signed.open(&self.project, key.as_ref())?;
        Ok(Some(Installed { bundle, signer, from: kept.from, installed_on: kept.installed_on }))
    }
}

fn ensure_newer(
    bundle: &belay_checks::Bundle,
    signer: &Signer,
    there: &Installed,
    allow_older: bool,
    from: &str,
) -> Result<(), BundleError> {
    if let (Signer::Other(there), true) = (&there.signer, *signer != there.signer) {
        return Err(BundleError::OtherKey { there: there.clone() });
    }
    let (new, old) = (bundle, &there.bundle);
    if allow_older || new.digest == old.digest {
        return Ok(());
    }
    if new.serial < old.serial || new.date < old.date {
        let (there, there_date) = (old.serial, old.date);
        return Err(BundleError::Older {
            from: from.to_owned(),
            serial: new.serial,
            date: new.date,
            there,
            there_date,
        });
    }
    if new.serial == old.serial {
        return Err(BundleError::Twin { from: from.to_owned(), serial: new.serial });
    }
    Ok(())
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BundleError {
    let path = path.display().to_string();
    move |source| BundleError::File { what, path, source }
}

/// So that a message about what is left out of an installed bundle reads like one about a refused one.
pub(super) fn left_out(clash: &Clash) -> String {
    format!("left out of the installed knowledge bundle: {clash}")
}
