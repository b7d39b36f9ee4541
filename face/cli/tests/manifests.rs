//! `belay check --manifests`: who must change what, from folders of manifests, with a cluster and without one.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const TO: [&str; 2] = ["--to", "v1.36.3+k3s1"];

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn belay(dir: &Path, args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belay"));
    let output = command.args(args).env_clear().env("COLUMNS", "120").current_dir(dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn json_of(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

/// A healthy server, saved; of a machine with K3s nobody need run the test.
fn facts(dir: &Path) -> String {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/checks/fixtures/base.json");
    let mut facts = serde_json::from_str::<Value>(&fs::read_to_string(base).unwrap()).unwrap()["facts"].take();
    facts.as_object_mut().unwrap().remove("manifests");
    let file = dir.join("facts.json");
    fs::write(&file, facts.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn write(dir: &Path, file: &str, content: impl AsRef<[u8]>) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn budget(version: &str) -> String {
    format!("# why\n---\napiVersion: {version}\nkind: PodDisruptionBudget\nmetadata:\n  name: web\n  namespace: shop\n")
}

/// A folder as people have them: good, old, about to be old, a chart, and what nobody can read.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "git/good.yaml", budget("policy/v1"));
    write(dir.path(), "git/old/pdb web.yaml", budget("policy/v1beta1"));
    write(
        dir.path(),
        "git/soon.json",
        "{\n\t\"apiVersion\": \"networking.k8s.io/v1beta1\", \"kind\": \"ServiceCIDR\"}",
    );
    write(dir.path(), "git/chart/Chart.yaml", "apiVersion: v2\nname: web\n");
    let template = "{{- if .Values.cron }}\napiVersion: batch/v1beta1\nkind: CronJob\n{{- end }}\n";
    write(dir.path(), "git/chart/templates/cron.yaml", template);
    write(dir.path(), "git/binary.yaml", b"apiVersion: v1\0\xff");
    write(dir.path(), "git/broken.yaml", "apiVersion: v1\nkind: [\n");
    fs::File::create(dir.path().join("git/huge.yaml")).unwrap().set_len(1 << 33).unwrap();
    dir
}

#[test]
fn a_folder_is_judged_beside_a_cluster_and_every_place_is_named() {
    let dir = folder();
    let facts = facts(dir.path());
    let check = ["check", TO[0], TO[1], "--facts", &facts, "--manifests", "git"];
    let said = belay(dir.path(), &check);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    for part in [
        "git: 4 objects in 6 files; 3 could not be read: git/binary.yaml, git/broken.yaml, git/huge.yaml",
        "[belay-folder-api-gone]",
        "policy/v1beta1 PodDisruptionBudget shop/web, gone in 1.25, now policy/v1 (git/old/pdb web.yaml:3)",
        "[belay-folder-template-api-gone]",
        "[belay-folder-api-deprecated]",
        "[belay-folder-unread]",
        "Who must change what: who what from → to served",
        "✗ git/old/pdb web.yaml:3 PodDisruptionBudget shop/web policy/v1beta1 → v1 not from 1.25",
        "! git/soon.json:2 ServiceCIDR networking.k8s.io/v1beta1 → v1 until 1.36",
    ] {
        assert!(told.contains(part), "{part} is missing: {}", said.out);
    }
    let model = json_of(&belay(dir.path(), &[&check[..], &["--output", "json"]].concat()));
    let users: Vec<&Value> = model["users"].as_array().unwrap().iter().collect();
    assert_eq!(users.len(), 3);
    assert_eq!(
        (&users[0]["source"], &users[0]["fate"], &users[0]["line"]),
        (&json!("file"), &json!("gone"), &json!(3))
    );
    assert_eq!(model["facts"]["manifests"][0]["unread"].as_array().unwrap().len(), 3);

    let accepted = "belay-folder-api-gone=the pipeline is stopped@2999-12-31";
    assert_eq!(belay(dir.path(), &[&check[..], &["--accept", accepted]].concat()).code, 0);
    write(dir.path(), "git/old/pdb web.yaml", budget("policy/v1"));
    assert_eq!(belay(dir.path(), &check).code, 0, "a template and what is deprecated only warn");
}

#[test]
fn a_ci_gets_places_in_its_formats() {
    let dir = folder();
    let facts = facts(dir.path());
    let check = ["check", TO[0], TO[1], "--facts", &facts, "--manifests", "git", "--output"];
    let with = |format: &str| belay(dir.path(), &[&check[..], &[format]].concat());
    let sarif = json_of(&with("sarif"));
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let gone = results.iter().find(|result| result["ruleId"] == "belay-folder-api-gone").unwrap();
    let place = &gone["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "git/old/pdb%20web.yaml");
    assert_eq!((&place["region"]["startLine"], &gone["level"]), (&json!(3), &json!("error")));
    assert!(results.iter().any(|result| result["ruleId"] == "belay-folder-unread"
        && result["locations"][0]["physicalLocation"]["region"]["startLine"] == 2));
    assert!(with("junit").out.contains("git/old/pdb web.yaml:3"));
    let table = with("markdown").out;
    assert!(
        table.contains(
            "| git/old/pdb web.yaml:3 | PodDisruptionBudget shop/web | policy/v1beta1 → policy/v1 | not from 1.25 |"
        ),
        "{table}"
    );
}

#[test]
fn a_new_file_is_new_beside_a_baseline_that_knows_the_old_ones() {
    let dir = folder();
    let check = ["check", TO[0], TO[1], "--manifests", "git", "--facts", &facts(dir.path())];
    let with = |more: &[&str]| belay(dir.path(), &[&check[..], more].concat());
    assert_eq!(with(&["--write-baseline", "known.json"]).code, 1);
    assert_eq!(with(&["--baseline", "known.json"]).code, 0);
    write(dir.path(), "git/old/pdb web.yaml", format!("# moved\n{}", budget("policy/v1beta1")));
    assert_eq!(with(&["--baseline", "known.json"]).code, 0, "a line more is nothing new");
    write(dir.path(), "git/more.yaml", budget("policy/v1beta1"));
    let said = with(&["--baseline", "known.json"]);
    assert!(said.code == 1 && said.out.contains("git/more.yaml:3"), "{}{}", said.out, said.err);
}

#[test]
fn without_a_cluster_folders_are_judged_alone() {
    // Where K3s is, it would be looked at.
    assert!(!Path::new("/etc/rancher").exists() && !Path::new("/run/k3s").exists(), "run it where no K3s is");
    let dir = folder();
    let said = belay(dir.path(), &["check", TO[0], TO[1], "--manifests", "git/old", "--manifests", "git/good.yaml"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("this machine has no K3s, so only the folders were judged"), "{}", said.out);
    assert!(said.out.contains("1 blocking") && !said.out.contains("cannot be ruled out"), "{}", said.out);
    assert!(said.out.contains("which a plan does not read") && !said.out.contains("There is no plan"), "{}", said.out);
    let good = belay(dir.path(), &["check", TO[0], TO[1], "--manifests", "git/good.yaml"]);
    assert_eq!(good.code, 0, "{}{}", good.out, good.err);
    let untargeted = belay(dir.path(), &["check", "--manifests", "git"]);
    assert!(untargeted.code == 2 && untargeted.err.contains("--to TAG"), "{}", untargeted.err);
    let missing = belay(dir.path(), &["check", TO[0], TO[1], "--manifests", "none"]);
    assert!(missing.code == 1 && missing.err.contains("none"), "{}", missing.err);
}

#[test]
fn a_target_that_is_no_release_and_a_folder_without_manifests_passed() {
    let dir = folder();
    for to in ["v9.9.9+k3s1", "v1.36.0+k3s7"] {
        let said = belay(dir.path(), &["check", "--to", to, "--manifests", "git/good.yaml"]);
        assert!(
            said.code == 1 && said.err.contains("is no release that is known here"),
            "{to}: {}{}",
            said.out,
            said.err
        );
    }
    let later = belay(dir.path(), &["check", "--to", "v1.37.99+k3s1", "--manifests", "git/good.yaml"]);
    assert_eq!(later.code, 0, "it may have come out since: {}", later.err);

    fs::create_dir(dir.path().join("empty")).unwrap();
    write(dir.path(), "values/values.yaml", "replicas: 3\n");
    for (named, why) in [("empty", "no file that ends in .yaml"), ("values", "1 file is there, and none")] {
        let said = belay(dir.path(), &["check", TO[0], TO[1], "--manifests", named]);
        assert!(said.code == 1 && said.out.is_empty() && said.err.contains(why), "{named}: {}{}", said.out, said.err);
        let beside = belay(dir.path(), &["check", TO[0], TO[1], "--facts", &facts(dir.path()), "--manifests", named]);
        assert!(beside.code == 1 && beside.err.contains(why), "{named}: {}{}", beside.out, beside.err);
    }
}

#[test]
fn saved_facts_keep_their_folders() {
    let dir = folder();
    let saved = dir.path().join("saved.json");
    let saved = saved.to_str().unwrap();
    belay(
        dir.path(),
        &["check", TO[0], TO[1], "--facts", &facts(dir.path()), "--manifests", "git", "--save-facts", saved],
    );
    let again = belay(Path::new("/"), &["check", TO[0], TO[1], "--facts", saved]);
    assert!(again.code == 1 && again.out.contains("[belay-folder-api-gone]"), "{}{}", again.out, again.err);
}
