use belay_facts::{Facts, HeldLease, ObjectFacts};

use crate::Fate;

/// What waits while the API of the server is away, and what does not.
pub(super) fn sentences(facts: &Facts, shared: Option<&(Fate, String)>) -> Vec<String> {
    let goes_on = match shared {
        None => "Containers, services, ingress and DNS go on as they were.",
        Some(_) => "What restarts answers again when its containers are back; the rest goes on as it was.",
    };
    let mut all = vec![
        goes_on.to_owned(),
        "Nothing is scheduled, scaled or healed: a container that ends meanwhile starts again when K3s is back.".to_owned(),
        "kubectl, logs, exec, metrics, operators, autoscalers and webhooks get no answer; jobs that are due begin late."
            .to_owned(),
    ];
    if let Some(ObjectFacts::Read(inventory)) = &facts.objects {
        let count =
            |kind: &str| -> u64 { inventory.kinds.iter().filter(|one| one.kind == kind).map(|one| one.count).sum() };
        let webhooks = u64::try_from(inventory.webhooks.len()).unwrap_or(u64::MAX);
        let waiting = [
            (count("HorizontalPodAutoscaler"), "autoscaler", "autoscalers"),
            (count("CronJob"), "cron job", "cron jobs"),
            (webhooks, "admission webhook", "admission webhooks"),
        ];
        let waiting: Vec<String> = (waiting.into_iter().filter(|(n, ..)| *n > 0))
            .map(|(n, one, many)| format!("{n} {}", if n == 1 { one } else { many }))
            .collect();
        if !waiting.is_empty() {
            all.push(format!("Of these there are {}.", waiting.join(", ")));
        }
    }
    let pods = facts.cluster.iter().filter_map(|cluster| cluster.pods.as_ref()).flat_map(|pods| &pods.pods);
    let leases: Vec<&HeldLease> = pods.flat_map(|pod| &pod.leases).collect();
    if let Some(shortest) = leases.iter().map(|lease| lease.seconds).filter(|seconds| *seconds > 0).min() {
        let (n, are) =
            (leases.len(), if leases.len() == 1 { "lease of a leader here is" } else { "leases of leaders here are" });
        all.push(format!(
            "{n} {are} not renewed, the shortest of {shortest} s; most programs exit after two thirds of that, and start again."
        ));
    }
    all.push("If it goes back, the API is away a second time, for about as long.".to_owned());
    all
}
