use serde_json::json;

use super::{Answer, Expectation};
use crate::session::Session;

/// Is a new pod scheduled, does it become ready, does it answer? The only proof that the node can still do its work. Its end
/// takes a kubelet longer than its start and proves nothing more, so it is not waited for: the end of the run sees to it.
pub async fn ask(session: &mut Session, expected: &Expectation) -> Answer {
    let Some(image) = session.canary_image() else { return Answer::not_yet("no image is on the node for a canary") };
    let canary = match session.begin_canary(expected.start_begun.is_some()).await {
        Ok(Some(canary)) => canary,
        Ok(None) => return Answer::not_yet("no canary was begun"),
        Err(error) => return Answer::not_yet(error),
    };
    let outcome = canary.started().await;
    let evidence = json!({ "image": image, "outcome": outcome });
    if outcome.answered {
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
