use serde::{Deserialize, Serialize};

/// How a server encrypts Secrets in its datastore, without a key (`server/cred/encryption-config.json` and `encryption-state.json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionFacts {
    /// In their order: `aescbc`, `secretbox`, `identity`. The first one writes; `identity` is no encryption. None where K3s was never
    /// told to encrypt.
    pub providers: Vec<String>,
    /// Where a change of the keys is, as far as the file says it: `start`, `prepare`, `rotate`, `reencrypt_request`, `reencrypt_finished`.
    /// While Secrets are written anew K3s says so in its Node's annotation only ([`crate::KubeNode::encryption`]). Empty where there
    /// is no state.
    pub stage: String,
}
