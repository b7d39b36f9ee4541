//! How a run is left open: its node is somebody else's, or is away for too long. What was seen until then is written.

use std::time::Duration;

use belay_engine::{Event, Fault, NodeProbe, Outage};
use belay_facts::Span;

use super::Runner;
use crate::RunError;

/// How often in a row a broken channel is opened again before the run is left for a resume.
const RECONNECTS: u32 = 5;
/// How long to wait before a broken channel is opened again; doubled each time, so that a node may boot meanwhile.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

impl Runner {
    /// The node is somebody else's: its guard's, or another coordinator's. What this process saw until now is written, since
    /// nobody else knows it; nothing is done any more, and the node is not asked anything.
    pub(super) fn superseded(&mut self, why: String) -> RunError {
        if let Err(error) = self.write_measured(None) {
            return error;
        }
        RunError::Superseded { run: self.book.plan().id.clone(), why }
    }

    pub(super) async fn measured(&mut self) -> Result<(), RunError> {
        let on_node = self.session.node_probe().await;
        self.write_measured(on_node)
    }

    fn write_measured(&mut self, on_node: Option<NodeProbe>) -> Result<(), RunError> {
        let measured = self.session.prober.measure();
        let outages = measured.outages.iter().map(|outage| told(measured.began, outage)).collect();
        let seen = self.session.prober.seen_revision().unwrap_or(0);
        self.book.record(Event::Measured { outages, shots: measured.shots, seen, on_node })
    }

    /// Waits until the node is there again, so that an attempt at a step is never spent on a node that is away.
    pub(super) async fn reopen(&mut self, times: u32, fault: &Fault) -> Result<(), RunError> {
        let mut last = fault.message.clone();
        for time in times..=RECONNECTS {
            tokio::time::sleep(RECONNECT_AFTER * 2u32.saturating_pow(time.saturating_sub(1))).await;
            match self.session.reconnect().await {
                Ok(()) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
        }
        // What this process saw until now is known to nobody else.
        self.measured().await?;
        Err(RunError::Lost {
            run: self.book.plan().id.clone(),
            node: self.session.node().to_owned(),
            times: RECONNECTS + 1,
            last,
        })
    }
}

fn told(began: jiff::Timestamp, outage: &belay_cluster::Outage) -> Outage {
    let at = |span: Span| {
        began
            .checked_add(jiff::SignedDuration::from_millis(i64::try_from(span.as_millis()).unwrap_or(0)))
            .unwrap_or(began)
    };
    let causes = &outage.causes;
    let mut counted = std::collections::BTreeMap::new();
    for (name, count) in [
        ("refused", causes.refused),
        ("unreachable", causes.unreachable),
        ("timeout", causes.timeout),
        ("untrusted", causes.untrusted),
        ("broken", causes.broken),
        (Outage::UNSEEN, causes.severed),
    ] {
        if count > 0 {
            counted.insert(name.to_owned(), u64::from(count));
        }
    }
    for (status, count) in &causes.status {
        counted.insert(format!("status {status}"), u64::from(*count));
    }
    Outage { from: at(outage.from), to: outage.to.map(at), gap: outage.length, causes: counted }
}
