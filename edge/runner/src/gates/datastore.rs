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
        Ok(written) => Answer::Yes { says: "a write came back when it was read".to_owned(), evidence: json!(written) },
        Err(error) => Answer::not_yet(error),
    }
}
