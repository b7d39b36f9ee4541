use std::time::Duration;

use belay_cluster::{Api, CanaryOutcome, CanaryTime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long one canary may take from its creation until it answers.
const WITHIN: Duration = Duration::from_secs(45);

/// A canary pod that comes and goes while other things are done: a pod takes seconds, of which hardly any is ours. It is
/// evidence of the kubelet that runs when it is begun, so it is begun where its gate could be asked and not before. It is
/// given up when this is dropped; what it leaves then, the end of the run removes.
pub struct CanaryAhead {
    started: Option<oneshot::Receiver<CanaryOutcome>>,
    ended: JoinHandle<CanaryOutcome>,
}

impl CanaryAhead {
    pub fn begin(api: Api, (run, when): (String, CanaryTime), node: String, image: String) -> Self {
        let (tell, started) = oneshot::channel();
        let ended = tokio::spawn(async move {
            let outcome = api.start_canary((&run, when), &node, &image, WITHIN).await;
            let _ = tell.send(outcome.clone());
            api.end_canary((&run, when), outcome).await
        });
        Self { started: Some(started), ended }
    }

    /// Its answer was taken: the next one who asks wants a new canary.
    pub fn is_spent(&self) -> bool {
        self.started.is_none()
    }

    /// How far it got, before it is gone.
    pub async fn started(&mut self) -> CanaryOutcome {
        let told = match self.started.take() {
            Some(started) => started.await.ok(),
            None => None,
        };
        told.unwrap_or_else(|| given_up(&"it was asked twice"))
    }

    /// The same, when it is gone.
    pub async fn ended(&mut self) -> CanaryOutcome {
        self.started = None;
        (&mut self.ended).await.unwrap_or_else(|error| given_up(&error))
    }
}

fn given_up(why: &dyn std::fmt::Display) -> CanaryOutcome {
    CanaryOutcome { message: format!("it was given up: {why}"), ..CanaryOutcome::default() }
}

impl Drop for CanaryAhead {
    fn drop(&mut self) {
        self.ended.abort();
    }
}
