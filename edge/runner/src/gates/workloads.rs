use belay_facts::Workload;
use serde_json::json;

use super::{Answer, Expectation};
use crate::session::Session;

/// Are the workloads no worse than before the stop?
pub async fn ask(session: &mut Session, expected: &Expectation) -> Answer {
    let api = match session.api().await {
        Ok(api) => api,
        Err(error) => return Answer::not_yet(error),
    };
    let now = match api.workloads().await {
        Ok(now) => now,
        Err(error) => return Answer::not_yet(error),
    };
    let worse = worse(&expected.workloads, &now);
    if worse.is_empty() {
        let says = match now.len() {
            0 => "there are no workloads that could be worse".to_owned(),
            1 => "the one workload is no worse than before".to_owned(),
            several => format!("{several} workloads are no worse than before"),
        };
        return Answer::Yes { says, evidence: json!({ "workloads": now.len() }) };
    }
    Answer::NotYet { says: worse.join("; "), evidence: json!({ "before": expected.workloads, "now": now }) }
}

/// Workloads that have fewer ready replicas than before, measured by what is wanted now: one that somebody scaled down
/// or deleted is not worse.
fn worse(before: &[Workload], now: &[Workload]) -> Vec<String> {
    before
        .iter()
        .filter_map(|was| {
            let is = now.iter().find(|w| (&w.kind, &w.namespace, &w.name) == (&was.kind, &was.namespace, &was.name))?;
            let wanted = was.ready.min(is.desired);
            let text = format!("{} {}/{} has {} of {wanted} ready", was.kind, was.namespace, was.name, is.ready);
            (is.ready < wanted).then_some(text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(name: &str, desired: u32, ready: u32) -> Workload {
        Workload {
            kind: "Deployment".into(),
            namespace: "shop".into(),
            name: name.into(),
            desired,
            ready,
            images: Vec::new(),
        }
    }

    #[test]
    fn worse_is_fewer_ready_than_before_and_than_wanted() {
        let before = [workload("web", 3, 2), workload("till", 1, 1), workload("gone", 1, 1)];
        assert!(worse(&before, &[workload("web", 3, 2), workload("till", 1, 1)]).is_empty());
        assert!(
            worse(&before, &[workload("web", 1, 1), workload("till", 0, 0)]).is_empty(),
            "scaled down is not worse"
        );
        let found = worse(&before, &[workload("web", 3, 1), workload("till", 1, 1)]);
        assert_eq!(found, ["Deployment shop/web has 1 of 2 ready"]);
    }
}
