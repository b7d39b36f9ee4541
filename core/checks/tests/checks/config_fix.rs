use belay_checks::{ConfigEdit, ConfigFix, Fate, PatchError, config_diff, config_fix, config_patch};
use belay_facts::{ConfigKey, Facts, K3sVersion};
use serde_json::{Value as Json, json};

use crate::fixture::{Fixture, knowledge};

const FILE: &str = "/etc/rancher/k3s/config.yaml";
const EARLY: &str = "/etc/rancher/k3s/config.yaml.d/10-ours.yaml";
const LATE: &str = "/etc/rancher/k3s/config.yaml.d/99-ours.yaml";

fn entry(key: &str, values: &[&str], source: &str, line: u32) -> Json {
    json!({ "key": key.trim_end_matches('+'), "values": values, "source": source, "line": line, "append": key.ends_with('+') })
}

fn facts(keys: &[Json]) -> Facts {
    Fixture::patched(json!({ "node": { "config": { "keys": keys, "files": [FILE] } } })).facts()
}

fn tag(text: &str) -> K3sVersion {
    text.parse().unwrap()
}

fn fix(from: &str, to: &str, keys: &[Json]) -> ConfigFix {
    config_fix(&facts(keys).nodes[0], &tag(from), &tag(to), knowledge())
}

fn text(fix: &ConfigFix) -> String {
    let text = fix.drop_in.as_ref().map_or("", |drop_in| &drop_in.text);
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// What is left to a human; every such thing has its rule.
fn asked(fix: &ConfigFix) -> Vec<(&str, Fate)> {
    assert!(fix.needs_you.iter().all(|need| need.reason.rule.is_some()), "{fix:?}");
    fix.needs_you.iter().map(|need| (need.reason.what.as_str(), need.fate)).collect()
}

#[test]
fn what_is_fatal_in_a_list_of_the_files_goes_by_a_drop_in_that_has_the_rest() {
    let keys = [
        entry("kubelet-arg", &["max-pods=200", "keep-terminated-pod-volumes=true"], FILE, 3),
        entry("kubelet-arg+", &["feature-gates=KMSv2=true,Other=false", "v=2"], EARLY, 1),
    ];
    let fix = fix("v1.30.14+k3s2", "v1.32.13+k3s1", &keys);
    let drop_in = fix.drop_in.clone().unwrap();
    assert_eq!(drop_in.path, "/etc/rancher/k3s/config.yaml.d/90-belay-v1.32.13+k3s1.yaml");
    assert_eq!(text(&fix), "kubelet-arg:\n  - \"max-pods=200\"\n  - \"feature-gates=Other=false\"\n  - \"v=2\"\n");
    assert!(drop_in.text.contains("# kubelet-arg: feature-gates: KMSv2: "), "{}", drop_in.text);
    assert_eq!(drop_in.reasons[0].rule.as_deref(), Some("belay-kubelet-flags-gone-1-31"));
    assert_eq!(drop_in.reasons[1].rule.as_deref(), Some("belay-gates-gone-1-32"));
    assert!(fix.edits.is_empty() && fix.needs_you.is_empty(), "{fix:?}");
}

#[test]
fn a_proposal_that_is_followed_leaves_nothing_fatal_and_nothing_to_propose() {
    let keys = [
        entry("kubelet-arg", &["keep-terminated-pod-volumes=true", "feature-gates=KMSv2=true"], FILE, 3),
        entry("kube-proxy-arg", &["proxy-port-range=1-2", "v=4"], EARLY, 2),
        entry("kubelet-arg", &["iptables-drop-bit=3"], "unit", 0),
        entry("pause-image", &["x"], FILE, 9),
    ];
    let mut facts = facts(&keys);
    let (from, to) = (tag("v1.30.14+k3s2"), tag("v1.32.13+k3s1"));
    let fix = config_fix(&facts.nodes[0], &from, &to, knowledge());
    assert!(fix.needs_you.is_empty(), "{fix:?}");
    let config = &mut facts.nodes[0].config;
    for edit in &fix.edits {
        let place = |key: &ConfigKey| key.source == edit.source && key.key == edit.key && key.line == edit.line;
        config.keys.iter_mut().filter(|key| place(key)).for_each(|key| key.values.clone_from(&edit.keep));
    }
    let drop_in = fix.drop_in.unwrap();
    for (key, values) in [("kubelet-arg", vec![]), ("kube-proxy-arg", vec!["v=4".to_owned()])] {
        assert!(drop_in.text.contains(&format!("\n{key}:")), "{}", drop_in.text);
        let source = drop_in.path.clone();
        let unit = config.keys.iter().position(|key| key.source == "unit").unwrap();
        config.keys.insert(unit, ConfigKey { key: key.into(), values, source, line: 1, append: false });
    }
    config.files.push(drop_in.path);
    let after = config_fix(&facts.nodes[0], &from, &to, knowledge());
    assert!(after.is_empty(), "{after:?}");
    let lines = config_diff(&facts.nodes[0], &from, &to, knowledge());
    assert!(lines.iter().all(|line| line.fate < Fate::Gone), "{lines:?}");
}

#[test]
fn a_drop_in_that_would_not_have_the_last_word_is_not_proposed() {
    let keys = [
        entry("kubelet-arg", &["keep-terminated-pod-volumes=true"], FILE, 3),
        entry("kubelet-arg+", &["max-pods=9", "iptables-drop-bit=3"], LATE, 2),
    ];
    let fix = fix("v1.30.14+k3s2", "v1.31.14+k3s1", &keys);
    assert_eq!(fix.drop_in, None);
    let edits: Vec<(&str, u32, &[String])> =
        fix.edits.iter().map(|edit| (edit.source.as_str(), edit.line, edit.keep.as_slice())).collect();
    assert_eq!(edits, [(FILE, 3, &[][..]), (LATE, 2, &["max-pods=9".to_owned()][..])]);
}

#[test]
fn what_a_later_file_replaces_is_neither_fatal_nor_proposed() {
    let keys = [
        entry("kubelet-arg", &["keep-terminated-pod-volumes=true"], FILE, 3),
        entry("kubelet-arg", &["max-pods=9"], EARLY, 1),
    ];
    assert!(fix("v1.30.14+k3s2", "v1.31.14+k3s1", &keys).is_empty());
    let (from, to) = (tag("v1.30.14+k3s2"), tag("v1.31.14+k3s1"));
    let lines = config_diff(&facts(&keys).nodes[0], &from, &to, knowledge());
    assert_eq!(lines[0].fate, Fate::Ignored);
    assert!(lines[0].why.contains(EARLY), "{lines:?}");
    // The unit's values come on top: they replace nothing.
    let keys = [keys[0].clone(), entry("kubelet-arg", &["max-pods=9"], "unit", 0)];
    let lines = config_diff(&facts(&keys).nodes[0], &from, &to, knowledge());
    assert_eq!(lines[0].fate, Fate::Fatal);
}

#[test]
fn a_key_that_is_gone_has_its_successor_in_the_drop_in_and_goes_from_its_place() {
    let (old, new) = ("v1.25.16+k3s4", "v1.26.15+k3s1");
    let proposed = fix(
        old,
        new,
        &[
            entry("no-deploy", &["traefik", "servicelb"], FILE, 3),
            entry("no-flannel", &["true"], "unit", 0),
            entry("disable-selinux", &["true"], FILE, 8),
        ],
    );
    assert_eq!(text(&proposed), "disable+:\n  - \"traefik\"\n  - \"servicelb\"\nflannel-backend: \"none\"\n");
    let places: Vec<(&str, &str, u32)> =
        proposed.edits.iter().map(|edit| (edit.key.as_str(), edit.source.as_str(), edit.line)).collect();
    assert_eq!(places, [("no-deploy", FILE, 3), ("disable-selinux", FILE, 8), ("no-flannel", "unit", 0)]);
    assert!(proposed.edits.iter().all(|edit| edit.keep.is_empty()));
    assert_eq!(proposed.edits[0].reasons[0].rule.as_deref(), Some("belay-flag-no-deploy-gone"));

    // Who ignores it today gets no successor, which would be obeyed.
    let ignored = fix(new, "v1.27.16+k3s1", &[entry("no-deploy", &["traefik"], FILE, 3)]);
    assert_eq!((ignored.drop_in.is_none(), ignored.edits.len()), (true, 1));
    // Nor does a value that another file replaces.
    let replaced =
        fix(old, new, &[entry("no-deploy", &["coredns"], FILE, 3), entry("no-deploy", &["traefik"], EARLY, 1)]);
    assert_eq!(text(&replaced), "disable+:\n  - \"traefik\"\n");
    assert_eq!(replaced.edits.len(), 2);

    for (other, why) in [("unit", "in the unit itself"), (LATE, "read after")] {
        let stuck = fix(old, new, &[entry("no-deploy", &["traefik"], FILE, 3), entry("disable", &["x"], other, 1)]);
        assert_eq!(asked(&stuck), [("no-deploy", Fate::Gone)]);
        assert!(stuck.needs_you[0].reason.why.contains(why), "{stuck:?}");
        assert!(stuck.drop_in.is_none() && stuck.edits.is_empty());
    }
}

/// Regression: a check asked for the successor of a key that the running version skips already, and to be rid of the key; a diff said that it is
/// ignored, a fix that it goes.
#[test]
fn a_key_that_is_skipped_already_has_one_advice() {
    let (from, to) = ("v1.35.4+k3s1", "v1.36.3+k3s1");
    let checked = |key: &str, source: &str, from: &str, to: &str| {
        let keys = [entry(key, &["traefik"], source, 4)];
        let mut fixture = Fixture::patched(json!({ "node": { "config": { "keys": keys } } }));
        (fixture.edge.from, fixture.edge.to) = (tag(from), Some(tag(to)));
        let rules: Vec<String> = fixture.check().into_iter().map(|finding| finding.rule).collect();
        let is = |rule: &str| rules.iter().any(|found| found == rule);
        (is(&format!("belay-flag-{key}-gone")), is("belay-config-key-ignored"))
    };
    for key in ["no-deploy", "no-flannel", "cluster-secret", "disable-selinux"] {
        assert_eq!(checked(key, FILE, from, to), (false, true), "{key}: nothing ends with the upgrade");
        assert!(checked(key, "unit", from, to).0, "{key}: the next start fails");
        assert!(checked(key, FILE, "v1.25.16+k3s4", "v1.26.15+k3s1").0, "{key}: what it does ends");
    }
    let keys = [entry("no-deploy", &["traefik"], FILE, 4)];
    let lines = config_diff(&facts(&keys).nodes[0], &tag(from), &tag(to), knowledge());
    assert_eq!(lines[0].fate, Fate::Ignored);
    let fix = fix(from, to, &keys);
    assert!(fix.drop_in.is_none(), "what is not obeyed gets no successor: {fix:?}");
    let reason = &fix.edits[0].reasons[0];
    assert!(reason.why.ends_with("if it is still wanted: `disable` is its name now"), "{}", reason.why);
    assert_eq!(reason.rule.as_deref(), Some("belay-config-key-ignored"));
}

#[test]
fn an_argument_may_become_a_key_of_k3s() {
    let key = entry("kubelet-arg", &["pod-infra-container-image=r/pause:1", "register-schedulable=false"], FILE, 3);
    let proposed = fix("v1.34.12+k3s1", "v1.35.9+k3s1", std::slice::from_ref(&key));
    assert_eq!(
        text(&proposed),
        "pause-image: \"r/pause:1\"\nnode-taint+:\n  - \"node.kubernetes.io/unschedulable:NoSchedule\"\nkubelet-arg: []\n"
    );
    let other = fix("v1.34.12+k3s1", "v1.35.9+k3s1", &[key, entry("pause-image", &["other"], EARLY, 1)]);
    assert_eq!(asked(&other), [("kubelet-arg: pod-infra-container-image", Fate::Fatal)]);
    assert!(other.needs_you[0].reason.why.contains("is other already"), "{other:?}");
}

#[test]
fn what_nobody_can_say_for_you_is_left_to_you_with_its_rule() {
    let keys = [
        entry("kubelet-arg", &["runonce=true", "feature-gates=KMSv2=false"], FILE, 3),
        entry("kube-controller-manager-arg", &["pod-eviction-timeout=5m"], FILE, 5),
        entry("cluster-secret", &["(secret)"], FILE, 7),
        entry("etcd-arg", &["experimental-x=1"], FILE, 8),
    ];
    let proposed = fix("v1.25.16+k3s4", "v1.37.1+k3s1", &keys);
    let rules: Vec<&str> = proposed.needs_you.iter().filter_map(|need| need.reason.rule.as_deref()).collect();
    assert_eq!(
        rules,
        [
            "belay-flag-cluster-secret-gone",
            "belay-kubelet-flags-gone-1-32",
            "belay-gates-gone-1-32",
            "belay-controller-flags-gone-1-27",
            "belay-etcd-arg-experimental-dropped",
        ]
    );
    assert!(proposed.drop_in.is_none() && proposed.edits.is_empty(), "{proposed:?}");
}

#[test]
fn a_drop_in_never_takes_the_name_of_one_that_is_there() {
    let mut facts = facts(&[entry("kubelet-arg", &["iptables-drop-bit=1"], FILE, 3)]);
    let there = "/etc/rancher/k3s/config.yaml.d/90-belay-v1.31.14+k3s1.yaml";
    facts.nodes[0].config.files.push(there.into());
    let fix = config_fix(&facts.nodes[0], &tag("v1.30.14+k3s2"), &tag("v1.31.14+k3s1"), knowledge());
    let path = fix.drop_in.unwrap().path;
    assert_eq!(path, "/etc/rancher/k3s/config.yaml.d/90-belay-v1.31.14+k3s1.1.yaml");
}

#[test]
fn a_comment_in_a_drop_in_ends_where_it_should() {
    let hostile = "feature-gates=KMSv2=true,X\n  y: \u{2028}z=true";
    let fix = fix("v1.31.14+k3s1", "v1.32.13+k3s1", &[entry("kubelet-arg", &[hostile], FILE, 3)]);
    assert_eq!(text(&fix), "kubelet-arg:\n  - \"feature-gates=X\\n  y: \\u2028z=true\"\n");
}

#[test]
fn every_successor_is_a_key_of_k3s() {
    let known = |key: &String| knowledge().flags.of(&tag("v1.36.5+k3s1")).unwrap().contains(key.as_str());
    assert!(knowledge().replacements.iter().filter_map(|entry| entry.key.as_ref()).all(known));
}

fn edit(key: &str, line: u32, keep: &[&str]) -> ConfigEdit {
    let keep = keep.iter().map(|value| (*value).to_owned()).collect();
    ConfigEdit { source: FILE.into(), line, key: key.into(), remove: Vec::new(), keep, reasons: Vec::new() }
}

#[test]
fn a_patch_has_the_lines_of_the_key_and_no_others() {
    let file = "token: canary\nno-deploy:\n- traefik\n\n# ours\nkubelet-arg+: [a,\n  b]\nlast: yes";
    let edits = [edit("kubelet-arg", 6, &["b"]), edit("no-deploy", 2, &[]), edit("last", 8, &[])];
    let patch = config_patch(FILE, file, &edits.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(
        patch,
        format!(
            "--- {FILE}\n+++ {FILE}\n@@ -2,2 +1,0 @@\n-no-deploy:\n-- traefik\n@@ -6,2 +4,2 @@\n-kubelet-arg+: [a,\n\
             -  b]\n+kubelet-arg+:\n+  - \"b\"\n@@ -8,1 +5,0 @@\n-last: yes\n\\ No newline at end of file\n"
        )
    );
    assert!(!patch.contains("canary"), "what stands beside a key may be a token");
}

#[test]
fn a_text_that_is_not_the_one_that_was_read_gives_no_patch() {
    let refused = |text: &str, key: &str, line: u32| config_patch(FILE, text, &[&edit(key, line, &[])]).unwrap_err();
    assert!(matches!(refused("a: 1\n", "b", 1), PatchError::OtherKey { .. }));
    assert!(matches!(refused("ab: 1\n", "a", 1), PatchError::OtherKey { .. }));
    assert!(matches!(refused("a: 1\n", "a", 2), PatchError::OtherKey { .. }));
    assert!(matches!(refused("a: 1\n", "a", 0), PatchError::OtherKey { .. }));
    assert!(matches!(refused("a: &x [1]\nb: *x\n", "a", 1), PatchError::Unusual { .. }));
    assert!(matches!(refused("a: [1,\n", "a", 1), PatchError::Unusual { .. }));
    assert!(config_patch(FILE, "'a+' : 1\n", &[&edit("a", 1, &[])]).is_ok());
}

#[test]
fn an_agent_gets_the_successors_that_an_agent_has() {
    let keys =
        [entry("kubelet-arg", &["pod-infra-container-image=x"], FILE, 1), entry("disable", &["traefik"], FILE, 3)];
    let patch = json!({ "node": { "role": "agent", "config": { "keys": keys, "files": [FILE] } } });
    let facts = Fixture::patched(patch).facts();
    let proposed = config_fix(&facts.nodes[0], &tag("v1.34.12+k3s1"), &tag("v1.35.9+k3s1"), knowledge());
    assert_eq!(text(&proposed), "pause-image: \"x\"\nkubelet-arg: []\n");
    assert_eq!(asked(&proposed), [("disable", Fate::Fatal)]);
}
