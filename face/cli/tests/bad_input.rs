//! What a person gets wrong and a machine lacks, as far as it can be seen without a node: why, what to type next, the exit
//! code, and nothing changed. With a node it is lab/bench/tests (the table in lab/README.md).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../../report/tests/story/mod.rs"]
mod story;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// A directory with a state of its own, and the program.
struct Desk {
    dir: tempfile::TempDir,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Facts of a healthy server, with one thing changed.
    fn facts(&self, change: impl FnOnce(&mut Value)) -> String {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/checks/fixtures/base.json");
        let mut facts = serde_json::from_str::<Value>(&fs::read_to_string(base).unwrap()).unwrap()["facts"].take();
        change(&mut facts);
        self.write("facts.json", &facts.to_string())
    }

    fn belay(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_belay"));
        command.args(args).env_clear().env("COLUMNS", "120").env("BELAY_STATE", self.path("state"));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The exit code, the reason and what to type next; and nothing was made.
    fn refuses(&self, code: i32, reason: &str, next: &str, args: &[&str]) {
        let said = self.belay(args);
        let told = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(said.code, code, "belay {args:?}: {}", said.err);
        assert!(told.contains(reason), "belay {args:?} does not say {reason:?}: {}", said.err);
        let hint = told.split_once("next: ").map(|(_, hint)| hint);
        assert!(hint.is_some_and(|hint| hint.contains(next)), "belay {args:?} does not say to {next:?}: {}", said.err);
        assert!(!self.path("state").exists(), "belay {args:?} made something");
    }

    /// A finding that blocks, by its rule.
    fn finds(&self, rule: &str, facts: &str) -> Said {
        let said = self.belay(&["check", "--to", "v1.36.3+k3s1", "--facts", facts]);
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        assert!(said.out.contains(rule), "{rule} is not named: {}", said.out);
        assert!(!self.path("state").exists());
        said
    }
}

#[test]
fn plans_that_cannot_be_read_or_were_edited() {
    let desk = Desk::new();
    let write = "belay plan --to TAG -o plan.yaml";
    desk.refuses(1, "there is no plan file none.yaml", write, &["plan", "show", "none.yaml"]);
    for (name, content, reason) in [
        ("broken.yaml", "{ a: [", "broken.yaml: the plan could not be read"),
        ("later.yaml", "belay: plan/v9\n", "later.yaml: the plan is of format `plan/v9`"),
        ("empty.yaml", "", "empty.yaml: the plan could not be read"),
    ] {
        let file = desk.write(name, content);
        desk.refuses(1, reason, write, &["plan", "show", &file]);
    }
    let plan = story::plan().to_yaml().unwrap();
    assert!(plan.contains("for: 60s"), "{plan}");
    let edited = desk.write("edited.yaml", &plan.replace("for: 60s", "for: 1s"));
    desk.refuses(1, "the plan was edited after it was made", write, &["plan", "show", &edited]);
    let whole = desk.write("whole.yaml", &plan);
    assert_eq!(desk.belay(&["plan", "show", &whole]).code, 0);
}

#[test]
fn facts_that_are_missing_or_no_facts() {
    let desk = Desk::new();
    let save = "belay check --save-facts FILE";
    desk.refuses(1, "could not read the facts from none.json", save, &["check", "--facts", "none.json"]);
    let broken = desk.write("broken.json", "{\"belay\": \"facts/v9\"}");
    desk.refuses(1, "broken.json", save, &["check", "--facts", &broken]);
}

#[test]
fn kubeconfigs_that_are_missing_or_cannot_be_taken() {
    let desk = Desk::new();
    let missing = ["check", "--kubeconfig", "none.kubeconfig"];
    desk.refuses(1, "the kubeconfig none.kubeconfig: it could not be read", "docs/rbac/README.md", &missing);
    let secret = "belay-canary-secret";
    let file = desk.write("check.kubeconfig", &format!("users: [{{name: u, user: {{token: {secret}"));
    desk.refuses(1, "it is no YAML", "kubectl config view --kubeconfig", &["check", "--kubeconfig", &file]);
    let said = desk.belay(&["check", "--kubeconfig", &file]);
    assert!(!format!("{}{}", said.out, said.err).contains(secret), "{}", said.err);
    let both = desk.belay(&["check", "--kubeconfig", &file, "--facts", &desk.facts(|_| ())]);
    assert!(both.code == 2 && both.err.contains("--kubeconfig"), "saved facts are asked of nobody: {}", both.err);
}

#[test]
fn a_node_without_k3s_or_with_another_init() {
    let desk = Desk::new();
    let without = |facts: &mut Value| {
        facts["cluster"] = Value::Null;
        facts["nodes"][0]["binary"] = Value::Null;
        facts["nodes"][0]["unit"] = Value::Null;
        facts["nodes"][0]["process"] = Value::Null;
    };
    let none = desk.facts(without);
    desk.refuses(1, "no K3s was found on this node", "run belay on the K3s server", &["check", "--facts", &none]);
    let openrc = desk.facts(|facts| {
        without(facts);
        facts["nodes"][0]["init"] = json!("openrc-init");
    });
    desk.refuses(1, "process 1 of this node is openrc-init", "another way", &["check", "--facts", &openrc]);
    desk.finds("belay-init-not-systemd", &desk.facts(|facts| facts["nodes"][0]["init"] = json!("openrc-init")));
}

#[test]
fn more_nodes_than_belay_can_upgrade_yet() {
    let desk = Desk::new();
    let two = desk.facts(|facts| {
        let mut second = facts["cluster"]["nodes"][0].clone();
        second["name"] = json!("n2");
        facts["cluster"]["nodes"].as_array_mut().unwrap().push(second);
    });
    desk.finds("belay-more-than-one-node", &two);
}

#[test]
fn without_root_that_is_said_and_what_could_be_read_is_judged() {
    let desk = Desk::new();
    let why = "needs root: user 1000 may not read /etc/systemd/system/k3s.service.env";
    let facts = desk.facts(|facts| {
        facts["nodes"][0]["helper"]["uid"] = json!(1000);
        facts["nodes"][0]["memory"]["total"] = json!(500_000_000);
        facts["unread"] = json!([{ "fact": "node.config", "why": why, "fix": "Run it as root: `sudo belay …`." }]);
    });
    let said = desk.finds("belay-helper-not-root", &facts);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("belay-memory-below-1g"), "{}", said.out);
    // Fifty rules ask about the configuration: the reason is said once for those that block, once for the others, and for the one
    // that asks about all nodes.
    assert_eq!(told.matches(why).count(), 3, "{}", said.out);
    assert!(told.contains("info cannot be ruled out, a fact is missing: belay-"), "{}", said.out);
    assert!(told.contains("risks cannot be ruled out") && told.contains("fix Run it as root"), "{}", said.out);
}

#[test]
fn what_nobody_could_read_was_told_as_if_it_were_so() {
    let desk = Desk::new();
    let why = "needs root: user 1000 may not read /etc/rancher/k3s/config.yaml";
    let facts = desk.facts(|facts| {
        facts["nodes"][0]["helper"]["uid"] = json!(1000);
        facts["nodes"][0]["config"]["unreadable"] = json!(["/etc/rancher/k3s/config.yaml: needs root"]);
        facts["unread"] = json!([{ "fact": "node.config", "why": why, "fix": "Run it as root: `sudo belay …`." }]);
    });
    let baseline = desk.path("baseline.json");
    let baseline = baseline.to_str().unwrap();
    desk.belay(&["check", "--to", "v1.36.3+k3s1", "--facts", &facts, "--write-baseline", baseline]);
    let known = desk.belay(&["check", "--to", "v1.36.3+k3s1", "--facts", &facts, "--baseline", baseline]).out;
    let known = known.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(known.contains("known n1: The helper does not run as root"), "{known}");
    assert!(known.contains("known cannot be ruled out, a fact is missing: n1: "), "{known}");
    for verb in ["diff", "fix"] {
        let said = desk.belay(&["config", verb, "--to", "v1.36.3+k3s1", "--facts", &facts]);
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        assert!(said.out.contains("not read: /etc/rancher/k3s/config.yaml: needs root"), "{}", said.out);
        assert!(said.out.contains("Run it as root: `sudo belay …`.") && !said.out.contains('✓'), "{}", said.out);
    }
}

#[test]
fn a_healthy_server_is_refused_nothing() {
    let desk = Desk::new();
    let said = desk.belay(&["check", "--to", "v1.36.3+k3s1", "--facts", &desk.facts(|_| ())]);
    assert_eq!(said.code, 0, "the cases above are refused for what they change alone: {}{}", said.out, said.err);
}

#[test]
fn releases_that_nobody_knows() {
    let desk = Desk::new();
    let facts = desk.facts(|_| ());
    let unknown = ["versions", "--hazards", "v1.36.99+k3s1"];
    desk.refuses(1, "v1.36.99+k3s1 is not in this build's tables", "belay versions", &unknown);
    desk.refuses(2, "1.36.3", "--to v1.36.3+k3s1", &["check", "--facts", &facts, "--to", "1.36.3"]);
    for wrong in ["v1.36.3+k3s", "v1.x+k3s1"] {
        let said = desk.belay(&["check", "--facts", &facts, "--to", wrong]);
        assert!(said.code == 2 && said.err.contains(wrong), "{wrong}: {}", said.err);
    }
}

#[test]
fn runs_that_are_not_there() {
    let desk = Desk::new();
    let first = "belay upgrade --to TAG";
    desk.refuses(1, "no run was ever made here", first, &["report"]);
    for args in [["report", "x"].as_slice(), &["journal", "show", "x"], &["journal", "verify", "x"]] {
        desk.refuses(1, "there is no run x", first, args);
    }
    desk.refuses(1, "there is no run x", "the file that `belay plan -o` wrote", &["plan", "show", "x"]);
    desk.refuses(1, "there is no run ../x", first, &["report", "../x"]);
    // Where there is one, it is named.
    let plan = story::plan();
    let run = belay_runner::StateDir::new(desk.path("state")).run(&plan.id);
    run.create(&plan.to_yaml().unwrap(), &story::facts("v1.35.4+k3s1", 3)).unwrap();
    let said = desk.belay(&["journal", "show", "x"]);
    assert!(said.code == 1 && said.err.contains(&format!("the last run here is {}", plan.id)), "{}", said.err);
    assert!(said.err.contains("belay report --list"), "{}", said.err);
}

#[test]
fn runs_are_listed_and_one_that_cannot_be_read_hides_no_other() {
    let desk = Desk::new();
    let none = desk.belay(&["report", "--list"]);
    assert!(none.code == 0 && none.out.contains("No run was ever made here"), "{}{}", none.out, none.err);
    assert_eq!(desk.belay(&["report", "--list", "--output", "json"]).out, "[]\n");

    let state = belay_runner::StateDir::new(desk.path("state"));
    let facts = story::facts("v1.35.4+k3s1", 3);
    let story = story::kubelet_no();
    let mut journal = state.run(&story.plan.id).create(&story.plan.to_yaml().unwrap(), &facts).unwrap();
    story.records.iter().for_each(|record| journal.append(record).map(drop).unwrap());
    let begun = story::within_a_minor();
    let held = state.run(&begun.id).create(&begun.to_yaml().unwrap(), &facts).unwrap();
    drop(state.run("2026-11-25-0002").create("no plan", &facts).unwrap());

    let said = desk.belay(&["report", "--list"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!((said.code, lines.len()), (0, 4), "{}{}", said.out, said.err);
    for (line, parts) in lines.iter().zip([
        [story.plan.id.as_str(), "2026-11-23 16:40:02 UTC", "restored", "v1.35.4+k3s1 → v1.36.3+k3s1 on n1"],
        [begun.id.as_str(), "not begun", "goes on", "v1.35.4+k3s1 → v1.35.5+k3s1 on n1"],
        ["2026-11-25-0002", "not begun", "cannot be read", "the plan of run"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    drop(held);
    let sign = state.run(&begun.id).path().join("journal.lock");
    let gone = fs::read_to_string(&sign).unwrap().replace("\"started\":", "\"started\":1");
    fs::write(&sign, gone).unwrap();
    let model: Value = serde_json::from_str(&desk.belay(&["report", "--list", "--output", "json"]).out).unwrap();
    assert_eq!((&model[0]["result"], &model[0]["about"]["to"]), (&json!("restored"), &json!("v1.36.3+k3s1")));
    assert_eq!((&model[1]["result"], &model[2]["result"]), (&json!("left"), &json!("unreadable")));
    assert_eq!(desk.belay(&["report", "--list", "x"]).code, 2);
}

#[test]
fn a_rule_that_cannot_be_accepted_was_passed_over_in_silence() {
    let desk = Desk::new();
    let openrc = desk.facts(|facts| facts["nodes"][0]["init"] = json!("openrc-init"));
    let accept = ["check", "--facts", &openrc, "--accept", "belay-init-not-systemd=it is fine@2999-12-31"];
    desk.refuses(2, "belay-init-not-systemd cannot be accepted", "belay explain belay-init-not-systemd", &accept);
}

/// Found by a newcomer: each of these said why, and not what to type next.
#[test]
fn places_that_cannot_be_written_or_read() {
    let desk = Desk::new();
    let facts = desk.facts(|_| ());
    let plan = ["plan", "--to", "v1.36.3+k3s1", "-o", "/nope/p.yaml"];
    desk.refuses(1, "could not write the plan to /nope/p.yaml: there is no directory /nope", "-o plan.yaml", &plan);
    desk.refuses(1, "could not write man pages to /proc/x", "belay man ./man", &["man", "/proc/x"]);
    let update = ["knowledge", "update", "--from", "/nope"];
    desk.refuses(1, "could not read /nope", "belay knowledge update --from FILE|URL", &update);
    let save = ["check", "--facts", &facts, "--save-facts", "/nope/facts.json"];
    desk.refuses(1, "could not write the facts to /nope/facts.json", "a directory that is there", &save);
    for verb in ["rollback", "restore"] {
        let said = desk.belay(&[verb, "x", "--discard-writes-since", "yesterday"]);
        assert!(said.code == 2 && said.err.contains("such as 2026-11-23T16:40:02Z"), "{}", said.err);
        assert!(said.err.contains("without it lists what would be lost"), "{}", said.err);
    }
    assert!(desk.belay(&["apply", "--help"]).out.contains("Does not ask"));
}

#[test]
fn command_lines_that_make_no_sense() {
    let desk = Desk::new();
    let facts = desk.facts(|_| ());
    for args in [
        ["upgrade"].as_slice(),
        &["nonsense"],
        &["apply"],
        &["check", "--fail-on", "always"],
        &["check", "--facts", &facts, "--accept", "belay-disk-space"],
        &["check", "--facts", &facts, "--accept", "no-such-rule=why@2099-01-01"],
        &["check", "--facts", &facts, "--accept", "belay-disk-space=why@2020-01-01"],
        &["check", "--facts", &facts, "--ssh-config", "none"],
    ] {
        let said = desk.belay(args);
        assert!(said.code == 2 && !said.err.is_empty(), "belay {args:?}: {} {}", said.code, said.err);
        assert!(!desk.path("state").exists());
    }
}
