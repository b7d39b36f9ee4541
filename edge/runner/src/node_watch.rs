use belay_engine::{NodeProbe, Outage};
use belay_facts::Span;
use belay_node::Link;
use belay_wire::{PortClosed, PortSeen, Reply, Request};
use jiff::{SignedDuration, Timestamp};

/// The helper's view of the API's port, gathered over connections: each has a helper of its own, which knows only its own time.
/// What it says is for the report; nothing is decided by it, so where it cannot be had it is left out.
pub(crate) struct NodeWatch {
    /// What helpers saw that are gone.
    earlier: Vec<Outage>,
    looks: u64,
    /// What the present one said last.
    last: Option<NodeProbe>,
    whole: bool,
}

/// An idle helper answers at once; a run does not wait long for what decides nothing.
const ASK: Span = Span::seconds(5);

impl NodeWatch {
    /// Begins on a node that is another machine.
    pub async fn begin(link: &mut Link) -> Self {
        let whole = watch(link).await;
        Self { earlier: Vec::new(), looks: 0, last: None, whole }
    }

    /// Goes on over a new connection.
    pub async fn go_on(&mut self, link: &mut Link) {
        self.part();
        watch(link).await;
    }

    /// The helper of before is gone, with what it saw since it was asked last.
    fn part(&mut self) {
        self.whole = false;
        if let Some(last) = self.last.take() {
            self.looks += last.looks;
            self.earlier.extend(last.closed);
        }
    }

    /// All that was seen until now; `None` when nothing was.
    pub async fn seen(&mut self, link: &mut Link, now: Timestamp) -> Option<NodeProbe> {
        if !link.is_broken()
            && let Ok(Reply::Port(seen)) = link.call(&Request::Port, "tell who listens", ASK, |_| {}).await
        {
            self.last = Some(placed(&seen, now));
        }
        let last = self.last.as_ref()?;
        Some(NodeProbe {
            port: last.port,
            looks: self.looks + last.looks,
            closed: self.earlier.iter().chain(&last.closed).cloned().collect(),
            whole: self.whole,
        })
    }
}

async fn watch(link: &mut Link) -> bool {
    matches!(link.call(&Request::WatchPort, "watch the port of its API", ASK, |_| {}).await, Ok(Reply::Noted))
}

/// Times that were told as so long ago, by this machine's calendar.
fn placed(seen: &PortSeen, now: Timestamp) -> NodeProbe {
    let at = |ago: Span| {
        let ago = SignedDuration::from_millis(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX));
        now.checked_sub(ago).unwrap_or(now)
    };
    let outage = |closed: &PortClosed| {
        let until = closed.ended.unwrap_or(Span::ZERO).as_millis();
        Outage {
            from: at(closed.began),
            to: closed.ended.map(at),
            gap: Span::millis(closed.began.as_millis().saturating_sub(until)),
            causes: std::collections::BTreeMap::new(),
        }
    };
    NodeProbe { port: seen.port, looks: seen.looks, closed: seen.closed.iter().map(outage).collect(), whole: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(closed: &[(u64, Option<u64>)]) -> PortSeen {
        let one = |(began, ended): &(u64, Option<u64>)| PortClosed {
            began: Span::millis(*began),
            ended: ended.map(Span::millis),
        };
        PortSeen { port: 6443, looks: 10, closed: closed.iter().map(one).collect() }
    }

    #[test]
    fn so_long_ago_is_placed_on_the_calendar_here() {
        let now: Timestamp = "2026-11-27T10:00:10Z".parse().unwrap();
        let probe = placed(&seen(&[(9_000, Some(4_000)), (1_000, None)]), now);
        let told: Vec<_> =
            probe.closed.iter().map(|o| (o.from.to_string(), o.to.map(|to| to.to_string()), o.gap)).collect();
        assert_eq!(
            told,
            [
                ("2026-11-27T10:00:01Z".to_owned(), Some("2026-11-27T10:00:06Z".to_owned()), Span::seconds(5)),
                ("2026-11-27T10:00:09Z".to_owned(), None, Span::seconds(1)),
            ]
        );
    }

    #[test]
    fn what_a_lost_helper_had_said_is_kept_and_the_rest_is_called_incomplete() {
        let now: Timestamp = "2026-11-27T10:00:10Z".parse().unwrap();
        let mut watch = NodeWatch {
            earlier: Vec::new(),
            looks: 0,
            last: Some(placed(&seen(&[(9_000, Some(4_000))]), now)),
            whole: true,
        };
        watch.part();
        assert_eq!((watch.earlier.len(), watch.looks, watch.whole, watch.last.is_none()), (1, 10, false, true));
    }
}
