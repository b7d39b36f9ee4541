use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use belay_facts::RegistryMirror;

use crate::{Installation, Places, yaml};

/// The mirrors of `registries.yaml`; none without it, `None` for a file that cannot be read, or is no YAML.
pub(crate) fn mirrors(places: &Places, found: Option<&Installation>) -> Option<Vec<RegistryMirror>> {
    let named = found.and_then(|found| found.config.last("private-registry")).filter(|path| !path.is_empty());
    let path = named.map_or_else(|| places.etc.join("rancher/k3s/registries.yaml"), PathBuf::from);
    match fs::read_to_string(path) {
        Ok(text) => told(&text),
        Err(error) => (error.kind() == ErrorKind::NotFound).then(Vec::new),
    }
}

/// Of the file nothing but `mirrors`: `configs` has the passwords.
fn told(text: &str) -> Option<Vec<RegistryMirror>> {
    let mut found: Vec<RegistryMirror> = Vec::new();
    for (path, value) in yaml::leaves(text)? {
        let [top, name, rest @ ..] = path.as_slice() else { continue };
        if top != "mirrors" {
            continue;
        }
        if found.last().is_none_or(|mirror| mirror.name != *name) {
            found.push(RegistryMirror { name: name.clone(), endpoints: Vec::new() });
        }
        if rest.first().is_some_and(|key| key == "endpoint") && !value.is_empty() {
            let (scheme, place) = value.split_once("://").map_or((None, value.as_str()), |(s, place)| (Some(s), place));
            let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
            let endpoint = scheme.map_or_else(|| place.to_owned(), |scheme| format!("{scheme}://{place}"));
            if let Some(mirror) = found.last_mut() {
                mirror.endpoints.push(endpoint);
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_and_addresses_are_told() {
        let text = "mirrors:\n  docker.io:\n    endpoint:\n      - \"https://ada:s3cret@mirror.lan:5000\"\n      - http://b.lan\n    \
            rewrite: {\"^rancher/(.*)\": \"x/$1\"}\n  registry.k8s.io:\n  \"*\":\n    endpoint: [c.lan]\n\
            configs:\n  mirror.lan:5000:\n    auth: {username: ada, password: s3cret}\n";
        let mirrors = told(text).unwrap();
        assert!(!format!("{mirrors:?}").contains("s3cret"));
        let shown: Vec<String> = mirrors.iter().map(|m| format!("{} {}", m.name, m.endpoints.join(" "))).collect();
        assert_eq!(shown, ["docker.io https://mirror.lan:5000 http://b.lan", "registry.k8s.io ", "* c.lan"]);
        assert_eq!(told("mirrors: [\n"), None);
        assert_eq!(told(""), Some(Vec::new()));
    }
}
