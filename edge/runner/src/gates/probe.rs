use serde_json::json;

use super::Answer;
use crate::session::Session;

/// So many good shots in a row say that the API is back: two seconds of them. A build for kills has no time for that many.
const STEADY: usize = if cfg!(feature = "few-probes") { 3 } else { 20 };

/// Does the probe see the API without a further outage?
pub async fn ask(session: &mut Session) -> Answer {
    let good = session.prober.shots().iter().rev().take_while(|shot| shot.is_up()).count();
    let evidence = json!({ "good-in-a-row": good });
    if good >= STEADY {
        Answer::Yes { says: format!("The last {STEADY} probes were answered well"), evidence }
    } else {
        Answer::NotYet { says: format!("{good} good probes in a row, {STEADY} are wanted"), evidence }
    }
}
