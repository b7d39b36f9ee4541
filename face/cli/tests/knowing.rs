//! What can be asked without a node: the ladder, a rule, a check of saved facts for a CI, and what becomes of a configuration.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn belay(args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belay"));
    let output = command.args(args).env_clear().env("COLUMNS", "120").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn json_of(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

/// Facts of a healthy server, with one thing changed, in a directory that lives as long as it is kept.
fn facts(dir: &Path, change: impl FnOnce(&mut Value)) -> String {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/checks/fixtures/base.json");
    let mut facts = serde_json::from_str::<Value>(&std::fs::read_to_string(base).unwrap()).unwrap()["facts"].take();
    change(&mut facts);
    let file = dir.join("facts.json");
    std::fs::write(&file, facts.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_ladder_is_shown_drawn_and_given_to_machines() {
    let ask = ["versions", "--from", "v1.36.0+k3s1", "--to", "v1.37.1+k3s1"];
    let text = belay(&ask);
    assert!(text.code == 0 && text.out.contains("First: belay upgrade --to v1.36.5+k3s1"), "{}{}", text.out, text.err);
    let model = json_of(&belay(&[&ask[..], &["--output", "json"]].concat()));
    assert_eq!(model["rungs"][0]["tag"], "v1.36.5+k3s1");
    assert_eq!(model["rungs"][1]["tag"], "v1.37.1+k3s1");
    assert!(belay(&[&ask[..], &["--dot"]].concat()).out.starts_with("digraph "));
    let sqlite = json_of(&belay(&[&ask[..], &["--datastore", "sqlite", "--output", "json"]].concat()));
    assert_eq!(sqlite["rungs"].as_array().unwrap().len(), 1);

    let newest = belay(&["versions", "--from", "v1.35.9+k3s1"]);
    assert!(newest.code == 0 && newest.out.contains("v1.37.1+k3s1"), "{}", newest.out);
    let none = belay(&["versions", "--from", "v1.31.14+k3s1", "--to", "v1.32.2+k3s1"]);
    assert!(none.code == 1 && none.out.contains("v1.32.13+k3s1"), "{}", none.out);
    assert_eq!(belay(&["versions", "--to", "v1.32.2+k3s1"]).code, 2);
}

#[test]
fn a_ladder_from_what_is_no_release_said_that_it_runs_already() {
    for (tag, nearest) in [("v9.9.9+k3s1", "v1.37."), ("v1.36.99+k3s1", "v1.36.5+k3s1, v1.37.0+k3s1")] {
        let said = belay(&["versions", "--from", tag]);
        assert!(said.code == 1 && said.err.contains("is no release that is known here"), "{}{}", said.out, said.err);
        assert!(said.err.contains(nearest) && said.out.is_empty(), "{}", said.err);
    }
}

#[test]
fn a_mirror_that_is_not_there_was_a_no_in_each_row() {
    let said = belay(&["versions", "--channels", "/none", "--mirror", "/nonexistent"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(
        said.err.contains("the mirror /nonexistent could not be read") && said.err.contains("next:"),
        "{}",
        said.err
    );
}

#[test]
fn a_rule_is_explained_and_a_wrong_name_leads_to_it() {
    let said = belay(&["explain", "belay-disk-space"]);
    assert!(said.code == 0 && said.out.contains("sources"), "{}{}", said.out, said.err);
    let unit = belay(&["explain", "cgroup-v1-kubelet"]).out;
    assert!(unit.contains("<node>") && !unit.contains("{node.name}"), "{unit}");
    assert_eq!(json_of(&belay(&["explain", "disk-space", "--output", "json"]))["id"], "belay-disk-space");
    let wrong = belay(&["explain", "belay-disk-spcae"]);
    assert!(wrong.code == 1 && wrong.err.contains("next: belay explain belay-disk-space"), "{}", wrong.err);
    let all = belay(&["explain"]);
    let line = all.out.lines().find(|line| line.contains("  belay-disk-space ")).unwrap();
    assert!(all.code == 0 && line.starts_with("block  belay-disk-space  "), "{line}");
    let model = json_of(&belay(&["explain", "--output", "json"]));
    assert_eq!(model.as_array().unwrap().len() + 1, all.out.lines().count(), "a line each, and what to type next");
    assert!(belay(&["explain", "zzzz"]).err.contains("all of them: belay explain"));
    assert!(belay(&["completion", "bash"]).out.contains("belay-etcd-36-zombie-members"), "ids are completed");
}

#[test]
fn a_check_for_a_target_foretells_what_becomes_of_workloads() {
    let dir = tempfile::tempdir().unwrap();
    let busy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/plan/tests/fixtures/busy-node.json");
    let busy: Value = serde_json::from_str(&std::fs::read_to_string(busy).unwrap()).unwrap();
    let saved = facts(dir.path(), |facts| {
        facts["cluster"]["workloads"] = busy["workloads"].clone();
        facts["cluster"]["pods"] = busy["pods"].clone();
    });
    let state = dir.path().join("state");
    let check = ["--state", state.to_str().unwrap(), "check", "--facts", &saved, "--fail-on", "never"];
    let with = |more: &[&str]| belay(&[&check[..], more].concat());

    let text = with(&["--to", "v1.36.3+k3s1"]);
    assert!(text.code == 0 && text.out.contains("What happens to workloads on n1"), "{}{}", text.out, text.err);
    assert!(text.out.contains("StatefulSet shop/db: data-db-0 in /var/lib/rancher/k3s/storage/"), "{}", text.out);
    let model = json_of(&with(&["--to", "v1.36.3+k3s1", "--output", "json"]));
    let preview = &model["preview"];
    assert_eq!((&preview["only-node"], &preview["expected"]["basis"]), (&json!(true), &json!("estimated")));
    let db =
        preview["workloads"].as_array().unwrap().iter().find(|one| one["workload"] == "StatefulSet shop/db").unwrap();
    assert_eq!((&db["fate"], &db["pods"], &db["elsewhere"]), (&json!("runs-on"), &json!(1), &json!(0)));
    let by: Vec<&str> = db["holds"].as_array().unwrap().iter().map(|hold| hold["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["no-other-replica", "volume", "budget"]);

    let without = with(&[]);
    assert!(!without.out.contains("What happens"), "there is no upgrade to foretell: {}", without.out);
    assert_eq!(json_of(&with(&["--output", "json"]))["preview"], Value::Null);
}

#[test]
fn a_check_for_a_ci_fails_on_what_is_new_only() {
    let dir = tempfile::tempdir().unwrap();
    let alarm = facts(dir.path(), |facts| facts["nodes"][0]["cgroup"] = json!("v1"));
    let baseline = dir.path().join("baseline.json");
    let baseline = baseline.to_str().unwrap();
    let check = ["check", "--to", "v1.36.3+k3s1", "--facts", &alarm];
    let with = |more: &[&str]| belay(&[&check[..], more].concat());

    assert_eq!(with(&["--write-baseline", baseline]).code, 1);
    assert_eq!(with(&["--fail-on", "never"]).code, 0);
    let known = with(&["--baseline", baseline]);
    assert!(
        known.code == 0 && known.out.contains("known n1:") && known.out.contains("nothing new"),
        "{}{}",
        known.out,
        known.err
    );
    let model = json_of(&with(&["--baseline", baseline, "--output", "json"]));
    assert_eq!(model["findings"], json!([]));
    assert!(!model["known"].as_array().unwrap().is_empty());

    assert!(with(&["--output", "junit"]).out.contains("<failure type=\"block\""));
    assert_eq!(json_of(&with(&["--output", "sarif"]))["version"], "2.1.0");
    assert!(with(&["--output", "markdown"]).out.contains("| block |"));
    let missing = with(&["--baseline", "none.json"]);
    assert!(missing.code == 1 && missing.err.contains("--write-baseline"), "{}", missing.err);
    let other = belay(&["versions", "--from", "v1.36.0+k3s1", "--output", "sarif"]);
    assert!(other.code == 2 && other.err.contains("only `belay check`"), "{}", other.err);
}

#[test]
fn a_target_that_needs_several_upgrades_names_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let file = facts(dir.path(), |facts| facts["nodes"][0]["binary"]["version"] = json!("v1.33.10+k3s1"));
    let said = belay(&["check", "--to", "v1.36.5+k3s1", "--facts", &file]);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.code == 1 && told.contains("first belay upgrade --to v1.34.12+k3s1"), "{}{}", said.out, said.err);
    assert!(told.contains("belay versions --from v1.33.10+k3s1 --to v1.36.5+k3s1"), "{}", said.out);
}

#[test]
fn a_configuration_is_held_against_the_target() {
    let dir = tempfile::tempdir().unwrap();
    let file = facts(dir.path(), |facts| {
        facts["nodes"][0]["config"]["keys"] = json!([
            { "key": "kubelet-arg", "values": ["containerd=/x"], "source": "/etc/rancher/k3s/config.yaml", "line": 4, "append": false },
            { "key": "disable", "values": ["traefik"], "source": "unit", "line": 0, "append": false },
        ]);
    });
    let said = belay(&["config", "diff", "--to", "v1.37.1+k3s1", "--facts", &file]);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(told.contains("fatal kubelet-arg: containerd: /x (/etc/rancher/k3s/config.yaml:4"), "{}", said.out);
    assert!(told.contains("1 others stay as they are"), "{}", said.out);
    let model = json_of(&belay(&["config", "diff", "--to", "v1.36.5+k3s1", "--facts", &file, "--output", "json"]));
    assert!(model["lines"].as_array().unwrap().iter().all(|line| line["fate"] == "unchanged"), "{model}");
}

/// A node's configuration in files of this machine, and facts that were taken of them.
fn configured(dir: &Path, base: &str, drop_in: &str, keys: impl FnOnce(&str, &str) -> Value) -> (String, String) {
    let config = dir.join("k3s/config.yaml");
    let ours = dir.join("k3s/config.yaml.d/99-ours.yaml");
    std::fs::create_dir_all(ours.parent().unwrap()).unwrap();
    std::fs::write(&config, base).unwrap();
    std::fs::write(&ours, drop_in).unwrap();
    let (config, ours) = (config.to_str().unwrap().to_owned(), ours.to_str().unwrap().to_owned());
    let file = facts(dir, |facts| {
        let node = &mut facts["nodes"][0];
        node["binary"]["version"] = json!("v1.30.14+k3s2");
        node["config"]["digest"] = json!(belay_facts::Digest::of(format!("{base}{drop_in}").as_bytes()));
        node["config"]["files"] = json!([config, ours]);
        node["config"]["keys"] = keys(&config, &ours);
        let named = json!({ "key": "config", "values": [config], "source": "unit", "line": 0, "append": false });
        node["config"]["keys"].as_array_mut().unwrap().push(named);
    });
    (file, config)
}

#[test]
fn a_proposal_is_written_beside_and_its_commands_make_it_so() {
    let dir = tempfile::tempdir().unwrap();
    let base = "token: canary-7f3a\nkubelet-arg:\n  - max-pods=9\n  - iptables-drop-bit=3\nmispelt: x\nlast: y\n";
    let (file, config) = configured(dir.path(), base, "debug: true\n", |config, _| {
        json!([
            { "key": "token", "values": ["(secret)"], "source": config, "line": 1, "append": false },
            { "key": "kubelet-arg", "values": ["max-pods=9", "iptables-drop-bit=3"], "source": config, "line": 2, "append": false },
            { "key": "mispelt", "values": ["x"], "source": config, "line": 5, "append": false },
        ])
    });
    let ask = ["config", "fix", "--to", "v1.31.14+k3s1", "--facts", &file];
    let shown = belay(&ask);
    assert_eq!(shown.code, 0, "{}{}", shown.out, shown.err);
    assert!(shown.out.contains("    kubelet-arg:\n      - \"max-pods=9\"\n"), "{}", shown.out);
    assert!(shown.out.contains("    -mispelt: x\n") && !shown.out.contains("canary"), "{}", shown.out);
    assert!(shown.out.contains("nothing was changed. Write the files with --out DIR."), "{}", shown.out);

    let out = dir.path().join("proposed");
    let model = json_of(&belay(&[&ask[..], &["--out", out.to_str().unwrap(), "--output", "json"]].concat()));
    let node = &model["nodes"][0];
    let commands: Vec<&str> = node["apply"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(std::fs::read_to_string(&config).unwrap(), base, "a proposal changes nothing");
    // All but the restart and the asking again.
    for command in commands.iter().filter(|command| !command.starts_with("systemctl") && !command.starts_with("belay"))
    {
        let done = Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!(std::fs::read_to_string(&config).unwrap(), base.replace("mispelt: x\n", ""));
    assert_eq!(std::fs::read_to_string(format!("{config}.before-belay")).unwrap(), base);
    let written = std::fs::read_to_string(format!("{config}.d/90-belay-v1.31.14+k3s1.yaml")).unwrap();
    assert_eq!(written, node["drop-in"]["text"].as_str().unwrap());
    assert_eq!(commands.last(), Some(&"belay check --to v1.31.14+k3s1"));

    let again = belay(&[&ask[..], &["--out", out.to_str().unwrap()]].concat());
    assert!(again.code == 1 && again.err.contains("could not write"), "an edited proposal is not lost: {}", again.err);
    assert!(again.err.contains("next: it may have been edited"), "{}", again.err);
}

#[test]
fn a_proposal_is_not_written_among_k3s_own_files() {
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = configured(
        dir.path(),
        "mispelt: x\n",
        "",
        |config, _| json!([{ "key": "mispelt", "values": ["x"], "source": config, "line": 1, "append": false }]),
    );
    let own = Path::new(&config).parent().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(own, &link).unwrap();
    for out in [own.to_path_buf(), link, own.join("new/../sub"), "/etc/rancher/belay".into()] {
        let out = out.to_str().unwrap();
        let said = belay(&["config", "fix", "--to", "v1.31.14+k3s1", "--facts", &file, "--out", out]);
        assert!(said.code == 1 && said.err.contains("K3s' own directory"), "{out}: {}{}", said.out, said.err);
    }
    assert_eq!(std::fs::read_dir(own).unwrap().count(), 2);
}

#[test]
fn files_that_changed_since_the_facts_give_no_patch() {
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = configured(
        dir.path(),
        "mispelt: x\n",
        "",
        |config, _| json!([{ "key": "mispelt", "values": ["x"], "source": config, "line": 1, "append": false }]),
    );
    std::fs::write(config, "mispelt: y\n").unwrap();
    let said = belay(&["config", "fix", "--to", "v1.31.14+k3s1", "--facts", &file]);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.code == 0 && told.contains("no patch:") && told.contains("remove `mispelt` from"), "{}", said.out);
}

#[test]
fn what_needs_you_is_named_with_its_rule() {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = configured(
        dir.path(),
        "kubelet-arg: runonce=true\n",
        "",
        |config, _| json!([{ "key": "kubelet-arg", "values": ["runonce=true"], "source": config, "line": 1, "append": false }]),
    );
    let said = belay(&["config", "fix", "--to", "v1.32.13+k3s1", "--facts", &file]);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(told.contains("(belay explain belay-kubelet-flags-gone-1-32)"), "{}", said.out);
}
