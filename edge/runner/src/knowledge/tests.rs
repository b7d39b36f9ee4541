use std::path::{Path, PathBuf};

use belay_checks::{Clash, Knowledge, Severity, Signer};
use jiff::civil::{Date, date};
use minisign::KeyPair;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{BundleError, Installed, KnowledgeStore, Known, SignedBundle, TrustedKey};
use crate::vault::Origin;

const TODAY: Date = date(2026, 12, 5);

/// A store whose project is one of this test's keys, and somewhere to put bundles.
struct Desk {
    dir: tempfile::TempDir,
    project: KeyPair,
    ours: KeyPair,
}

fn keys() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

fn trusted(keys: &KeyPair) -> TrustedKey {
    keys.pk.to_base64().parse().unwrap()
}

/// A bundle with one rule.
fn text(serial: u32, rule: &str, severity: &str) -> String {
    format!(
        "belay = \"knowledge/v1\"\nserial = {serial}\ndate = 2026-12-01\n[[rule]]\nid = {rule:?}\ntitle = \"t\"\n\
         severity = {severity:?}\nscope = \"cluster\"\nwhen = \"true\"\nmeans = \"m\"\nfix = \"f\"\n\
         sources = [\"https://example.com/\"]\nas_of = 2026-12-01\n"
    )
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), project: keys(), ours: keys() }
    }

    fn store(&self) -> KnowledgeStore {
        KnowledgeStore::with_project(self.dir.path().join("state/knowledge"), trusted(&self.project))
    }

    fn put(&self, text: &str, by: &KeyPair) -> PathBuf {
        let path = self.dir.path().join("bundle.toml");
        std::fs::write(&path, text).unwrap();
        let signature = minisign::sign(None, &by.sk, text.as_bytes(), Some("knowledge"), None).unwrap();
        std::fs::write(beside(&path), signature.into_string()).unwrap();
        path
    }

    async fn try_install(&self, path: &Path, allow_older: bool) -> Result<Installed, BundleError> {
        let signed = SignedBundle::fetch(&Origin::Directory(path.to_owned())).await?;
        let build = Knowledge::embedded().unwrap();
        self.store().install(&signed, Some(&trusted(&self.ours)), allow_older, build, TODAY)
    }

    async fn install(&self, text: &str, by: &KeyPair) -> Result<Installed, BundleError> {
        self.try_install(&self.put(text, by), false).await
    }

    fn known(&self) -> Known {
        Known::of(&self.store(), Knowledge::embedded().unwrap(), TODAY)
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.dir.path().join("state/knowledge").join(name)
    }
}

fn beside(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.minisig", path.display()))
}

#[test]
fn the_projects_own_key_is_one() {
    assert!(TrustedKey::project().unwrap().word().starts_with("RW"));
}

#[tokio::test]
async fn the_project_replaces_and_another_key_adds_beside_it() {
    let desk = Desk::new();
    let by_project = desk.install(&text(1, "belay-disk-space", "info"), &desk.project).await.unwrap();
    assert_eq!(by_project.signer, Signer::Project);
    desk.install(&text(1, "ours", "block"), &desk.ours).await.unwrap();
    let known = desk.known();
    assert_eq!(known.notes, Vec::<String>::new());
    assert_eq!(known.knowledge.rule("belay-disk-space").unwrap().severity, Severity::Info);
    assert_eq!(known.knowledge.rule("ours").unwrap().severity, Severity::Block);
    let signers: Vec<Signer> = known.knowledge.bundles.into_iter().map(|mark| mark.signer).collect();
    assert_eq!(signers, [Signer::Project, Signer::Other(desk.ours.pk.to_base64())]);
    assert!(desk.store().remove().unwrap() && desk.known().knowledge.bundles.is_empty());
    assert!(!desk.store().remove().unwrap());
}

#[tokio::test]
async fn another_key_replaces_nothing() {
    let desk = Desk::new();
    let error = desk.install(&text(1, "belay-disk-space", "info"), &desk.ours).await.unwrap_err();
    let BundleError::Refused { clashes, .. } = &error else { panic!("{error}") };
    assert_eq!(clashes, &[Clash::Replaces("belay-disk-space".to_owned())]);
    assert!(!desk.kept("other.json").exists());
    // Nor what the project's bundle has brought.
    desk.install(&text(1, "belay-new", "block"), &desk.project).await.unwrap();
    let error = desk.install(&text(1, "belay-new", "info"), &desk.ours).await.unwrap_err();
    assert!(matches!(error, BundleError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_signed_by_a_trusted_key_is_refused() {
    let desk = Desk::new();
    let good = text(1, "ours", "block");
    let error = desk.install(&good, &keys()).await.unwrap_err();
    assert!(matches!(error, BundleError::WrongSignature { .. }), "{error}");

    let path = desk.put(&good, &desk.ours);
    std::fs::write(&path, good.replace("block", "warn")).unwrap();
    let error = desk.try_install(&path, false).await.unwrap_err();
    assert!(matches!(error, BundleError::WrongSignature { .. }), "{error}");

    let path = desk.put(&good, &desk.ours);
    let signature = std::fs::read_to_string(beside(&path)).unwrap();
    std::fs::write(beside(&path), signature.replace("trusted comment: knowledge", "trusted comment: other")).unwrap();
    let error = desk.try_install(&path, false).await.unwrap_err();
    assert!(matches!(error, BundleError::WrongSignature { .. }), "{error}");

    std::fs::write(beside(&path), "no signature").unwrap();
    let error = desk.try_install(&path, false).await.unwrap_err();
    assert!(matches!(error, BundleError::NoSignature { .. }), "{error}");

    std::fs::remove_file(beside(&path)).unwrap();
    let error = desk.try_install(&path, false).await.unwrap_err();
    assert!(matches!(error, BundleError::Unsigned { .. }), "{error}");
    assert!(desk.store().installed().is_empty());
}

#[tokio::test]
async fn an_older_one_needs_a_word_and_one_of_a_third_key_a_removal() {
    let desk = Desk::new();
    desk.install(&text(5, "ours", "block"), &desk.ours).await.unwrap();
    desk.install(&text(5, "ours", "block"), &desk.ours).await.unwrap();
    let error = desk.install(&text(5, "ours", "warn"), &desk.ours).await.unwrap_err();
    assert!(matches!(error, BundleError::Twin { .. }), "{error}");
    let path = desk.put(&text(4, "ours-too", "block"), &desk.ours);
    let error = desk.try_install(&path, false).await.unwrap_err();
    assert!(matches!(error, BundleError::Older { serial: 4, there: 5, .. }), "{error}");
    assert!(desk.known().knowledge.rule("ours").is_some(), "nothing has changed");
    desk.try_install(&path, true).await.unwrap();
    assert!(desk.known().knowledge.rule("ours").is_none());

    let third = Desk { dir: desk.dir, project: desk.project, ours: keys() };
    let error = third.install(&text(9, "theirs", "block"), &third.ours).await.unwrap_err();
    assert!(matches!(error, BundleError::OtherKey { .. }), "{error}");
}

#[tokio::test]
async fn one_that_is_dated_ahead_would_never_be_old() {
    let desk = Desk::new();
    let ahead = text(1, "ours", "block").replace("date = 2026-12-01", "date = 2027-12-01");
    let error = desk.install(&ahead, &desk.ours).await.unwrap_err();
    assert!(matches!(error, BundleError::Ahead { .. }), "{error}");
}

#[tokio::test]
async fn an_installed_one_that_was_altered_is_told_and_not_used() {
    let desk = Desk::new();
    desk.install(&text(1, "belay-new", "block"), &desk.project).await.unwrap();
    desk.install(&text(1, "ours", "block"), &desk.ours).await.unwrap();
    let whole = std::fs::read_to_string(desk.kept("other.json")).unwrap();
    for broken in [
        whole.replace("severity = \\\"block", "severity = \\\"info"),
        whole[..whole.len() / 2].to_owned(),
        String::new(),
    ] {
        assert_ne!(broken, whole);
        std::fs::write(desk.kept("other.json"), broken).unwrap();
        let known = desk.known();
        assert!(known.knowledge.rule("ours").is_none() && known.knowledge.rule("belay-new").is_some());
        assert!(matches!(known.notes.as_slice(), [note] if note.contains("is not used")), "{:?}", known.notes);
    }
    // And it can be mended.
    desk.install(&text(1, "ours", "block"), &desk.ours).await.unwrap();
    assert!(desk.known().knowledge.rule("ours").is_some());
}

#[tokio::test]
async fn another_machine_is_not_asked_over_plain_http() {
    let from: Origin = "http://mirror.example/bundle.toml".parse().unwrap();
    let error = SignedBundle::fetch(&from).await.unwrap_err();
    assert!(matches!(error, BundleError::PlainHttp(_)), "{error}");
}

#[test]
fn a_key_is_named_by_its_word_or_its_file() {
    let desk = Desk::new();
    let file = desk.dir.path().join("minisign.pub");
    std::fs::write(&file, desk.ours.pk.to_box().unwrap().to_string()).unwrap();
    assert_eq!(TrustedKey::named(file.to_str().unwrap()).unwrap().word(), desk.ours.pk.to_base64());
    assert_eq!(TrustedKey::named(&desk.ours.pk.to_base64()).unwrap().word(), desk.ours.pk.to_base64());
    assert!(TrustedKey::named("RWnonsense").is_err());
}

/// A web server on this machine with some files; every other path is not found.
async fn serve(files: Vec<(&'static str, String)>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            let asked = String::from_utf8_lossy(&head[..read]).split(' ').nth(1).unwrap().to_owned();
            let found = files.iter().find(|(path, _)| *path == asked);
            let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
            let body = found.map_or("", |(_, body)| body.as_str());
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_address_has_the_signature_beside_the_bundle() {
    let desk = Desk::new();
    let bundle = text(1, "ours", "block");
    let path = desk.put(&bundle, &desk.ours);
    let signature = std::fs::read_to_string(beside(&path)).unwrap();
    let huge = "#".repeat(4 * 1024 * 1024 + 1);
    let files = vec![
        ("/b.toml?v=1", bundle.clone()),
        ("/b.toml.minisig?v=1", signature),
        ("/alone.toml", bundle),
        ("/huge.toml", huge),
    ];
    let at = serve(files).await;
    let fetch = async |path: &str| SignedBundle::fetch(&format!("{at}/{path}").parse().unwrap()).await;
    let signed = fetch("b.toml?v=1").await.unwrap();
    let build = Knowledge::embedded().unwrap();
    let installed = desk.store().install(&signed, Some(&trusted(&desk.ours)), false, build, TODAY).unwrap();
    assert_eq!((installed.bundle.serial, installed.from), (1, format!("{at}/b.toml")), "no token is kept");
    assert!(matches!(fetch("alone.toml").await.unwrap_err(), BundleError::Unsigned { .. }));
    assert!(matches!(fetch("huge.toml").await.unwrap_err(), BundleError::TooLarge { .. }));
    assert!(matches!(fetch("none.toml").await.unwrap_err(), BundleError::Fetch(_)));
}
