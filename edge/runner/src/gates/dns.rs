use belay_facts::Span;
use belay_wire::{Reply, Request};
use serde_json::json;

use super::Answer;
use crate::session::Session;

const WITHIN: Span = Span::seconds(3);

/// Does the cluster's DNS answer on the node? The question goes through the service address, so kube-proxy is in it.
pub async fn ask(session: &mut Session) -> Answer {
    let Some(dns) = session.before.cluster.as_ref().and_then(|cluster| cluster.dns.clone()) else {
        return Answer::not_yet("the cluster has no DNS service");
    };
    let name = format!("kubernetes.default.svc.{}", dns.domain);
    let request = Request::Resolve { server: dns.address.clone(), name: name.clone(), within: WITHIN };
    match session.question(&request, "ask the cluster's DNS", WITHIN + Span::seconds(15)).await {
        Ok(Reply::Resolved { addresses, answer }) => {
            let evidence = json!({ "server": dns.address, "name": name, "addresses": addresses, "answer": answer });
            if addresses.is_empty() {
                Answer::NotYet { says: format!("{} did not resolve {name}: {answer}", dns.address), evidence }
            } else {
                Answer::Yes { says: format!("{} resolves {name}", dns.address), evidence }
            }
        }
        Ok(_) => Answer::not_yet("the helper answered something else"),
        Err(error) => Answer::not_yet(error),
    }
}
