use serde_json::json;

use super::Answer;
use crate::session::Session;

/// So many good shots in a row say that the API is back: two seconds of them.
const STEADY: usize = 20;
/// With few probes (belay_cluster::few_probes).
const STEADY_OF_FEW: usize = 3;

/// Does the probe see the API without a further outage?
pub async fn ask(session: &mut Session) -> Answer {
    let good = session.prober.shots().iter().rev().take_while(|shot| shot.is_up()).count();
    let steady = if belay_cluster::few_probes() { STEADY_OF_FEW } else { STEADY };
    let evidence = json!({ "good-in-a-row": good });
    if good >= steady {
        Answer::Yes { says: format!("The last {steady} probes were answered well"), evidence }
    } else {
        Answer::NotYet { says: format!("{good} good probes in a row, {steady} are wanted"), evidence }
    }
}
