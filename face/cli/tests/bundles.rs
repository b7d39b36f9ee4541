//! Knowledge bundles, as a user installs, sees and removes them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minisign::KeyPair;
use serde_json::{Value, json};

/// A state of its own, a key, and the program.
struct Desk {
    dir: tempfile::TempDir,
    keys: KeyPair,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// Whether it ended with the code and said the words, however they are wrapped.
    fn has(&self, code: i32, words: &str) {
        let told = format!("{} {}", self.out, self.err);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(self.code == code && told.contains(words), "{} ({words}):\n{}{}", self.code, self.out, self.err);
    }
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), keys: KeyPair::generate_unencrypted_keypair().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn belay(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_belay"));
        command.args(args).env_clear().env("COLUMNS", "120").env("BELAY_STATE", self.path("state"));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// A signed bundle with one rule.
    fn bundle(&self, serial: u32, date: &str, rule: &str) -> String {
        let text = format!(
            "belay = \"knowledge/v1\"\nserial = {serial}\ndate = {date}\n[[rule]]\nid = {rule:?}\ntitle = \"our filer\"\n\
             severity = \"block\"\nscope = \"node\"\nwhen = \"node.name != ''\"\nmeans = \"{{node.name}} is on our filer\"\n\
             fix = \"move it\"\nsources = [\"https://example.com/\"]\nas_of = {date}\n"
        );
        let path = self.path("bundle.toml");
        fs::write(&path, &text).unwrap();
        let signature = minisign::sign(None, &self.keys.sk, text.as_bytes(), Some("knowledge"), None).unwrap();
        fs::write(self.path("bundle.toml.minisig"), signature.into_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn update(&self, bundle: &str, more: &[&str]) -> Said {
        let key = self.keys.pk.to_base64();
        self.belay(&[&["knowledge", "update", "--from", bundle, "--key", &key], more].concat())
    }

    fn check(&self, more: &[&str]) -> Said {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/checks/fixtures/base.json");
        let facts = serde_json::from_str::<Value>(&fs::read_to_string(base).unwrap()).unwrap()["facts"].take();
        fs::write(self.path("facts.json"), facts.to_string()).unwrap();
        let file = self.path("facts.json");
        self.belay(&[&["check", "--to", "v1.36.3+k3s1", "--facts", file.to_str().unwrap()], more].concat())
    }
}

#[test]
fn a_bundle_of_a_trusted_key_adds_a_risk_until_it_is_removed() {
    let desk = Desk::new();
    let bundle = desk.bundle(3, "2026-11-25", "ours-filer");
    desk.update(&bundle, &[]).has(0, "knowledge of 2026-11-25 (serial 3) is installed");
    desk.belay(&["knowledge", "show"]).has(0, "which may only add");
    let shown = desk.belay(&["knowledge", "show", "--output", "json"]).json();
    assert_eq!(shown["bundles"][0]["serial"], 3);
    assert_eq!(shown["bundles"][0]["key"], desk.keys.pk.to_base64());
    assert_eq!(shown["bundles"][0]["counts"]["rules"], 1);

    desk.check(&[]).has(1, "n1 is on our filer");
    let model = desk.check(&["--output", "json"]).json();
    assert!(model["findings"].as_array().unwrap().iter().any(|finding| finding["rule"] == "ours-filer"));
    assert_eq!(model["knowledge"]["bundles"][0]["digest"], shown["bundles"][0]["digest"]);
    desk.check(&["--output", "sarif"]).has(1, "ours-filer");
    desk.belay(&["explain", "ours-filer"]).has(0, "our filer");
    let accepted = desk.check(&["--accept", "ours-filer=we know@2999-01-01"]);
    assert_eq!(accepted.code, 0, "{}{}", accepted.out, accepted.err);

    desk.belay(&["knowledge", "remove"]).has(0, "Removed");
    let model = desk.check(&["--output", "json"]).json();
    assert_eq!(model["knowledge"]["bundles"], json!([]));
    assert!(model["findings"].as_array().unwrap().iter().all(|finding| finding["rule"] != "ours-filer"));
    desk.belay(&["knowledge", "show"]).has(0, "no bundle is in use");
    desk.belay(&["knowledge", "remove"]).has(0, "No bundle is installed");
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let desk = Desk::new();
    let bundle = desk.bundle(3, "2026-11-25", "belay-disk-space");
    desk.update(&bundle, &[]).has(1, "`belay-disk-space` is there already, and only the project's key may replace it");
    let bundle = desk.bundle(3, "2026-11-25", "ours-filer");
    desk.belay(&["knowledge", "update", "--from", &bundle]).has(1, "is not signed by the project's key");
    desk.belay(&["knowledge", "update", "--from", &bundle]).has(1, "--key FILE|RW...");
    desk.belay(&["knowledge", "update", "--from", &bundle, "--key", "no.pub"]).has(1, "no public key of minisign");
    desk.belay(&["knowledge", "update", "--from", "/nowhere.toml"]).has(1, "could not read /nowhere.toml");
    fs::remove_file(desk.path("bundle.toml.minisig")).unwrap();
    desk.update(&bundle, &[]).has(1, "is unsigned");
    assert!(!desk.path("state").exists());

    let bundle = desk.bundle(3, "2026-11-25", "ours-filer");
    desk.update(&bundle, &[]).has(0, "installed");
    let bundle = desk.bundle(2, "2026-11-24", "ours-older");
    desk.update(&bundle, &[]).has(1, "next: to go back to it all the same: --allow-older");
    desk.belay(&["explain", "ours-filer"]).has(0, "our filer");
    desk.update(&bundle, &["--allow-older"]).has(0, "serial 2");
}

#[test]
fn an_old_one_warns_and_a_broken_one_is_not_used_in_silence() {
    let desk = Desk::new();
    let bundle = desk.bundle(1, "2026-01-05", "ours-filer");
    desk.update(&bundle, &[]).has(0, "installed");
    let said = desk.check(&["--fail-on", "never"]);
    said.has(0, "the knowledge bundle is of 2026-01-05");
    assert!(said.err.contains("knowledge bundle") && !said.out.contains("knowledge bundle"), "{}", said.out);
    let notes = desk.check(&["--output", "json"]).json()["knowledge"]["notes"].to_string();
    assert!(notes.contains("2026-01-05"), "{notes}");

    let kept = desk.path("state/knowledge/other.json");
    fs::write(&kept, fs::read_to_string(&kept).unwrap().replace("our filer", "no filer")).unwrap();
    for said in [desk.check(&["--fail-on", "never"]), desk.belay(&["versions", "--from", "v1.35.9+k3s1"])] {
        said.has(0, "an installed knowledge bundle is not used");
    }
    desk.belay(&["knowledge", "show"]).has(0, "is not used");
}
