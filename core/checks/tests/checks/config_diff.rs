use belay_checks::{ConfigLine, Fate, config_diff};
use serde_json::{Value as Json, json};

use crate::fixture::{Fixture, knowledge};

fn entry(key: &str, values: &[&str], source: &str, line: u32) -> Json {
    json!({ "key": key, "values": values, "source": source, "line": line, "append": false })
}

fn diff(from: &str, to: &str, keys: &[Json]) -> Vec<ConfigLine> {
    let fixture = Fixture::patched(json!({ "node": { "config": { "keys": keys } } }));
    config_diff(&fixture.facts().nodes[0], &from.parse().unwrap(), &to.parse().unwrap(), knowledge())
}

fn fate(from: &str, to: &str, key: Json) -> Fate {
    let lines = diff(from, to, &[key]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].why.is_empty(), lines[0].fate == Fate::Unchanged, "{lines:?}");
    lines[0].fate
}

const FILE: &str = "/etc/rancher/k3s/config.yaml";

#[test]
fn a_key_of_k3s_has_the_fate_that_its_place_gives_it() {
    let no_deploy = |source: &str| entry("no-deploy", &["traefik"], source, 3);
    let (old, new) = ("v1.25.16+k3s4", "v1.26.15+k3s1");
    assert_eq!(fate(old, new, no_deploy(FILE)), Fate::Gone);
    assert_eq!(fate(old, new, no_deploy("unit")), Fate::Fatal);
    assert_eq!(fate(old, new, no_deploy("environment")), Fate::Ignored);
    assert_eq!(fate(new, "v1.27.16+k3s1", no_deploy(FILE)), Fate::Ignored);
    assert_eq!(fate(old, new, entry("disable", &["traefik"], FILE, 1)), Fate::Unchanged);
    assert_eq!(
        fate("v1.28.15+k3s1", "v1.29.15+k3s1", entry("tls-san-security", &["false"], FILE, 1)),
        Fate::ChangedDefault
    );
    assert_eq!(fate("v1.29.15+k3s1", "v1.30.14+k3s2", entry("tls-san-security", &["false"], FILE, 1)), Fate::Unchanged);
    assert_eq!(
        fate("v1.35.9+k3s1", "v1.36.5+k3s1", entry("helm-controller-arg", &["x"], FILE, 1)),
        Fate::ChangedDefault
    );
    assert_eq!(fate("v1.37.1+k3s1", "v1.38.0+k3s1", entry("disable", &["x"], FILE, 1)), Fate::Unknown);
}

#[test]
fn what_is_passed_on_to_a_component_is_judged_flag_by_flag_and_gate_by_gate() {
    let key = entry(
        "kubelet-arg",
        &[
            "pod-infra-container-image=x",
            "max-pods=200",
            "--fail-cgroupv1=false",
            "feature-gates=KMSv2=true,Other=false",
        ],
        FILE,
        7,
    );
    let lines = diff("v1.34.12+k3s1", "v1.35.9+k3s1", &[key]);
    let told: Vec<(&str, &str, Fate, u32)> =
        lines.iter().map(|line| (line.name.as_str(), line.value.as_str(), line.fate, line.line)).collect();
    assert_eq!(
        told,
        [
            ("kubelet-arg: pod-infra-container-image", "x", Fate::Fatal, 7),
            ("kubelet-arg: max-pods", "200", Fate::Unchanged, 7),
            ("kubelet-arg: fail-cgroupv1", "false", Fate::ChangedDefault, 7),
            ("kubelet-arg: feature-gates: KMSv2", "true", Fate::Fatal, 7),
            ("kubelet-arg: feature-gates: Other", "false", Fate::Unchanged, 7),
        ]
    );
    let migration = entry("kube-controller-manager-arg", &["feature-gates=CSIMigrationAWS=true"], FILE, 1);
    assert_eq!(fate("v1.26.15+k3s1", "v1.27.16+k3s1", migration), Fate::Fatal);
}

#[test]
fn etcd_drops_its_experimental_flags_with_3_7() {
    let key = || entry("etcd-arg", &["experimental-initial-corrupt-check=true"], FILE, 2);
    assert_eq!(fate("v1.36.5+k3s1", "v1.37.1+k3s1", key()), Fate::Ignored);
    assert_eq!(fate("v1.35.9+k3s1", "v1.36.5+k3s1", key()), Fate::Unchanged);
}

#[test]
fn the_diff_and_the_rules_read_the_same_removals() {
    let fatal = |minor: u32, key: &str, argument: &str| {
        let (from, to) = (format!("v1.{}.1+k3s1", minor - 1), format!("v1.{minor}.1+k3s1"));
        let lines = diff(&from, &to, &[entry(key, &[argument], FILE, 1)]);
        (lines[0].fate, diff(&from, &from, &[entry(key, &[argument], FILE, 1)])[0].fate)
    };
    let keys = [
        ("kubelet", "kubelet-arg"),
        ("kube-apiserver", "kube-apiserver-arg"),
        ("kube-controller-manager", "kube-controller-manager-arg"),
        ("kube-proxy", "kube-proxy-arg"),
        ("any", "kube-scheduler-arg"),
    ];
    let gone = knowledge().removed.in_minor(u32::MAX);
    for flag in gone.flags.iter().filter(|flag| flag.minor > 24) {
        let key = keys.iter().find(|(component, _)| *component == flag.component).unwrap().1;
        assert_eq!(fatal(flag.minor, key, &flag.name), (Fate::Fatal, Fate::Unchanged), "{flag:?}");
    }
    for gate in gone.gates {
        let argument = format!("feature-gates={}=true", gate.name);
        assert_eq!(fatal(gate.minor, "kubelet-arg", &argument), (Fate::Fatal, Fate::Unchanged), "{gate:?}");
    }
}

#[test]
fn a_gate_of_a_family_goes_with_its_own_minor() {
    // `CSIMigration*` was taken as gone with 1.27, whole: only those that the source names are.
    let key = |name: &str| entry("kubelet-arg", &[&format!("feature-gates=CSIMigration{name}=true")], FILE, 1);
    assert_eq!(fate("v1.26.15+k3s1", "v1.27.16+k3s1", key("AWS")), Fate::Fatal);
    assert_eq!(fate("v1.26.15+k3s1", "v1.27.16+k3s1", key("Portworx")), Fate::Unchanged);
}

fn agent_fate(from: &str, to: &str, key: Json) -> Fate {
    let fixture = Fixture::patched(json!({ "node": { "role": "agent", "config": { "keys": [key] } } }));
    config_diff(&fixture.facts().nodes[0], &from.parse().unwrap(), &to.parse().unwrap(), knowledge())[0].fate
}

#[test]
fn an_agent_does_not_start_with_a_key_that_it_does_not_know() {
    let (old, new) = ("v1.35.9+k3s1", "v1.36.5+k3s1");
    for source in [FILE, "unit"] {
        assert_eq!(agent_fate(old, new, entry("disable", &["traefik"], source, 1)), Fate::Fatal, "{source}");
        assert_eq!(agent_fate(old, new, entry("node-label", &["a=b"], source, 1)), Fate::Unchanged);
    }
    assert_eq!(agent_fate(old, new, entry("cluster-cidr", &["x"], "environment", 0)), Fate::Ignored);
    // Only the agent has it, and not before 1.29: on the way back it is fatal.
    let key = || entry("disable-apiserver-lb", &["true"], FILE, 1);
    assert_eq!(agent_fate("v1.28.15+k3s1", "v1.29.15+k3s1", key()), Fate::Unchanged);
    assert_eq!(agent_fate("v1.29.15+k3s1", "v1.28.15+k3s1", key()), Fate::Fatal);
    assert_eq!(fate("v1.29.15+k3s1", "v1.30.14+k3s2", key()), Fate::Ignored);
    // No source says in which minor an agent lost it.
    let secret = || entry("cluster-secret", &["(secret)"], FILE, 1);
    assert_eq!(agent_fate("v1.27.16+k3s1", "v1.28.15+k3s1", secret()), Fate::Unknown);
    assert_eq!(agent_fate("v1.32.13+k3s1", "v1.33.13+k3s2", secret()), Fate::Fatal);
    // Components are judged as on a server.
    let argument = entry("kubelet-arg", &["pod-infra-container-image=x"], FILE, 1);
    assert_eq!(agent_fate("v1.34.12+k3s1", "v1.35.9+k3s1", argument), Fate::Fatal);
}

#[test]
fn the_agent_of_the_capture_has_the_flags_of_its_help() {
    // Visible long flags of `k3s agent --help` of v1.36.1+k3s1.
    let help = "config debug vmodule log alsologtostderr token token-file server data-dir node-name with-node-id node-label \
        node-taint image-credential-provider-bin-dir image-credential-provider-config selinux lb-server-port \
        protect-kernel-defaults container-runtime-endpoint default-runtime image-service-endpoint pause-image snapshotter \
        private-registry disable-default-registry-endpoint nonroot-devices node-ip bind-address node-external-ip \
        node-internal-dns node-external-dns resolv-conf flannel-iface flannel-conf flannel-cni-conf kubelet-arg \
        kube-proxy-arg enable-pprof rootless prefer-bundled-bin docker vpn-auth vpn-auth-file disable-apiserver-lb help";
    let table = knowledge().agent_flags.of(&"v1.36.1+k3s1".parse().unwrap()).unwrap();
    let hidden = |name: &&str| name.len() > 1 && *name != "airgap-extra-registry";
    let mut listed: Vec<&str> = help.split_whitespace().collect();
    listed.sort_unstable();
    assert_eq!(table.into_iter().filter(hidden).collect::<Vec<_>>(), listed);
}
