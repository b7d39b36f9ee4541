use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use belay_facts::{ConfigFacts, ConfigKey, Digest};

use crate::Places;
use crate::unit::{Unit, split_words};
use crate::yaml;

/// Flags whose values never leave the node (invariant I20).
const SECRET: [&str; 9] = [
    "token",
    "agent-token",
    "bootstrap-token",
    "etcd-s3-secret-key",
    "etcd-s3-access-key",
    "etcd-s3-session-token",
    "vpn-auth",
    "cluster-secret",
    "agent-token-hash",
];

/// Flags with flags of a component in them.
const COMPONENTS: [&str; 7] = [
    "etcd-arg",
    "kube-apiserver-arg",
    "kube-cloud-controller-manager-arg",
    "kube-controller-manager-arg",
    "kube-proxy-arg",
    "kube-scheduler-arg",
    "kubelet-arg",
];

/// What stands for a secret.
pub const MASKED: &str = "(secret)";

/// `K3S_*` variables whose flag is not simply the rest of their name.
const VARIABLES: [(&str, &str); 6] = [
    ("K3S_URL", "server"),
    ("K3S_KUBECONFIG_OUTPUT", "write-kubeconfig"),
    ("K3S_KUBECONFIG_MODE", "write-kubeconfig-mode"),
    ("K3S_KUBECONFIG_GROUP", "write-kubeconfig-group"),
    ("K3S_RESOLV_CONF", "resolv-conf"),
    ("K3S_CONFIG_FILE", "config"),
];

/// K3s' configuration of one unit, merged as K3s does it, secrets included: for this process only.
///
/// Weakest first: the environment, `config.yaml`, `config.yaml.d/*.yaml` in the order of their names, ExecStart.
/// The files come before the command line because K3s puts their values in front of its arguments, and the environment
/// is the weakest because it only fills flags that nothing else has set (K3s `pkg/configfilearg`).
#[derive(Clone, Debug, Default)]
pub struct Config {
    facts: ConfigFacts,
}

impl Config {
    /// Reads everything that the unit's K3s would read now.
    #[must_use]
    pub fn read(places: &Places, unit: &Unit) -> Self {
        let mut facts = ConfigFacts::default();
        let mut keys = environment(unit, &mut facts.unreadable);
        let line = exec_keys(&unit.exec);
        let named = |keys: &[ConfigKey]| {
            keys.iter().rev().find(|key| key.key == "config").and_then(|key| key.values.last()).map(PathBuf::from)
        };
        let base = named(&line).or_else(|| named(&keys)).unwrap_or_else(|| places.etc.join("rancher/k3s/config.yaml"));
        let mut bytes = Vec::new();
        for file in files(&base) {
            let name = file.to_string_lossy().into_owned();
            let text = match fs::read(&file) {
                Ok(content) => {
                    bytes.extend_from_slice(&content);
                    String::from_utf8_lossy(&content).into_owned()
                }
                Err(error) => {
                    facts.unreadable.push(format!("{name}: {error}"));
                    continue;
                }
            };
            match yaml::entries(&text) {
                Ok(entries) => keys.extend(entries.into_iter().map(|entry| ConfigKey {
                    append: entry.key.ends_with('+'),
                    key: entry.key.trim_end_matches('+').to_owned(),
                    values: entry.values,
                    source: name.clone(),
                    line: entry.line,
                })),
                Err(error) => facts.unreadable.push(format!("{name}: {error}")),
            }
            facts.files.push(name);
        }
        keys.extend(line);
        facts.keys = keys;
        facts.digest = (!facts.files.is_empty()).then(|| Digest::of(&bytes));
        Self { facts }
    }

    /// The last value in force, secrets included.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&str> {
        self.facts.last(key)
    }

    #[must_use]
    pub fn files(&self) -> &[String] {
        &self.facts.files
    }

    /// What may leave the node.
    #[must_use]
    pub fn facts(&self) -> ConfigFacts {
        let mut facts = self.facts.clone();
        for key in &mut facts.keys {
            for value in &mut key.values {
                *value = masked(&key.key, value);
            }
        }
        facts
    }

    /// The data directory, `/var/lib/rancher/k3s` by default, links resolved where it is there.
    #[must_use]
    pub fn data_dir(&self, places: &Places) -> PathBuf {
        let named = self.last("data-dir").filter(|text| !text.is_empty()).map(PathBuf::from);
        let dir = named.unwrap_or_else(|| places.default_data_dir.clone());
        fs::canonicalize(&dir).unwrap_or(dir)
    }
}

/// The base file and its drop-ins, those that are there.
fn files(base: &Path) -> Vec<PathBuf> {
    let mut dir = base.as_os_str().to_owned();
    dir.push(".d");
    let mut drop_ins: Vec<PathBuf> =
        fs::read_dir(&dir).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
    drop_ins.retain(|path| {
        let suffix = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
        path.is_file() && suffix.is_some_and(|suffix| suffix == "yaml" || suffix == "yml")
    });
    drop_ins.sort_unstable();
    let base = base.is_file().then(|| base.to_path_buf());
    base.into_iter().chain(drop_ins).collect()
}

/// `K3S_*` variables of the unit and its environment files, as flags. One that may not be read (install.sh makes it for root
/// alone) is not one without variables.
fn environment(unit: &Unit, unreadable: &mut Vec<String>) -> Vec<ConfigKey> {
    let mut lines: Vec<String> = unit.environment.clone();
    for file in &unit.environment_files {
        let text = fs::read_to_string(file);
        if let Err(error) = &text
            && error.kind() == ErrorKind::PermissionDenied
        {
            unreadable.push(format!("{file}: {error}"));
        }
        let text = text.unwrap_or_default();
        lines.extend(text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])).filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = split_words(value).join(" ");
            Some(format!("{name}={value}"))
        }));
    }
    let keys = lines.iter().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let rest = name.strip_prefix("K3S_")?;
        let known = VARIABLES.iter().find(|(variable, _)| *variable == name).map(|(_, flag)| (*flag).to_owned());
        let key = known.unwrap_or_else(|| rest.to_ascii_lowercase().replace('_', "-"));
        Some(ConfigKey { key, values: vec![value.to_owned()], source: "environment".into(), line: 0, append: false })
    });
    keys.collect()
}

/// The flags of ExecStart; a flag that is given several times becomes one key with several values.
fn exec_keys(argv: &[String]) -> Vec<ConfigKey> {
    let mut keys: Vec<ConfigKey> = Vec::new();
    let mut words = argv.iter().skip(1).peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix('-') else { continue };
        let flag = flag.trim_start_matches('-');
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            // A flag without a value is a switch; one that is followed by a word that is no flag takes that word.
            None => match words.next_if(|next| !next.starts_with('-')) {
                Some(value) => (flag, value.clone()),
                None => (flag, "true".to_owned()),
            },
        };
        let name = match name {
            "d" => "data-dir",
            "t" => "token",
            "s" => "server",
            "c" => "config",
            "o" => "write-kubeconfig",
            "i" => "node-ip",
            name => name,
        };
        match keys.iter_mut().find(|key| key.key == name) {
            Some(key) => key.values.push(value),
            None => keys.push(ConfigKey {
                key: name.to_owned(),
                values: vec![value],
                source: "unit".into(),
                line: 0,
                append: false,
            }),
        }
    }
    keys
}

/// `value` as it may be shown.
fn masked(key: &str, value: &str) -> String {
    if SECRET.contains(&key) {
        return MASKED.to_owned();
    }
    // `mysql://user:password@tcp(host)/db`: the password ends at the last `@`.
    if key == "datastore-endpoint"
        && let Some((login, host)) = value.rsplit_once('@')
    {
        let (scheme, login) = login.split_once("://").map_or(("", login), |(scheme, login)| (scheme, login));
        let user = login.split(':').next().unwrap_or_default();
        let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
        return format!("{scheme}{user}:{MASKED}@{host}");
    }
    // A flag of a component: `name=value`.
    match value.split_once('=') {
        Some((name, _)) if key.ends_with("-arg") && tells_a_secret(name) => format!("{name}={MASKED}"),
        _ => value.to_owned(),
    }
}

/// By its name. Components take secrets from files; whoever writes one here all the same does not want it told.
fn tells_a_secret(name: &str) -> bool {
    ["secret", "password", "token", "passphrase"].iter().any(|end| name.ends_with(end))
}

/// An argument vector with the values of secret flags masked.
#[must_use]
pub fn masked_argv(argv: &[String]) -> Vec<String> {
    let mut hide = None;
    let masked_word = |word: &String| {
        if let Some(key) = hide.take() {
            return masked(key, word);
        }
        let Some(flag) = word.strip_prefix('-').map(|flag| flag.trim_start_matches('-')) else { return word.clone() };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        let key = SECRET.into_iter().find(|&secret| secret == name || (name == "t" && secret == "token"));
        let key = key.or((name == "datastore-endpoint").then_some("datastore-endpoint"));
        let key = key.or(COMPONENTS.into_iter().find(|&arguments| arguments == name));
        match (key, value) {
            (Some(key), Some(value)) => format!("--{name}={}", masked(key, value)),
            (Some(key), None) => {
                hide = Some(key);
                word.clone()
            }
            (None, _) => word.clone(),
        }
    };
    argv.iter().map(masked_word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split_words(text)
    }

    #[test]
    fn the_merge_is_that_of_k3s_and_secrets_stay_here() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let dir = places.etc.join("rancher/k3s/config.yaml.d");
        fs::create_dir_all(&dir).unwrap();
        let base = places.etc.join("rancher/k3s/config.yaml");
        fs::write(&base, "token: canary-7f3a\ndisable: [traefik]\nnode-name: from-file\nselinux: true\n").unwrap();
        fs::write(dir.join("20.yaml"), "disable+: [servicelb]\nselinux: false\n").unwrap();
        fs::write(dir.join("10.yml"), "disable: [coredns]\n").unwrap();
        fs::write(dir.join("30.yaml.off"), "disable: []\n").unwrap();
        fs::write(dir.join("40.yaml"), "token: canary-7f3a\nbroken: {a: b}\n").unwrap();
        let env = root.path().join("k3s.service.env");
        fs::write(&env, "# note\nK3S_TOKEN='canary-7f3a'\nK3S_NODE_NAME=from-env\nK3S_URL=https://x\nPATH=/bin\n")
            .unwrap();
        let unit = Unit {
            exec: words("/usr/local/bin/k3s server --kubelet-arg v=2 --kubelet-arg=max-pods=5 -t canary-7f3a --debug"),
            environment_files: vec![env.to_string_lossy().into_owned(), "/no/such".into()],
            ..Unit::default()
        };
        let config = Config::read(&places, &unit);
        assert_eq!(config.last("token"), Some("canary-7f3a"));
        let facts = config.facts();
        assert!(!serde_json::to_string(&facts).unwrap().contains("canary"), "{facts:?}");
        assert_eq!(facts.effective("disable"), ["coredns", "servicelb"]);
        assert_eq!(facts.last("selinux"), Some("false"));
        assert_eq!(facts.last("node-name"), Some("from-file"), "the environment only fills what nothing else sets");
        assert_eq!(facts.last("server"), Some("https://x"));
        assert_eq!(facts.effective("kubelet-arg"), ["v=2", "max-pods=5"]);
        assert_eq!(facts.last("debug"), Some("true"));
        assert_eq!(facts.files.len(), 4);
        assert_eq!(facts.unreadable.len(), 1);
        assert!(facts.unreadable[0].contains("40.yaml"), "{:?}", facts.unreadable);
        assert_eq!(facts.keys.iter().find(|k| k.append).map(|k| k.line), Some(1));
    }

    /// Regression: install.sh makes it for root alone, and to another user it was one that sets nothing.
    #[test]
    fn an_environment_file_for_root_alone_was_one_without_variables() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let env = root.path().join("k3s.service.env");
        fs::write(&env, "K3S_NODE_NAME=from-env\n").unwrap();
        fs::set_permissions(&env, fs::Permissions::from_mode(0o000)).unwrap();
        let env = env.to_string_lossy().into_owned();
        let unit = Unit { environment_files: vec![env.clone(), "/no/such".into()], ..Unit::default() };
        let places = Places::under(root.path());
        // A thread of its own, because root may read everything.
        let facts = std::thread::spawn(move || {
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::process::Uid::from_raw(65_534);
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            Config::read(&places, &unit).facts()
        });
        let unreadable = facts.join().unwrap().unreadable;
        assert!(unreadable.len() == 1 && unreadable[0].starts_with(&format!("{env}: ")), "{unreadable:?}");
    }

    #[test]
    fn secrets_in_an_argument_vector_and_an_endpoint_are_masked() {
        let argv = words(
            "k3s server --token=s3cret -t s3cret --agent-token s3cret --datastore-endpoint=mysql://u:s3cret@tcp(h)/k --v=1",
        );
        let shown = masked_argv(&argv).join(" ");
        assert_eq!(
            shown,
            "k3s server --token=(secret) -t (secret) --agent-token (secret) --datastore-endpoint=mysql://u:(secret)@tcp(h)/k --v=1"
        );
        // Found by a newcomer: a secret that is an argument of a component was told as it is.
        let argv = words(
            "k3s server --kube-apiserver-arg oidc-client-secret=s3cret --kubelet-arg=x-password=s3cret --kubelet-arg=v=2",
        );
        let shown = "k3s server --kube-apiserver-arg oidc-client-secret=(secret) --kubelet-arg=x-password=(secret) --kubelet-arg=v=2";
        assert_eq!(masked_argv(&argv).join(" "), shown);
        assert_eq!(masked("kube-apiserver-arg", "token-auth-file=/etc/tokens"), "token-auth-file=/etc/tokens");
        assert_eq!(masked("datastore-endpoint", "u:s3cret@tcp(h)/k"), "u:(secret)@tcp(h)/k");
        assert_eq!(masked("datastore-endpoint", "https://h:2379"), "https://h:2379");
    }
}
