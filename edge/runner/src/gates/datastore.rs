use serde_json::json;

use super::Answer;
use crate::session::Session;

/// Does a write come back when it is read?
pub async fn ask(session: &mut Session) -> Answer {
    let run = session.run.clone();
    let api = match session.api().await {
        Ok(api) => api,
        Err(error) => return Answer::not_yet(error),
    };
    match api.write_and_read(&run).await {
        Ok(written) if written.read_back && written.gone => {
            Answer::Yes { says: "A write came back when it was read".to_owned(), evidence: json!(written) }
        }
        Ok(written) => {
            let what =
                if written.read_back { "could not be removed again" } else { "did not come back when it was read" };
            Answer::NotYet { says: format!("A write {what}"), evidence: json!(written) }
        }
        Err(error) => Answer::not_yet(error),
    }
}
