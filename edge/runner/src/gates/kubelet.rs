use belay_facts::Span;
use serde_json::json;

use super::{Answer, Expectation};
use crate::session::Session;

/// A kubelet renews its lease every 10 s; 30 s after READY without one it is not there (design.md §7).
const WITHIN: Span = Span::seconds(30);
/// A lease lasts 40 s: before a stop, a renewal within that time says that the kubelet lives.
const LEASE: Span = Span::seconds(40);

/// Did the kubelet renew its lease after the start, and does it report the expected version? READY=1, `/readyz` and even
/// the Node's Ready condition stay green for 40 s when it never comes (k3s-facts §9).
pub async fn ask(session: &mut Session, expected: &Expectation) -> Answer {
    let node = session.node().to_owned();
    let api = match session.api().await {
        Ok(api) => api,
        Err(error) => return Answer::not_yet(error),
    };
    let (lease, version) = match (api.lease_renewed(&node).await, api.kubelet_version(&node).await) {
        (Ok(lease), Ok(version)) => (lease, version),
        (Err(error), _) | (_, Err(error)) => return Answer::not_yet(error),
    };
    let here = Moment { wall: session.clock.wall(), since_boot: session.clock.since_boot() };
    let Ok(seen) = session.observe().await else {
        return Answer::not_yet(format!("{node} did not tell what its unit does"));
    };
    // The lease bears the time of the node, which is another machine over SSH: everything is compared on its calendar.
    let Some(now) = time(seen.wall) else { return Answer::not_yet(format!("the clock of {node} could not be read")) };
    let begun = match expected.rebooted {
        true => now.checked_sub(span(seen.uptime)).ok(),
        false => begun_there(expected, here, now),
    };
    let renewed = lease.is_some_and(|at| match begun {
        Some(begun) => at > begun,
        None => age(at, now) <= LEASE,
    });
    let expected_version = expected.version.tag();
    let reported = version.as_deref() == Some(expected_version.as_str());
    // Waiting is measured on the boot clock: the calendar may jump when time is synchronised after a start.
    let since_boot = session.clock.since_boot().as_millis();
    let waited = expected.ready_since_boot.map(|ready| Span::millis(since_boot.saturating_sub(ready.as_millis())));
    let containerd = seen.containerd;
    let evidence = json!({
        "lease-renewed": renewed, "lease": lease, "start-begun": begun, "ready": expected.ready,
        "kubelet-version": version, "expected-version": expected_version, "containerd-answers": containerd,
    });
    if renewed && reported {
        return Answer::Yes {
            says: format!("The lease of {node} was renewed and it reports {expected_version}"),
            evidence,
        };
    }
    let says = if renewed {
        format!("{node} reports {} instead of {expected_version}", version.as_deref().unwrap_or("no version"))
    } else {
        let socket = if containerd == Some(false) { "; containerd does not answer on its socket" } else { "" };
        format!("The lease of {node} was not renewed within {WITHIN} of READY{socket}")
    };
    if waited.is_some_and(|waited| waited >= WITHIN) {
        Answer::No { says, evidence }
    } else {
        Answer::NotYet { says, evidence }
    }
}

/// A moment on both clocks of this machine.
#[derive(Clone, Copy)]
struct Moment {
    wall: jiff::Timestamp,
    since_boot: Span,
}

/// When the start was begun, on the calendar of the node, whose time is `there` now. Reckoned back on the boot clock: the
/// calendar of either machine may have been set since, and leases follow that of the node.
fn begun_there(expected: &Expectation, here: Moment, there: jiff::Timestamp) -> Option<jiff::Timestamp> {
    match expected.start_begun_since_boot {
        Some(begun) => {
            let passed = here.since_boot.as_millis().saturating_sub(begun.as_millis());
            there.checked_sub(span(Span::millis(passed))).ok()
        }
        None => expected.start_begun.and_then(|begun| begun.checked_add(there.duration_since(here.wall)).ok()),
    }
}

fn time(millis: u64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()
}

fn span(span: Span) -> jiff::SignedDuration {
    jiff::SignedDuration::from_millis(i64::try_from(span.as_millis()).unwrap_or(0))
}

fn age(at: jiff::Timestamp, now: jiff::Timestamp) -> Span {
    Span::millis(u64::try_from(now.as_millisecond() - at.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    fn begun(wall: &str, since_boot: Option<Span>) -> Expectation {
        Expectation {
            version: "v1.36.3+k3s1".parse().unwrap(),
            start_begun: Some(at(wall)),
            start_begun_since_boot: since_boot,
            rebooted: false,
            ready: None,
            ready_since_boot: None,
            invocation: None,
            data_hash: None,
            executable: None,
            workloads: Vec::new(),
        }
    }

    #[test]
    fn a_clock_that_was_set_back_in_the_soak_made_every_lease_look_old() {
        // Begun at 12:00:00, 30 s ago. Then the clock of this machine was set back by an hour; the node's was not.
        let expected = begun("2026-11-24T12:00:00Z", Some(Span::seconds(500)));
        let here = Moment { wall: at("2026-11-24T11:00:30Z"), since_boot: Span::seconds(530) };
        assert_eq!(begun_there(&expected, here, at("2026-11-24T12:00:30Z")), Some(at("2026-11-24T12:00:00Z")));
        // One machine, one calendar: what the kubelet renewed since is of the new one.
        assert_eq!(begun_there(&expected, here, at("2026-11-24T11:00:30Z")), Some(at("2026-11-24T11:00:00Z")));
    }

    #[test]
    fn the_node_may_live_by_another_calendar() {
        let here = Moment { wall: at("2026-11-24T12:00:30Z"), since_boot: Span::seconds(20) };
        // This machine was booted since, so that only the calendar is left to reckon with.
        let begun_there = begun_there(&begun("2026-11-24T12:00:00Z", None), here, at("2026-11-24T14:00:30Z"));
        assert_eq!(begun_there, Some(at("2026-11-24T14:00:00Z")));
    }
}
