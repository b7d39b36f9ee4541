use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{Api, CanaryTime, ClusterError, canary_pod};

/// How often the pod is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a kubelet may take to stop the pod before it is taken out of the API without the kubelet.
const STOPPED: Duration = Duration::from_secs(5);
/// How long it may then take to disappear.
const GONE: Duration = Duration::from_secs(5);

/// How far a new pod got. Each step proves another part: the scheduler, the kubelet and containerd with its network, and
/// the way apiserver → kubelet → runtime, on which its log is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryOutcome {
    pub scheduled: bool,
    pub running: bool,
    pub ready: bool,
    /// Its log was read (HTTP 200).
    pub answered: bool,
    /// The pod is not in the API any more.
    pub gone: bool,
    /// What it last waited for, or what went wrong; empty when all is well.
    pub message: String,
}

impl Api {
    /// Starts the pod `kube-system/belay-canary-<run>` on `node` from an image that is there, waits until it is ready and
    /// answers, and removes it. A leftover of an earlier try is removed first. `within` bounds the pod's start; removing
    /// it has 10 s of its own, before and after. Failures are in the outcome: there is no error.
    pub async fn canary_pod(&self, run: &str, node: &str, image: &str, within: Duration) -> CanaryOutcome {
        let canary = (run, CanaryTime::BeforeStop);
        let outcome = self.start_canary(canary, node, image, within).await;
        self.end_canary(canary, outcome).await
    }

    /// Its first half: until it answers, or cannot.
    pub async fn start_canary(
        &self,
        canary: (&str, CanaryTime),
        node: &str,
        image: &str,
        within: Duration,
    ) -> CanaryOutcome {
        let name = canary_pod::name(canary);
        let mut outcome = CanaryOutcome::default();
        if let Err(error) = self.remove_canary(&name).await {
            outcome.message = error.to_string();
            return outcome;
        }
        let deadline = Instant::now() + within;
        if timeout_at(deadline, self.watch_canary(&name, node, image, &mut outcome)).await.is_err() {
            let last = std::mem::take(&mut outcome.message);
            outcome.message = format!("not done within {}: {last}", belay_facts::Span::from(within));
        }
        outcome
    }

    /// Its second half: until it is gone. A kubelet takes longer to end a pod than to start one.
    pub async fn end_canary(&self, canary: (&str, CanaryTime), mut outcome: CanaryOutcome) -> CanaryOutcome {
        match self.remove_canary(&canary_pod::name(canary)).await {
            Ok(_) => outcome.gone = true,
            Err(error) if outcome.message.is_empty() => outcome.message = error.to_string(),
            Err(error) => outcome.message = format!("{}; then {error}", outcome.message),
        }
        outcome
    }

    /// Writes into `outcome` as it goes, so that a deadline leaves what was seen until then.
    async fn watch_canary(&self, name: &str, node: &str, image: &str, outcome: &mut CanaryOutcome) {
        let pods = self.canaries();
        let asking = format!("creating the Pod kube-system/{name}");
        let manifest = match canary_pod::manifest(name, node, image) {
            Ok(manifest) => manifest,
            Err(error) => {
                outcome.message = format!("{asking}: {error}");
                return;
            }
        };
        "no answer yet to its creation".clone_into(&mut outcome.message);
        // A refusal may pass: the default service account is not there at once in a cluster that just started.
        while let Err(error) = self.ask(&asking, pods.create(&PostParams::default(), &manifest)).await {
            // A creation whose answer was lost has happened all the same.
            if matches!(error, ClusterError::Status { status: 409, .. }) {
                break;
            }
            outcome.message = error.to_string();
            sleep(LOOK).await;
        }
        "nothing seen of it yet".clone_into(&mut outcome.message);
        let asking = format!("reading the Pod kube-system/{name}");
        loop {
            match self.ask(&asking, pods.get(name)).await {
                Ok(pod) => {
                    let now = canary_pod::progress(&pod);
                    outcome.scheduled |= now.scheduled;
                    outcome.running |= now.running;
                    outcome.ready |= now.ready;
                    outcome.message = now.message;
                    if now.hopeless {
                        return;
                    }
                    if now.ready {
                        match self.canary_log(name).await {
                            Ok(()) => {
                                outcome.answered = true;
                                outcome.message.clear();
                                return;
                            }
                            Err(error) => outcome.message = error.to_string(),
                        }
                    }
                }
                Err(error) => outcome.message = error.to_string(),
            }
            sleep(LOOK).await;
        }
    }

    async fn canary_log(&self, name: &str) -> Result<(), ClusterError> {
        let asking = format!("reading the log of the Pod kube-system/{name}");
        let path = format!("/api/v1/namespaces/kube-system/pods/{name}/log?tailLines=1");
        let (status, text) = self.get(&asking, &path, 64 * 1024).await?;
        if status.is_success() { Ok(()) } else { Err(ClusterError::of_status(&asking, status.as_u16(), &text)) }
    }

    /// Whether there was one. It is first asked of the kubelet, with a second's grace, so that the object goes only when
    /// the container is gone; a kubelet that does not do it in time is passed over.
    pub(crate) async fn remove_canary(&self, name: &str) -> Result<bool, ClusterError> {
        let pods = self.canaries();
        let asking = format!("deleting the Pod kube-system/{name}");
        let grace = |seconds| DeleteParams::background().grace_period(seconds);
        if self.ask_for(&asking, pods.delete(name, &grace(1))).await?.is_none() {
            return Ok(false);
        }
        if self.is_gone(&pods, name, STOPPED).await.is_err() {
            self.ask_for(&asking, pods.delete(name, &grace(0))).await?;
            self.is_gone(&pods, name, GONE).await?;
        }
        Ok(true)
    }

    async fn is_gone(&self, pods: &kube::Api<Pod>, name: &str, within: Duration) -> Result<(), ClusterError> {
        let asking = format!("waiting until the Pod kube-system/{name} is gone");
        let deadline = Instant::now() + within;
        loop {
            match timeout_at(deadline, self.ask_for(&asking, pods.get_metadata_opt(name))).await {
                Ok(Ok(None | Some(None))) => return Ok(()),
                Ok(_) if Instant::now() < deadline => sleep(LOOK).await,
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Some(Some(_)))) | Err(_) => return Err(ClusterError::Timeout { asking, within: within.into() }),
            }
        }
    }

    fn canaries(&self) -> kube::Api<Pod> {
        kube::Api::namespaced(self.client.clone(), "kube-system")
    }
}
