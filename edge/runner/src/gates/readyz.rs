use serde_json::json;

use super::Answer;
use crate::session::Session;

/// Does `/readyz?verbose` of this server say ok, asked as the administrator (anonymous requests get 401)?
pub async fn ask(session: &mut Session) -> Answer {
    let api = match session.api().await {
        Ok(api) => api,
        Err(error) => return Answer::not_yet(error),
    };
    match api.readyz().await {
        Ok(readiness) if readiness.ok => Answer::Yes { says: "/readyz says ok".to_owned(), evidence: json!(readiness) },
        Ok(readiness) => {
            let says = format!("/readyz fails: {}", readiness.failing.join(", "));
            Answer::NotYet { says, evidence: json!(readiness) }
        }
        Err(error) => Answer::not_yet(error),
    }
}
