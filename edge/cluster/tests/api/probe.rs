use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use belay_cluster::{Answer, Prober};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::authority::{Authority, Client};
use crate::server::{Handler, Mute, Server};

/// Ends a test that would hang; nothing is measured with it.
const LONG: Duration = Duration::from_secs(60);

fn start(server: &Server, authority: &Authority, client: &Client) -> Prober {
    Prober::start(server.at(), &authority.pem, &client.certificate, &client.key).unwrap()
}

async fn until(prober: &Prober, answer: Answer) {
    let mut latest = prober.latest();
    let seen = latest.wait_for(|shot| shot.is_some_and(|shot| shot.answer == answer));
    timeout(LONG, seen).await.unwrap_or_else(|_| panic!("never saw {answer:?}")).unwrap();
}

fn status(status: &Arc<AtomicU32>) -> Handler {
    let status = Arc::clone(status);
    Arc::new(move |_| (u16::try_from(status.load(Ordering::SeqCst)).unwrap(), "ok".to_owned()))
}

#[tokio::test]
async fn causes_are_told_apart_and_the_outage_ends_with_a_success() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let client = ours.client("system:admin");
    let code = Arc::new(AtomicU32::new(200));
    // An address of its own, so that nobody else takes the port while nobody listens.
    let server = Server::start_at(([127, 0, 0, 77], 0).into(), &ours, status(&code)).await;
    let address = server.address;
    let prober = start(&server, &ours, &client);
    until(&prober, Answer::Up).await;
    code.store(503, Ordering::SeqCst);
    until(&prober, Answer::Status(503)).await;
    server.stop().await;
    until(&prober, Answer::Refused).await;
    let mute = Mute::start_at(address).await;
    until(&prober, Answer::Timeout).await;
    mute.stop().await;
    let stranger = Server::start_at(address, &theirs, status(&code)).await;
    until(&prober, Answer::Untrusted).await;
    assert_eq!(stranger.counts.certificates.load(Ordering::SeqCst), 0);
    stranger.stop().await;
    code.store(200, Ordering::SeqCst);
    let _server = Server::start_at(address, &ours, status(&code)).await;
    until(&prober, Answer::Up).await;
    let measured = prober.stop().await;

    let count = |of: fn(&belay_cluster::Causes) -> u32| measured.outages.iter().map(|o| of(&o.causes)).sum::<u32>();
    assert!(count(|causes| causes.status.get(&503).copied().unwrap_or(0)) > 0);
    assert!(count(|causes| causes.refused) > 0);
    assert!(count(|causes| causes.timeout) > 0);
    assert!(count(|causes| causes.untrusted) > 0);
    assert_eq!(u64::from(count(belay_cluster::Causes::shots)), measured.failed);
    assert!(measured.outages.iter().all(|outage| outage.seen_to_begin));
    assert!(measured.away >= measured.outages.iter().map(|outage| outage.length).max().unwrap());
}

#[tokio::test]
async fn every_shot_is_a_new_connection_with_our_certificate() {
    let ours = Authority::new("ours");
    let client = ours.client("system:admin");
    let (seen, mut requests) = watch::channel((0u32, 0u32));
    let der = client.der.clone();
    let handler: Handler = Arc::new(move |asked| {
        assert_eq!(asked.client.as_ref(), Some(&der));
        seen.send_modify(|(readyz, lists)| *if asked.path == "/readyz" { readyz } else { lists } += 1);
        (200, r#"{"metadata":{"resourceVersion":"7"}}"#.to_owned())
    });
    let server = Server::start(&ours, handler).await;
    let prober = start(&server, &ours, &client);
    timeout(LONG, requests.wait_for(|(readyz, lists)| *readyz >= 12 && *lists >= 2)).await.unwrap().unwrap();
    let measured = prober.stop().await;
    let (readyz, lists) = *requests.borrow();
    let connections = server.counts.connections.load(Ordering::SeqCst);
    assert!(connections >= readyz, "{connections} connections for {readyz} shots");
    assert_eq!(u64::from(connections), measured.shots);
    assert_eq!(server.counts.certificates.load(Ordering::SeqCst), readyz);
    assert!(lists <= readyz.div_ceil(10), "{lists} lists for {readyz} shots");
}

#[tokio::test]
async fn renewed_credentials_are_used_from_the_next_shot_on() {
    let ours = Authority::new("ours");
    let (old, new) = (ours.client("old"), ours.client("new"));
    let (admit, admitted) = watch::channel(old.der.clone());
    let handler: Handler = Arc::new(move |asked| {
        (if asked.client.as_ref() == Some(&*admitted.borrow()) { 200 } else { 401 }, String::new())
    });
    let server = Server::start(&ours, handler).await;
    let prober = start(&server, &ours, &old);
    until(&prober, Answer::Up).await;
    admit.send_replace(new.der.clone());
    until(&prober, Answer::Status(401)).await;
    assert!(prober.update_credentials(server.at(), &ours.pem, "no certificate", &new.key).is_err());
    prober.update_credentials(server.at(), &ours.pem, &new.certificate, &new.key).unwrap();
    until(&prober, Answer::Up).await;
}

#[tokio::test]
async fn the_highest_revision_stays_when_revisions_run_backwards() {
    let ours = Authority::new("ours");
    let client = ours.client("system:admin");
    let revision = Arc::new(AtomicU64::new(1423));
    let (told, mut lists) = watch::channel((0u32, 0u32));
    let current = Arc::clone(&revision);
    let handler: Handler = Arc::new(move |asked| {
        let revision = current.load(Ordering::SeqCst);
        if asked.path.starts_with("/api/v1/namespaces?limit=1") {
            told.send_modify(|(high, low)| *if revision == 1423 { high } else { low } += 1);
        }
        (200, format!(r#"{{"metadata":{{"resourceVersion":"{revision}"}}}}"#))
    });
    let server = Server::start(&ours, handler).await;
    let prober = start(&server, &ours, &client);
    timeout(LONG, lists.wait_for(|(high, _)| *high >= 1)).await.unwrap().unwrap();
    revision.store(1366, Ordering::SeqCst);
    timeout(LONG, lists.wait_for(|(_, low)| *low >= 1)).await.unwrap().unwrap();
    assert_eq!(prober.stop().await.seen_revision, Some(1423));
}
