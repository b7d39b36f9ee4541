use belay_facts::{ConfigFacts, ConfigKey};
use serde::Serialize;

/// The components that K3s hands arguments to, with the keys that carry them.
const CARRIERS: [(&str, &str); 8] = [
    ("kubelet", "kubelet-arg"),
    ("kube-apiserver", "kube-apiserver-arg"),
    ("kube-controller-manager", "kube-controller-manager-arg"),
    ("kube-controller-manager", "kube-controller-arg"),
    ("kube-scheduler", "kube-scheduler-arg"),
    ("kube-proxy", "kube-proxy-arg"),
    ("cloud-controller-manager", "kube-cloud-controller-manager-arg"),
    ("etcd", "etcd-arg"),
];

/// One argument that is in force for one component, with the place that it was written in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Argument {
    pub component: &'static str,
    /// Without dashes in front and without the `+` or `-` behind it that K3s reads as "append" and "prepend".
    pub name: String,
    /// `true` for an argument without a value, as K3s takes it.
    pub value: String,
    /// `/etc/rancher/k3s/config.yaml:3`, `environment` or `unit`.
    pub place: String,
}

/// One feature gate that is set for one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Gate {
    pub component: &'static str,
    pub name: String,
    pub value: String,
    pub place: String,
}

/// The component that the key passes arguments on to.
pub(crate) fn component_of(key: &str) -> Option<&'static str> {
    CARRIERS.iter().find(|(_, carrier)| *carrier == key).map(|(component, _)| *component)
}

/// Every argument in force, read as K3s reads them (`pkg/util/args.go`).
pub(crate) fn arguments(config: &ConfigFacts) -> Vec<Argument> {
    let of = |(component, key): &(&'static str, &str)| {
        let component = *component;
        in_force(config, key).into_iter().flat_map(move |entry| {
            let place = place(entry);
            entry.values.iter().map(move |value| argument(component, value, place.clone()))
        })
    };
    CARRIERS.iter().flat_map(of).collect()
}

/// The gates in `feature-gates=A=true,B=false` of every component.
pub(crate) fn gates(arguments: &[Argument]) -> Vec<Gate> {
    let named = |argument: &&Argument| argument.name == "feature-gates";
    let of = |argument: &Argument| {
        let (component, place) = (argument.component, argument.place.clone());
        let parts: Vec<(String, String)> = argument
            .value
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        parts.into_iter().map(move |(name, value)| Gate { component, name, value, place: place.clone() })
    };
    arguments.iter().filter(named).flat_map(of).collect()
}

fn argument(component: &'static str, text: &str, place: String) -> Argument {
    let text = text.strip_prefix("--").unwrap_or(text);
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let name = name.trim_end_matches(['-', '+']).to_owned();
    Argument { component, name, value: value.to_owned(), place }
}

/// The entries of `key` that nothing later replaces.
fn in_force<'a>(config: &'a ConfigFacts, key: &str) -> Vec<&'a ConfigKey> {
    let mut entries: Vec<&ConfigKey> = Vec::new();
    for entry in config.keys.iter().filter(|entry| entry.key == key) {
        if !entry.adds() {
            entries.clear();
        }
        entries.push(entry);
    }
    entries
}

fn place(entry: &ConfigKey) -> String {
    if entry.line > 0 { format!("{}:{}", entry.source, entry.line) } else { entry.source.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, values: &[&str], line: u32, append: bool) -> ConfigKey {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        ConfigKey { key: key.into(), values, source: "config.yaml".into(), line, append }
    }

    #[test]
    fn an_argument_of_the_unit_does_not_hide_that_of_a_file() {
        let unit = ConfigKey { source: "unit".into(), ..entry("kube-apiserver-arg", &["event-ttl=30m"], 0, false) };
        let keys = vec![entry("kube-apiserver-arg", &["insecure-port=0"], 4, false), unit];
        let config = ConfigFacts { keys, ..ConfigFacts::default() };
        let names: Vec<String> = arguments(&config).into_iter().map(|argument| argument.name).collect();
        assert_eq!(names, ["insecure-port", "event-ttl"]);
        assert_eq!(config.effective("kube-apiserver-arg"), ["insecure-port=0", "event-ttl=30m"]);
        // One that takes a value has the last.
        let of = |source: &str, value: &str| ConfigKey { source: source.into(), ..entry("docker", &[value], 0, false) };
        let scalar =
            ConfigFacts { keys: vec![of("config.yaml", "true"), of("unit", "false")], ..ConfigFacts::default() };
        assert_eq!(scalar.effective("docker"), ["false"]);
    }

    #[test]
    fn arguments_are_read_as_k3s_reads_them() {
        let keys = vec![
            entry("kubelet-arg", &["lost=1"], 1, false),
            entry("kubelet-arg", &["--max-pods=50", "runonce"], 2, false),
            entry("kubelet-arg", &["feature-gates+=A=true, B=false"], 3, true),
            entry("kube-controller-arg", &["x=a=b"], 0, false),
        ];
        let found = arguments(&ConfigFacts { keys, ..ConfigFacts::default() });
        let words: Vec<String> =
            found.iter().map(|a| format!("{} {} {} {}", a.component, a.name, a.value, a.place)).collect();
        assert_eq!(
            words,
            [
                "kubelet max-pods 50 config.yaml:2",
                "kubelet runonce true config.yaml:2",
                "kubelet feature-gates A=true, B=false config.yaml:3",
                "kube-controller-manager x a=b config.yaml",
            ]
        );
        let gates: Vec<String> = gates(&found).iter().map(|g| format!("{} {}", g.name, g.value)).collect();
        assert_eq!(gates, ["A true", "B false"]);
    }
}
