use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use belay_facts::EncryptionFacts;

const CONFIG: &str = "cred/encryption-config.json";
/// `STAGE-HASH`, as K3s annotates its node with it (`pkg/secretsencrypt`).
const STATE: &str = "cred/encryption-state.json";

/// How the server encrypts Secrets. A provider is named and its keys are not looked at.
pub(crate) fn encryption(server: &Path) -> Option<EncryptionFacts> {
    let read = |file| match fs::read_to_string(server.join(file)) {
        Ok(text) => Some(text),
        Err(error) => (error.kind() == ErrorKind::NotFound).then(String::new),
    };
    let (config, state) = (read(CONFIG)?, read(STATE)?);
    let providers = if config.is_empty() { Vec::new() } else { providers(&config)? };
    let stage = state.rsplit_once('-').map_or("", |(stage, _)| stage).to_owned();
    Some(EncryptionFacts { providers, stage })
}

fn providers(config: &str) -> Option<Vec<String>> {
    let told: serde_json::Value = serde_json::from_str(config).ok()?;
    let listed = told.pointer("/resources/0/providers")?.as_array()?;
    Some(listed.iter().filter_map(|one| one.as_object()?.keys().next().cloned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_and_the_stage_are_told_and_no_key_is() {
        let server = tempfile::tempdir().unwrap();
        let none = EncryptionFacts { providers: Vec::new(), stage: String::new() };
        assert_eq!(encryption(server.path()), Some(none));
        fs::create_dir(server.path().join("cred")).unwrap();
        let config = r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],
            "providers":[{"aescbc":{"keys":[{"name":"aescbckey","secret":"s3cret"}]}},{"identity":{}}]}]}"#;
        fs::write(server.path().join(CONFIG), config).unwrap();
        let hash = "0f".repeat(32);
        fs::write(server.path().join(STATE), format!("prepare-{hash}")).unwrap();
        let told = encryption(server.path()).unwrap();
        assert_eq!((told.providers.join(" "), told.stage.as_str()), ("aescbc identity".to_owned(), "prepare"));
        assert!(!format!("{told:?}").contains("s3cret"));
        fs::write(server.path().join(CONFIG), "{").unwrap();
        assert_eq!(encryption(server.path()), None);
    }
}
