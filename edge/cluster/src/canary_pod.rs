use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::json;

/// Which of a run's canaries: the kubelet may still be ending the first when the second comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryTime {
    BeforeStop,
    AfterStart,
}

impl CanaryTime {
    pub(crate) const ALL: [Self; 2] = [Self::BeforeStop, Self::AfterStart];
}

/// Named after its run, so that a leftover is known for what it is.
pub(crate) fn name((run, when): (&str, CanaryTime)) -> String {
    match when {
        CanaryTime::BeforeStop => format!("belay-canary-{run}"),
        CanaryTime::AfterStart => format!("belay-canary-{run}-after"),
    }
}

/// A pod that the scheduler must place, on this node whatever its taints, from an image that is there, with no rights and
/// almost no resources. It passes the restricted pod security standard, so that no policy that admits anything refuses it.
pub(crate) fn manifest(name: &str, node: &str, image: &str) -> serde_json::Result<Pod> {
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "labels": { "app.kubernetes.io/managed-by": "belay", "app.kubernetes.io/component": "canary" },
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "nodeSelector": { "kubernetes.io/hostname": node },
            "tolerations": [{ "operator": "Exists" }],
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65535, "runAsGroup": 65535,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "canary",
                "image": image,
                "imagePullPolicy": "Never",
                "resources": { "requests": { "cpu": "1m", "memory": "4Mi" } },
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    }))
}

/// How far the pod is, and the most telling sentence about why it is not further.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) scheduled: bool,
    pub(crate) running: bool,
    pub(crate) ready: bool,
    /// It will not get further: the image is not there, or the container ended.
    pub(crate) hopeless: bool,
    pub(crate) message: String,
}

pub(crate) fn progress(pod: &Pod) -> Progress {
    let status = pod.status.clone().unwrap_or_default();
    let condition = |kind: &str| status.conditions.iter().flatten().find(|condition| condition.type_ == kind);
    let holds = |kind: &str| condition(kind).is_some_and(|condition| condition.status == "True");
    let phase = status.phase.as_deref().unwrap_or_default();
    let container = status.container_statuses.iter().flatten().next();
    let waiting = container.and_then(|c| c.state.as_ref()).and_then(|state| state.waiting.as_ref());
    let waiting_for = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    let scheduled = holds("PodScheduled");
    let message = ended(container)
        .or_else(|| waiting.map(|waiting| sentence(waiting.reason.as_ref(), waiting.message.as_ref())))
        .or_else(|| {
            (!scheduled)
                .then(|| condition("PodScheduled"))
                .flatten()
                .map(|c| sentence(c.reason.as_ref(), c.message.as_ref()))
        })
        .or_else(|| status.message.clone())
        .unwrap_or_default();
    Progress {
        scheduled,
        running: phase == "Running",
        ready: holds("Ready"),
        hopeless: matches!(phase, "Failed" | "Succeeded")
            || matches!(waiting_for, "ErrImageNeverPull" | "InvalidImageName"),
        message,
    }
}

fn ended(container: Option<&ContainerStatus>) -> Option<String> {
    let ended = container?.state.as_ref()?.terminated.as_ref()?;
    let reason = sentence(ended.reason.as_ref(), ended.message.as_ref());
    Some(format!("the container ended with {}: {reason}", ended.exit_code))
}

fn sentence(reason: Option<&String>, message: Option<&String>) -> String {
    let parts: Vec<&str> =
        [reason, message].into_iter().flatten().map(String::as_str).filter(|s| !s.is_empty()).collect();
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn at(status: Value) -> Progress {
        progress(&serde_json::from_value(json!({ "status": status })).unwrap())
    }

    #[test]
    fn the_scheduler_places_it_and_nothing_is_pulled() {
        let pod = manifest(&name(("2026-11-23-3fa9", CanaryTime::AfterStart)), "n1", "pause:3.6").unwrap();
        let spec = pod.spec.unwrap();
        assert_eq!(pod.metadata.name.as_deref(), Some("belay-canary-2026-11-23-3fa9-after"));
        assert_eq!(spec.node_name, None);
        assert_eq!(spec.node_selector.unwrap()["kubernetes.io/hostname"], "n1");
        assert_eq!(spec.automount_service_account_token, Some(false));
        assert_eq!(spec.containers[0].image_pull_policy.as_deref(), Some("Never"));
        assert_eq!(spec.tolerations.unwrap()[0].operator.as_deref(), Some("Exists"));
    }

    #[test]
    fn says_why_it_is_not_scheduled() {
        let progress = at(json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available" }] }));
        assert!(!progress.scheduled && !progress.hopeless);
        assert_eq!(progress.message, "Unschedulable: 0/1 nodes are available");
    }

    #[test]
    fn an_image_that_is_not_there_is_hopeless() {
        let progress = at(json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "True" }],
            "containerStatuses": [{ "name": "canary", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": "ErrImageNeverPull", "message": "not present" } } }] }));
        assert!(progress.scheduled && progress.hopeless);
        assert_eq!(progress.message, "ErrImageNeverPull: not present");
    }

    #[test]
    fn a_container_that_ended_is_hopeless() {
        let progress = at(json!({ "phase": "Failed", "conditions": [{ "type": "PodScheduled", "status": "True" }],
            "containerStatuses": [{ "name": "canary", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "terminated": { "exitCode": 128, "reason": "StartError" } } }] }));
        assert!(progress.hopeless && !progress.running);
        assert_eq!(progress.message, "the container ended with 128: StartError");
    }

    #[test]
    fn runs_and_is_ready() {
        let progress = at(json!({ "phase": "Running", "conditions": [
            { "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": "True" }] }));
        assert!(progress.scheduled && progress.running && progress.ready && !progress.hopeless);
    }
}
