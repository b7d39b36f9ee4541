use serde::{Deserialize, Serialize};

/// How a server encrypts Secrets in its datastore, without a key (`server/cred/encryption-config.json` and `encryption-state.json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionFacts {
    /// In their order: `aescbc`, `secretbox`, `identity`. The first one writes; `identity` is no encryption. None where K3s was never
    /// told to encrypt.
    pub providers: Vec<String>,
    /// Where a change of the keys is: `start` and `reencrypt_finished` are its ends. Empty where there is no state.
    pub stage: String,
}
