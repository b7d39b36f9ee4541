use std::ffi::OsString;
use std::io::ErrorKind;

use belay_checks::{Bundle, Signer};
use minisign_verify::Signature;

use super::{BundleError, TrustedKey};
use crate::vault::{Location, Origin, VaultError, read};

/// Bytes. What the build carries is some 200 KiB.
const LARGEST: usize = 4 * 1024 * 1024;
const LARGEST_SIGNATURE: usize = 4 * 1024;

/// A bundle and its signature as they came. Nothing of it is believed before [`SignedBundle::open`].
#[derive(Clone, Debug)]
pub struct SignedBundle {
    pub(super) text: String,
    pub(super) signature: String,
    /// Where it came from, for people.
    pub(super) from: String,
}

impl SignedBundle {
    /// Brings the bundle and the signature that stands beside it (`FILE.minisig`).
    ///
    /// # Errors
    /// When one of them cannot be had, or is larger than any.
    pub async fn fetch(from: &Origin) -> Result<Self, BundleError> {
        from.ensure_trustworthy(false, false).map_err(|_| BundleError::PlainHttp(from_text(from)))?;
        let (at, beside) = match from {
            Origin::Directory(path) => {
                let mut beside: OsString = path.clone().into();
                beside.push(".minisig");
                (Location::Path(path.clone()), Location::Path(beside.into()))
            }
            Origin::Web(url) => {
                let mut beside = url.clone();
                beside.set_path(&format!("{}.minisig", url.path()));
                (Location::Url(url.to_string()), Location::Url(beside.to_string()))
            }
        };
        let from = from_text(from);
        let text = text_of(&at, LARGEST, &from).await?;
        let signature = match text_of(&beside, LARGEST_SIGNATURE, &format!("{from}.minisig")).await {
            Err(BundleError::Fetch(error)) if is_missing(&error) => return Err(BundleError::Unsigned { from }),
            signature => signature?,
        };
        Ok(Self { text, signature, from })
    }

    /// Verifies the signature and only then reads the bundle: by the project's key, else by the user's.
    ///
    /// # Errors
    /// When it is signed by neither, or broken.
    pub(super) fn open(
        &self,
        project: &TrustedKey,
        users: Option<&TrustedKey>,
    ) -> Result<(Bundle, Signer), BundleError> {
        let from = || self.from.clone();
        let signature = Signature::decode(&self.signature).map_err(|error| BundleError::NoSignature {
            from: format!("{}.minisig", self.from),
            why: error.to_string(),
        })?;
        let signer = match (project.verify(&self.text, &signature), users) {
            (Ok(()), _) => Signer::Project,
            (Err(why), None) => {
                return Err(BundleError::WrongSignature { from: from(), keys: "the project's key", why });
            }
            (Err(_), Some(key)) => match key.verify(&self.text, &signature) {
                Ok(()) => Signer::Other(key.word().to_owned()),
                Err(why) => {
                    let keys = "the given key, nor by the project's";
                    return Err(BundleError::WrongSignature { from: from(), keys, why });
                }
            },
        };
        let bundle = Bundle::parse(&self.text).map_err(|source| BundleError::Broken { from: from(), source })?;
        Ok((bundle, signer))
    }
}

async fn text_of(at: &Location, limit: usize, name: &str) -> Result<String, BundleError> {
    let bytes = read(at, limit.saturating_add(1)).await.map_err(BundleError::Fetch)?;
    if bytes.len() > limit {
        return Err(BundleError::TooLarge { from: name.to_owned(), limit });
    }
    String::from_utf8(bytes).map_err(|_| BundleError::NoText { from: name.to_owned() })
}

fn is_missing(error: &VaultError) -> bool {
    match error {
        VaultError::Status { status, .. } => *status == 404,
        VaultError::File { source, .. } => source.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

/// For people and the state directory: without what may be a secret, a password or the token of a signed address.
fn from_text(from: &Origin) -> String {
    match from {
        Origin::Directory(path) => path.display().to_string(),
        Origin::Web(url) => {
            let mut url = url.clone();
            url.set_query(None);
            // An address that can have no user has none.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            url.to_string()
        }
    }
}
