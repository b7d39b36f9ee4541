use belay_facts::EtcdFacts;
use serde_json::json;

use super::Answer;
use crate::session::Session;

/// Is it the same cluster? An interrupted restore starts an empty one that is ready and healthy in every other way
/// (k3s-facts §9), so this is asked first.
pub async fn ask(session: &mut Session) -> Answer {
    let Some(before) = session.before.cluster.clone() else {
        return Answer::not_yet("the facts before the run name no cluster");
    };
    let api = match session.api().await {
        Ok(api) => api,
        Err(error) => return Answer::not_yet(error),
    };
    let now = match api.identity().await {
        Ok(now) => now,
        Err(error) => return Answer::not_yet(error),
    };
    let mut nodes_before: Vec<String> = before.nodes.iter().map(|node| node.name.clone()).collect();
    nodes_before.sort();
    let etcd = |seen: Option<&EtcdFacts>| seen.and_then(|etcd| etcd.cluster.clone());
    let was = session.before.nodes.first().and_then(|node| node.datastore.as_ref());
    let etcd_before = etcd(was.and_then(|datastore| datastore.etcd.as_ref()));
    let etcd_now = match etcd_before {
        Some(_) => session.observe().await.ok().and_then(|seen| etcd(seen.etcd.as_ref())),
        None => None,
    };
    let evidence = json!({
        "etcd": { "was": etcd_before, "is": etcd_now },
        "kube-system": { "was": before.id, "is": now.id },
        "ca": { "was": before.ca, "is": session.ca() },
        "nodes": { "were": nodes_before, "are": now.nodes },
    });
    if session.ca() != before.ca {
        let says = "It is another cluster: its CA is not the one from before".to_owned();
        return Answer::No { says, evidence };
    }
    if now.id != before.id {
        let says = format!("It is another cluster: the UID of kube-system was {} and is {}", before.id, now.id);
        return Answer::No { says, evidence };
    }
    if let (Some(was), Some(is)) = (&etcd_before, &etcd_now)
        && was != is
    {
        let says = format!("It is another cluster: etcd's id was {was} and is {is}");
        return Answer::No { says, evidence };
    }
    if now.nodes != nodes_before {
        let says = format!("The set of nodes was {nodes_before:?} and is {:?}", now.nodes);
        return Answer::NotYet { says, evidence };
    }
    Answer::Yes { says: "The same kube-system, CA and nodes as before".to_owned(), evidence }
}
