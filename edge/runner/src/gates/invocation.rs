use serde_json::json;

use super::{Answer, Expectation};
use crate::session::Session;

/// Was it started once, is that life still going on, and is what runs what was staged? Restart=always hides crash
/// loops from everything that only asks whether the unit is active (k3s-facts §5.1).
pub async fn ask(session: &mut Session, expected: &Expectation) -> Answer {
    // Only what was staged has a digest to be compared with; reading what runs before a stop would lengthen it for nothing.
    let looked = match expected.executable {
        Some(_) => session.observe_executable().await,
        None => session.observe().await,
    };
    let seen = match looked {
        Ok(seen) => seen,
        Err(error) => return Answer::not_yet(error),
    };
    let evidence = json!({
        "active-state": seen.active_state, "sub-state": seen.sub_state, "result": seen.result,
        "invocation": seen.invocation, "restarts": seen.restarts, "main-pid": seen.main_pid,
        "executable": seen.exe, "executable-digest": seen.exe_digest,
    });
    let unit = &session.target.unit;
    if seen.active_state != "active" {
        let says = format!("{unit} is {} ({}, result {})", seen.active_state, seen.sub_state, seen.result);
        let over = matches!(seen.active_state.as_str(), "failed" | "inactive" | "deactivating")
            || seen.sub_state == "auto-restart"
            || (expected.invocation.is_some() && seen.active_state == "activating");
        return if over { Answer::No { says, evidence } } else { Answer::NotYet { says, evidence } };
    }
    if let Some(started) = &expected.invocation
        && (seen.invocation != *started || seen.restarts > 0)
    {
        let says = format!(
            "{unit} runs another life than the one that this run started ({} automatic restarts)",
            seen.restarts
        );
        return Answer::No { says, evidence };
    }
    if let Some(hash) = &expected.data_hash
        && seen.data_hash.as_ref() != Some(hash)
    {
        let says = format!("What runs is {}, not data/{hash}", seen.exe.as_deref().unwrap_or("unknown"));
        return if seen.exe.is_some() { Answer::No { says, evidence } } else { Answer::NotYet { says, evidence } };
    }
    if let (Some(wanted), Some(is)) = (expected.executable, seen.exe_digest)
        && wanted != is
    {
        return Answer::No { says: format!("What runs has digest {is}, staged was {wanted}"), evidence };
    }
    Answer::Yes { says: format!("{unit} was started once and runs what it should"), evidence }
}
