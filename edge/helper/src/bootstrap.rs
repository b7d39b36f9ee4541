//! K3s' copy of the cluster's CAs and keys in the datastore, sealed with the token (K3s `pkg/cluster/encrypt.go`): without
//! the token that it was sealed with, a restored datastore is worth nothing (k3s-facts §2.3).

use aes_gcm::aead::{Aead, KeyInit, Nonce};
use aes_gcm::{Aes256Gcm, Key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

mod facts;

pub(crate) use facts::facts;

/// A key of the datastore and its value.
pub(crate) type Row = (String, Vec<u8>);

/// Where its rows lie, one for each token.
pub(crate) const PREFIX: &str = "/bootstrap/";

/// PBKDF2-HMAC-SHA1 with K3s' number of rounds.
const ROUNDS: u32 = 4096;
/// AES-GCM's, before the text.
const NONCE: usize = 12;

/// The key under which the row of a token lies: a start with another token does not find it.
pub(crate) fn row(password: &str) -> String {
    let hex: String = Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{}", hex.get(..12).unwrap_or_default())
}

/// Whether a row, `<salt>:<base64 of nonce and text>`, opens with the password. What is in it is not looked at.
pub(crate) fn opens(password: &str, sealed: &[u8]) -> bool {
    open(password, sealed).is_some()
}

fn open(password: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (salt, body) = std::str::from_utf8(sealed).ok()?.split_once(':')?;
    let body = STANDARD.decode(body.trim()).ok()?;
    let (nonce, text) = body.split_at_checked(NONCE)?;
    let mut key = Key::<Aes256Gcm>::default();
    pbkdf2::pbkdf2_hmac::<Sha1>(password.as_bytes(), salt.as_bytes(), ROUNDS, &mut key);
    Aes256Gcm::new(&key).decrypt(&Nonce::<Aes256Gcm>::try_from(nonce).ok()?, text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the bench's own sealing (lab/dist/face/bootstrap), which has K3s' parameters.
    const SEALED: &[u8] =
        b"f81f9d7c83f39586:giVIsw/uj1A3QwdXqMKKGD3fG2n4Et/ZDVcKOyzo/Gsw5k7j52CQ13WxWwcbZJ+Fkc9M2icmf2k=";

    #[test]
    fn a_row_is_found_and_opened_by_its_password_alone() {
        assert_eq!(row("s3cret"), "/bootstrap/1ec1c26b50d5");
        assert_eq!(open("s3cret", SEALED).unwrap(), br#"{"ServerCA":{"Content":"x"}}"#);
        assert!(!opens("another", SEALED));
    }

    #[test]
    fn what_is_no_row_does_not_open() {
        for sealed in [&b""[..], b":", b"salt", b"salt:AAAA", b"salt:not base64", b"\xff\xfe:AAAA"] {
            assert!(!opens("s3cret", sealed));
        }
        let mut flipped = SEALED.to_vec();
        flipped[40] ^= 1;
        assert!(!opens("s3cret", &flipped));
    }
}
