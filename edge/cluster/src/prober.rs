use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use belay_facts::{Secret, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::address::Address;
use crate::outage::{Outage, outages, total};
use crate::shot::{Shot, Target, shoot};
use crate::{ClusterError, Endpoint, tls};

const PERIOD: Duration = Duration::from_millis(100);
/// With few probes, see [`few_probes`].
const SELDOM: Duration = Duration::from_millis(300);
/// Each tenth shot also asks for the revision: 11 requests a second in all.
const REVISION_EVERY: u64 = 10;

/// Shoots at one server's API ten times a second, from before the stop until after the soak, and remembers what came of it.
///
/// A shot that hangs does not hold up the next: at most ten are under way. It runs as a task of the tokio runtime, and ends
/// when it is stopped or dropped.
pub struct Prober {
    record: Arc<Record>,
    target: watch::Sender<Arc<Target>>,
    halt: watch::Sender<bool>,
    /// The one task; dropped, and so aborted, with the prober.
    task: JoinSet<()>,
}

/// What the prober saw until now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The wall clock when it began; all times of outages count from here, by a clock that does not jump.
    pub began: Timestamp,
    pub lasted: Span,
    pub shots: u64,
    pub failed: u64,
    /// Every outage, in order.
    pub outages: Vec<Outage>,
    /// The time in all, each moment counted once.
    pub away: Span,
    /// The highest revision that was seen.
    pub seen_revision: Option<u64>,
    /// The longest time between the starts of two shots; about 100 ms, unless the machine was too busy to shoot. An outage
    /// shorter than this may not have been seen.
    pub blind: Span,
}

impl Prober {
    /// Begins to shoot at once. Must be called inside a tokio runtime. The parameters are those of `Api::connect`.
    ///
    /// # Errors
    /// `Credentials` and `Address`. A server that is not there is what it is made to measure.
    pub fn start(
        endpoint: impl Into<Endpoint>,
        server_ca: &str,
        client_certificate: &str,
        client_key: &Secret,
    ) -> Result<Self, ClusterError> {
        let target = target(&endpoint.into(), server_ca, client_certificate, client_key)?;
        let (target, targets) = watch::channel(Arc::new(target));
        let (halt, halted) = watch::channel(false);
        let record = Arc::new(Record {
            began: Timestamp::now(),
            origin: Instant::now(),
            shots: Mutex::default(),
            latest: watch::Sender::new(None),
            revision: AtomicU64::new(0),
        });
        let mut task = JoinSet::new();
        task.spawn(run(Arc::clone(&record), targets, halted));
        Ok(Self { record, target, halt, task })
    }

    /// From the next shot on: K3s may renew its certificates at a start, and a new connection has a new forward.
    ///
    /// # Errors
    /// `Credentials` and `Address`; the old ones stay in use then.
    pub fn update_credentials(
        &self,
        endpoint: impl Into<Endpoint>,
        server_ca: &str,
        client_certificate: &str,
        client_key: &Secret,
    ) -> Result<(), ClusterError> {
        let target = target(&endpoint.into(), server_ca, client_certificate, client_key)?;
        self.target.send_replace(Arc::new(target));
        Ok(())
    }

    /// The highest revision that a client has seen while the prober ran; about once a second while the API is up. The
    /// datastore must never again hand out one that is not above it (invariant I11).
    #[must_use]
    pub fn seen_revision(&self) -> Option<u64> {
        Some(self.record.revision.load(Ordering::Acquire)).filter(|revision| *revision > 0)
    }

    /// Each shot as it is done; for a live display, or to wait until the API is back.
    #[must_use]
    pub fn latest(&self) -> watch::Receiver<Option<Shot>> {
        self.record.latest.subscribe()
    }

    /// Those that are done, sorted by start; for a timeline.
    #[must_use]
    pub fn shots(&self) -> Vec<Shot> {
        let mut shots = self.record.shots().clone();
        shots.sort_by_key(|shot| shot.at);
        shots
    }

    /// The time since the start, on the scale of the outages: a mark for what the runner does meanwhile.
    #[must_use]
    pub fn now(&self) -> Span {
        self.record.origin.elapsed().into()
    }

    #[must_use]
    pub fn measure(&self) -> Measured {
        let shots = self.shots();
        let outages = outages(&shots);
        let blind = shots.windows(2).filter_map(|pair| pair.last()?.at.checked_sub(pair.first()?.at)).max();
        Measured {
            began: self.record.began,
            lasted: self.now(),
            shots: shots.len() as u64,
            failed: shots.iter().filter(|shot| !shot.is_up()).count() as u64,
            away: total(&outages),
            outages,
            seen_revision: self.seen_revision(),
            blind: Span::from(Duration::from_micros(blind.unwrap_or(0))),
        }
    }

    /// Sends no more, waits for the shots that are under way (a second at most), and measures.
    pub async fn stop(mut self) -> Measured {
        self.halt.send_replace(true);
        while self.task.join_next().await.is_some() {}
        self.measure()
    }
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("address", &self.target.borrow().address.text).finish_non_exhaustive()
    }
}

fn target(
    endpoint: &Endpoint,
    server_ca: &str,
    client_certificate: &str,
    client_key: &Secret,
) -> Result<Target, ClusterError> {
    let tls = tls::client_config(server_ca, client_certificate, client_key)?;
    Ok(Target { address: Address::of(endpoint)?, tls })
}

/// In order of completion; 24 bytes a shot, so under a megabyte for an hour.
struct Record {
    began: Timestamp,
    origin: Instant,
    shots: Mutex<Vec<Shot>>,
    latest: watch::Sender<Option<Shot>>,
    revision: AtomicU64,
}

impl Record {
    fn shots(&self) -> MutexGuard<'_, Vec<Shot>> {
        self.shots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn shoot_once(&self, target: Arc<Target>, with_revision: bool) {
        let started = Instant::now();
        let at = micros(started.duration_since(self.origin));
        let (answer, connection) = shoot(&target).await;
        let took = u32::try_from(micros(started.elapsed())).unwrap_or(u32::MAX);
        let shot = Shot { at, took, answer };
        self.shots().push(shot);
        self.latest.send_replace(Some(shot));
        if with_revision
            && let Some(connection) = connection
            && let Some(revision) = connection.revision().await
        {
            self.revision.fetch_max(revision, Ordering::AcqRel);
        }
    }
}

async fn run(record: Arc<Record>, targets: watch::Receiver<Arc<Target>>, mut halted: watch::Receiver<bool>) {
    let mut beat = interval(if few_probes() { SELDOM } else { PERIOD });
    // Never two shots at once to catch up: the load on a server that is starting stays bounded.
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    let mut number: u64 = 0;
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = halted.wait_for(|halted| *halted) => break,
        }
        while under_way.try_join_next().is_some() {}
        let (record, target) = (Arc::clone(&record), Arc::clone(&targets.borrow()));
        let with_revision = number.is_multiple_of(REVISION_EVERY);
        under_way.spawn(async move { record.shoot_once(target, with_revision).await });
        number += 1;
    }
    while under_way.join_next().await.is_some() {}
}

/// The harness of kills has no time for that many handshakes, and asks for fewer in a build of its own.
pub fn few_probes() -> bool {
    cfg!(feature = "few-probes") && std::env::var_os("BELAY_FEW_PROBES").is_some()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
