use std::time::Duration;

use serde_json::json;

use super::Answer;
use crate::session::Session;

/// How long one canary may take from its creation until it answers.
const WITHIN: Duration = Duration::from_secs(45);

/// Is a new pod scheduled, does it become ready, does it answer? The only proof that the node can still do its work.
pub async fn ask(session: &mut Session) -> Answer {
    let image = session.before.cluster.as_ref().and_then(|cluster| cluster.canary.clone()).map(|canary| canary.image);
    let Some(image) = image else { return Answer::not_yet("no image is on the node for a canary") };
    let (run, node) = (session.run.clone(), session.node().to_owned());
    let api = match session.api().await {
        Ok(api) => api,
        Err(error) => return Answer::not_yet(error),
    };
    let outcome = api.canary_pod(&run, &node, &image, WITHIN).await;
    let evidence = json!({ "image": image, "outcome": outcome });
    if outcome.answered && outcome.gone {
        return Answer::Yes { says: "A new pod was scheduled, became ready and answered".to_owned(), evidence };
    }
    let reached = match (outcome.scheduled, outcome.running, outcome.ready) {
        (false, _, _) => "was not scheduled",
        (_, false, _) => "was scheduled and did not run",
        (_, _, false) => "ran and did not become ready",
        _ => "became ready and did not answer",
    };
    Answer::NotYet { says: format!("A new pod {reached}: {}", outcome.message), evidence }
}
