use std::path::Path;
use std::str::FromStr;

use minisign_verify::{PublicKey, Signature};

use super::BundleError;

/// The project's key for knowledge (ADR 0017). Its secret is no part of the repository.
const PROJECT: &str = "RWSjXKJZQFLDK3KuJfN1dwZgPtbT5IO6XVt+QdYBVVvQkKNulNg01UZu";

/// A public key of minisign, by which a bundle may be signed.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    key: PublicKey,
    /// `RW…`
    word: String,
}

impl TrustedKey {
    /// The project's.
    ///
    /// # Errors
    /// Never in a build that passed its tests.
    pub fn project() -> Result<Self, BundleError> {
        PROJECT.parse()
    }

    /// As a user names it: the word itself, or a file with it, such as `minisign.pub`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn named(text: &str) -> Result<Self, BundleError> {
        if let Ok(key) = text.parse() {
            return Ok(key);
        }
        let no = |why: String| BundleError::NoKey(text.to_owned(), why);
        let content = std::fs::read_to_string(Path::new(text)).map_err(|error| no(error.to_string()))?;
        let words = content.lines().map(str::trim).filter(|line| !line.starts_with("untrusted comment:"));
        words
            .filter(|line| !line.is_empty())
            .find_map(|word| word.parse().ok())
            .ok_or_else(|| no("no line of it is".to_owned()))
    }

    /// `RW…`
    #[must_use]
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Whether the signature, with its trusted comment, is this key's and of this text. Only of its hash, as minisign
    /// signs since 0.10.
    pub(super) fn verify(&self, text: &str, signature: &Signature) -> Result<(), String> {
        self.key.verify(text.as_bytes(), signature, false).map_err(|error| error.to_string())
    }
}

impl FromStr for TrustedKey {
    type Err = BundleError;

    fn from_str(word: &str) -> Result<Self, BundleError> {
        let no = |error: minisign_verify::Error| BundleError::NoKey(word.to_owned(), error.to_string());
        PublicKey::from_base64(word).map(|key| Self { key, word: word.to_owned() }).map_err(no)
    }
}
