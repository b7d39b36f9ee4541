use std::sync::Arc;
use std::sync::atomic::Ordering;

use belay_cluster::{Api, ClusterError};
use belay_facts::Secret;

use serde_json::json;

use crate::authority::Authority;
use crate::fake_cluster::FakeCluster;
use crate::server::{Handler, Mute, Server};

fn version_only() -> Handler {
    Arc::new(|asked| if asked.path == "/version" { (200, "{}".to_owned()) } else { (404, String::new()) })
}

#[tokio::test]
async fn a_server_of_another_cluster_gets_nothing_of_ours() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = Server::start(&theirs, version_only()).await;
    let client = ours.client("system:admin");
    let error = Api::connect(server.at(), &ours.pem, &client.certificate, &client.key).await.unwrap_err();
    assert!(matches!(error, ClusterError::Untrusted { clock: false, .. }), "{error}");
    assert_eq!(server.counts.certificates.load(Ordering::SeqCst), 0);
    assert_eq!(server.counts.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_own_server_is_asked_with_our_certificate() {
    let ours = Authority::new("ours");
    let server = Server::start(&ours, version_only()).await;
    let client = ours.client("system:admin");
    Api::connect(server.at(), &ours.pem, &client.certificate, &client.key).await.unwrap();
    assert_eq!(server.counts.certificates.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn credentials_that_are_not_taken_are_named() {
    let ours = Authority::new("ours");
    let server = Server::start(&ours, Arc::new(|_| (401, "Unauthorized".to_owned()))).await;
    let client = ours.client("nobody");
    let error = Api::connect(server.at(), &ours.pem, &client.certificate, &client.key).await.unwrap_err();
    assert!(matches!(error, ClusterError::Denied { status: 401, .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_still_starts_is_reached() {
    let ours = Authority::new("ours");
    let server = Server::start(&ours, Arc::new(|_| (503, "apiserver not ready".to_owned()))).await;
    let client = ours.client("system:admin");
    let api = Api::connect(server.at(), &ours.pem, &client.certificate, &client.key).await.unwrap();
    let error = api.readyz().await.unwrap_err();
    assert!(
        matches!(&error, ClusterError::Status { status: 503, message, .. } if message == "apiserver not ready"),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let ours = Authority::new("ours");
    let client = ours.client("system:admin");
    let address = Server::start(&ours, version_only()).await.at();
    let error = Api::connect(&address, &ours.pem, &client.certificate, &client.key).await.unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_is_stopped_is_a_timeout_and_not_an_absence() {
    let ours = Authority::new("ours");
    let client = ours.client("system:admin");
    let server = Mute::start_at(([127, 0, 0, 1], 0).into()).await;
    let error =
        Api::connect(&server.address.to_string(), &ours.pem, &client.certificate, &client.key).await.unwrap_err();
    assert!(matches!(error, ClusterError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_bad_key_is_named_and_not_shown() {
    let ours = Authority::new("ours");
    let client = ours.client("system:admin");
    let key = Secret::new("-----BEGIN EC PRIVATE KEY-----\nbelay-canary-secret\n-----END EC PRIVATE KEY-----\n");
    let error = Api::connect("127.0.0.1:1", &ours.pem, &client.certificate, &key).await.unwrap_err();
    assert!(matches!(error, ClusterError::Credentials { what: "client key", .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("belay-canary-secret"));
}

/// F116: the certificates of agents that nobody looks at. One that is over is told as well as one that is not; one of another cluster
/// is none, nor is one of ours for another address. Nothing of ours is sent to any of them.
#[tokio::test]
async fn what_other_nodes_serve_is_read_whether_it_is_valid_or_not() {
    let nothing = || -> Handler { Arc::new(|_| (404, String::new())) };
    let ours = Authority::new("ours");
    let valid = Server::start(&ours, nothing()).await;
    let elsewhere = Server::start_at(([127, 0, 0, 2], 0).into(), &ours, nothing()).await;
    let ours = ours.of_the_past();
    let over = Server::start(&ours, nothing()).await;
    let stranger = Server::start(&Authority::new("theirs"), nothing()).await;
    let cluster = Arc::new(FakeCluster::default());
    cluster.says("/version", 200, "{}");
    for (name, server) in [("n1", &valid), ("n2", &over), ("n3", &stranger), ("n4", &elsewhere), ("n5", &valid)] {
        cluster.put(
            &format!("/api/v1/nodes/{name}"),
            json!({ "metadata": { "name": name }, "status": {
                "addresses": [{ "type": "InternalIP", "address": server.address.ip().to_string() }],
                "daemonEndpoints": { "kubeletEndpoint": { "Port": server.address.port() } },
            } }),
        );
    }
    cluster.put("/api/v1/namespaces/kube-system", json!({ "metadata": { "name": "kube-system", "uid": "ab434ebf" } }));
    let (_server, api) = cluster.serve().await;
    let gathered = api.facts("n1", &ours.pem, "cluster.local").await.unwrap();
    let served: Vec<(&str, &str)> = gathered.served.iter().map(|one| (one.node.as_str(), one.at.as_str())).collect();
    assert_eq!(served, [("n2", over.at().as_str()), ("n5", valid.at().as_str())]);
    for server in [valid, over, stranger, elsewhere] {
        assert_eq!(server.counts.certificates.load(Ordering::SeqCst), 0);
    }
}
