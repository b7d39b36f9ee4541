use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belay_cluster::{Api, ClusterError, Kubeconfig, Login};

use crate::authority::Authority;
use crate::fake_cluster::failure;
use crate::server::{Handler, Server};

const SECRET: &str = "belay-canary-secret";

/// A directory with a kubeconfig.
struct Desk {
    dir: tempfile::TempDir,
    ca: Authority,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), ca: Authority::new("k3s-server-ca") }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("check.kubeconfig");
        fs::write(&path, text).unwrap();
        path
    }

    /// As docs/rbac/README.md has it.
    fn of(&self, cluster: &str, user: &str) -> PathBuf {
        self.file(&format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: belay-check\n\
             clusters: [{{name: k3s, cluster: {{{cluster}}}}}]\n\
             users: [{{name: belay-check, user: {{{user}}}}}]\n\
             contexts: [{{name: belay-check, context: {{cluster: k3s, user: belay-check}}}}]\n"
        ))
    }

    fn data(&self) -> String {
        format!("certificate-authority-data: {}", STANDARD.encode(&self.ca.pem))
    }

    fn cluster(&self, server: &str) -> String {
        format!("server: \"{server}\", {}", self.data())
    }

    fn refuses(&self, path: &Path, reason: &str, next: &str) {
        let error = Kubeconfig::read(path).unwrap_err();
        let told = format!("{error} / {}", error.hint());
        assert!(told.contains(reason) && told.contains(next), "{reason}: {told}");
        assert!(told.contains(path.to_str().unwrap()), "{told}");
        assert!(!format!("{told} {error:?}").contains(SECRET), "{told}");
    }
}

#[tokio::test]
async fn a_token_is_sent_to_a_server_that_has_proven_itself_and_to_no_other() {
    let desk = Desk::new();
    let handler: Handler = Arc::new(|asked| {
        if asked.bearer.as_deref() == Some("Bearer belay-canary-secret") {
            (200, "{}".to_owned())
        } else {
            failure(401, "Unauthorized")
        }
    });
    let ours = Server::start(&desk.ca, Arc::clone(&handler)).await;
    let path = desk.of(&desk.cluster(&format!("https://{}", ours.at())), &format!("token: {SECRET}"));
    let file = Kubeconfig::read(&path).unwrap();
    assert_eq!(file.server(), ours.at());
    assert!(file.is_of_loopback() && file.shares_a_ca_with(&desk.ca.pem).unwrap());
    assert!(!file.shares_a_ca_with(&Authority::new("k3s-server-ca").pem).unwrap());
    Api::connect_as(file.server(), file.server_ca(), file.login()).await.unwrap();
    assert!(!format!("{file:?}").contains(SECRET), "{file:?}");

    let theirs = Server::start(&Authority::new("theirs"), handler).await;
    let error = Api::connect_as(theirs.at(), file.server_ca(), file.login()).await.unwrap_err();
    assert!(matches!(error, ClusterError::Untrusted { .. }), "{error}");
    assert_eq!(theirs.counts.requests.load(Ordering::SeqCst), 0);
    assert!(!format!("{error} {error:?}").contains(SECRET));
}

#[tokio::test]
async fn a_token_that_is_over_is_denied_and_who_may_ask_nothing_is_known() {
    let desk = Desk::new();
    for (status, is_known) in [(401, false), (403, true)] {
        let server = Server::start(&desk.ca, Arc::new(move |_| failure(status, "no"))).await;
        let login = Login::Token(belay_facts::Secret::new(SECRET));
        let api = Api::connect_as(server.at(), &desk.ca.pem, &login).await;
        assert_eq!(api.is_ok(), is_known, "{status}");
        if let Err(error) = api {
            assert!(matches!(error, ClusterError::Denied { status: 401, .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains(SECRET));
        }
    }
}

#[test]
fn files_that_it_points_to_are_found_beside_it() {
    let desk = Desk::new();
    let client = desk.ca.client("watcher");
    fs::write(desk.dir.path().join("ca.crt"), &desk.ca.pem).unwrap();
    fs::write(desk.dir.path().join("tls.crt"), &client.certificate).unwrap();
    fs::write(desk.dir.path().join("tls.key"), client.key.expose()).unwrap();
    fs::write(desk.dir.path().join("token"), format!("{SECRET}\n")).unwrap();
    let cluster = "server: \"https://k3s.lan\", certificate-authority: ca.crt";
    let file = Kubeconfig::read(&desk.of(cluster, "client-certificate: tls.crt, client-key: tls.key")).unwrap();
    assert_eq!((file.server(), file.is_of_loopback()), ("k3s.lan:443", false));
    assert!(matches!(file.login(), Login::Certificate { .. }));
    let file = Kubeconfig::read(&desk.of(cluster, "tokenFile: token")).unwrap();
    assert!(matches!(file.login(), Login::Token(token) if token.expose() == SECRET));
}

#[test]
fn what_cannot_prove_or_say_who_it_is_is_refused_by_name() {
    let desk = Desk::new();
    let token = format!("token: {SECRET}");
    let good = desk.cluster("https://[::1]:6443");
    assert!(Kubeconfig::read(&desk.of(&good, &token)).unwrap().is_of_loopback());
    let client = desk.ca.client("watcher");
    let pair = format!(
        "client-certificate-data: {}, client-key-data: {}",
        STANDARD.encode(&client.certificate),
        STANDARD.encode(client.key.expose())
    );
    for (cluster, user, reason) in [
        (format!("{good}, insecure-skip-tls-verify: true"), token.clone(), "insecure-skip-tls-verify"),
        (format!("{good}, proxy-url: \"http://p\""), token.clone(), "proxy-url"),
        (format!("{good}, tls-server-name: other"), token.clone(), "tls-server-name"),
        ("server: \"https://n1:6443\"".to_owned(), token.clone(), "no certificate-authority-data"),
        ("server: \"https://n1:6443\", certificate-authority-data: AAAA".to_owned(), token.clone(), "server CA"),
        ("server: \"https://n1:6443\", certificate-authority-data: \"%\"".to_owned(), token.clone(), "not base64"),
        (desk.cluster("http://n1:6443"), token.clone(), "https://HOST:PORT"),
        (desk.cluster("https://n1:6443/k8s/clusters/c-1"), token.clone(), "https://HOST:PORT"),
        (desk.cluster(&format!("https://u:{SECRET}@n1:6443")), token.clone(), "https://HOST:PORT"),
        (good.clone(), String::new(), "neither a token nor a client certificate"),
        (good.clone(), "token: \"\"".to_owned(), "neither a token nor a client certificate"),
        (good.clone(), format!("token: \"{SECRET} x\""), "characters that no token has"),
        (good.clone(), format!("{token}, {pair}"), "a token and a certificate"),
        (good.clone(), format!("client-key-data: {}", STANDARD.encode(SECRET)), "only one of"),
        (good.clone(), format!("client-key-data: {SECRET}"), "client-key-data is not base64"),
        (good.clone(), "tokenFile: none".to_owned(), "could not be read"),
        (good.clone(), format!("username: u, password: {SECRET}"), "has a password"),
        (good.clone(), "exec: {command: aws}".to_owned(), "runs a program"),
        (good.clone(), format!("{token}, as: admin"), "acts as somebody else"),
    ] {
        desk.refuses(&desk.of(&cluster, &user), reason, "");
    }
    desk.refuses(&desk.dir.path().join("none"), "could not be read", "docs/rbac/README.md");
    desk.refuses(&desk.file(&format!("token: [{SECRET}")), "no YAML", "kubectl config view");
    desk.refuses(&desk.file(&format!("- {SECRET}\n")), "not what a kubeconfig consists of", "kubectl config view");
    let text = fs::read_to_string(desk.of(&good, &token)).unwrap();
    desk.refuses(&desk.file(&text.replace("current-context: belay-check", "")), "no current context", "use-context");
    desk.refuses(&desk.file(&text.replace("user: belay-check}", "user: nobody}")), "`nobody`", "get-contexts");
}
