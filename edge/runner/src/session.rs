use std::sync::Arc;
use std::time::Instant;

use belay_cluster::{Api, ClusterError, Endpoint, Prober};
use belay_engine::{Fault, NodeProbe, NodeTale};
use belay_facts::{Destination, Digest, Facts, Span};
use belay_node::{Held, Link, LinkError};
use belay_plan::{Artifact, Goal, Plan, RestoreSource, Step};
use belay_wire::{Credentials, Mutation, NodeTarget, Observation, Op, Progress as NodeProgress, Reply, Request, Way};

use crate::canary_ahead::CanaryAhead;
use crate::gather::{connect, endpoint};
use crate::node_watch::NodeWatch;
use crate::{Clock, RunError};

mod canary;
mod lease;

/// What one run holds open on one node: the link, the API behind it, the probe, and what the plan says of the node.
pub struct Session {
    pub link: Link,
    /// How the node is reached; `None` when it is this machine.
    over: Option<Destination>,
    /// When the link was opened last, on this machine's boot clock: a node that has booted since was seen again then.
    pub linked: Span,
    endpoint: Endpoint,
    /// Where the backup is copied to, when the node is another machine.
    pub copy: Option<std::path::PathBuf>,
    /// Connected when it is first needed: K3s may be down when a run is resumed.
    api: Option<Api>,
    credentials: Credentials,
    pub prober: Arc<Prober>,
    /// Where the node is another machine: its own view of the API's port.
    watch: Option<NodeWatch>,
    pub clock: Clock,
    pub run: String,
    pub generation: u64,
    /// How often the channel was opened again.
    channel: u32,
    pub target: NodeTarget,
    /// The plan's digest, which the node remembers with the fence.
    pub plan: Digest,
    /// What `stage` puts on the node; a plan that stages nothing has none.
    pub artifact: Option<Artifact>,
    /// What is made live again, in a run that restores; its binary is on the node already.
    pub restore: Option<RestoreSource>,
    /// The facts that the run began with.
    pub before: Facts,
    /// The canary that was begun last.
    pub canary: Option<CanaryAhead>,
    /// When the node last heard that this coordinator goes on; `None` over a new channel.
    renewed: Option<Instant>,
}

/// What a node knows of a run from its own journal.
pub struct Remembered {
    pub tale: NodeTale,
    /// The highest generation that it has heard of; a boot that finished a way back has raised it.
    pub generation: u64,
}

/// How much longer the channel waits than the step's own deadline, so that the helper's own answer is heard.
const GRACE: Span = Span::seconds(20);
/// Longer than the helper's own limits for its questions, so that its answer is heard and not left in the channel.
const ASK: Span = Span::seconds(45);
/// The API may be ill when its last revision is asked for, or not answer at all; the way back does not wait for it, and what
/// the datastore itself holds is read later.
const REVISION: Span = Span::millis(800);

impl Session {
    /// Opens link, API and probe. K3s may be down: only the credentials are needed, not an answer.
    pub async fn open(
        plan: &Plan,
        over: Option<Destination>,
        before: Facts,
        generation: u64,
        clock: Clock,
    ) -> Result<Self, RunError> {
        let (target, artifact) = target(plan, &before)?;
        let mut link = Link::open(&node_name(plan), over.as_ref()).await?;
        let credentials = link.credentials().await?;
        let endpoint = endpoint(link.way_to(&credentials.address).await?);
        let prober = Prober::start(
            endpoint.clone(),
            &credentials.server_ca,
            &credentials.client_certificate,
            &credentials.client_key,
        )?;
        let prober = Arc::new(prober);
        let watch = match over {
            Some(_) => Some(NodeWatch::begin(&mut link).await),
            None => None,
        };
        let run = plan.id.clone();
        let linked = clock.since_boot();
        Ok(Self {
            link,
            over,
            linked,
            endpoint,
            copy: None,
            api: None,
            credentials,
            prober,
            watch,
            clock,
            run,
            generation,
            channel: 0,
            target,
            plan: plan.digest,
            artifact,
            restore: plan.restore.clone(),
            before,
            canary: None,
            renewed: None,
        })
    }

    /// A fresh channel to the node, after the old one broke, and with it a fresh way to its API.
    pub async fn reconnect(&mut self) -> Result<(), LinkError> {
        let node = self.link.node().to_owned();
        let mut link = Link::open(&node, self.over.as_ref()).await?;
        self.endpoint = endpoint(link.way_to(&self.credentials.address).await?);
        self.linked = self.clock.since_boot();
        if let Some(watch) = &mut self.watch {
            watch.go_on(&mut link).await;
        }
        self.link = link;
        self.renewed = None;
        // What the old one may still bring to the node is refused there, once anything was asked over this one.
        self.channel += 1;
        self.api = None;
        // The credentials are those that were taken before: they cannot be refused now.
        let _ = self.aim();
        Ok(())
    }

    /// Turns the probe to where the API is reached now, as whom we are now.
    fn aim(&self) -> Result<(), ClusterError> {
        let Credentials { server_ca, client_certificate, client_key, .. } = &self.credentials;
        self.prober.update_credentials(self.endpoint.clone(), server_ca, client_certificate, client_key)
    }

    /// New certificates, perhaps: K3s renews them at a start.
    pub async fn renew_credentials(&mut self) -> Result<(), RunError> {
        if self.link.is_broken() {
            self.reconnect().await?;
        }
        let credentials = self.link.credentials().await?;
        if credentials.address != self.credentials.address {
            self.endpoint = endpoint(self.link.way_to(&credentials.address).await?);
        }
        self.credentials = credentials;
        self.api = None;
        Ok(self.aim()?)
    }

    /// The API of the node's server.
    ///
    /// # Errors
    /// When it cannot be reached now; asked again, it is tried again.
    pub async fn api(&mut self) -> Result<Api, ClusterError> {
        if let Some(api) = &self.api {
            return Ok(api.clone());
        }
        let api = connect(&self.endpoint, &self.credentials).await?;
        self.api = Some(api.clone());
        Ok(api)
    }

    /// The highest revision that a client may have seen, as far as this process knows.
    pub async fn seen_revision(&mut self) -> u64 {
        let probed = self.prober.seen_revision().unwrap_or(0);
        let asking = async { self.api().await.ok()?.revision().await.ok() };
        let asked = tokio::time::timeout(REVISION.duration(), asking).await.ok().flatten();
        probed.max(asked.unwrap_or(0))
    }

    /// What the helper on another machine saw of the API's port; here the probe itself is on the node.
    pub async fn node_probe(&mut self) -> Option<NodeProbe> {
        let now = self.clock.wall();
        self.watch.as_mut()?.seen(&mut self.link, now).await
    }

    /// Every question goes through here: over a channel that broke nothing is asked again, a new one is opened first.
    async fn call(
        &mut self,
        request: &Request,
        what: &str,
        within: Span,
        progress: impl FnMut(NodeProgress),
    ) -> Result<Reply, LinkError> {
        if self.link.is_broken() {
            self.reconnect().await?;
        }
        self.link.call(request, what, within, progress).await
    }

    fn mutation(&self, step: &str, way: Way, deadline: Span, op: Op) -> Request {
        Request::Mutate(Mutation {
            run: self.run.clone(),
            generation: self.generation,
            channel: self.channel,
            step: step.to_owned(),
            way,
            target: self.target.clone(),
            deadline,
            op,
        })
    }

    /// Asks the node to do a step, or (with `Way::Probe`) whether it was done.
    pub async fn ask(
        &mut self,
        step: &Step,
        way: Way,
        op: Op,
        progress: impl FnMut(NodeProgress),
    ) -> Result<Reply, LinkError> {
        let request = self.mutation(&step.id, way, step.deadline, op);
        let what = match way {
            Way::Do => format!("do {}", step.id),
            Way::Probe => format!("tell whether {} was done", step.id),
        };
        self.call(&request, &what, step.deadline + GRACE, progress).await
    }

    /// The same with a file that follows.
    pub async fn ask_with_file(
        &mut self,
        step: &Step,
        op: Op,
        file: &std::path::Path,
        progress: impl FnMut(NodeProgress),
    ) -> Result<Reply, LinkError> {
        if self.link.is_broken() {
            self.reconnect().await?;
        }
        let request = self.mutation(&step.id, Way::Do, step.deadline, op);
        self.link.call_with_file(&request, file, &format!("do {}", step.id), step.deadline + GRACE, progress).await
    }

    /// A small note on the node that is no step of the plan.
    pub async fn note(&mut self, step: &str, op: Op) -> Result<(), LinkError> {
        let request = self.mutation(step, Way::Do, ASK, op);
        match self.call(&request, "remember something", ASK + GRACE, |_| {}).await? {
            Reply::Noted => Ok(()),
            _ => Err(LinkError::Confused { node: self.link.node().to_owned(), what: "remember something".to_owned() }),
        }
    }

    /// What the node remembers of this run.
    pub async fn remember(&mut self) -> Result<Remembered, LinkError> {
        let request = Request::Remember { run: self.run.clone() };
        match self.call(&request, "tell what it remembers of the run", ASK + GRACE, |_| {}).await? {
            Reply::Remembered { turned, class, generation, ended, guard, stopped, started, put_back, .. } => {
                let guard = guard.map(|tale| self.told(&tale));
                let tale = NodeTale { turned, class, stopped, started, put_back, ended, guard };
                Ok(Remembered { tale, generation })
            }
            _ => Err(LinkError::Confused { node: self.link.node().to_owned(), what: "remember".to_owned() }),
        }
    }

    pub async fn observe(&mut self) -> Result<Observation, LinkError> {
        self.look(false).await
    }

    /// The same, with the digest of what runs.
    pub async fn observe_executable(&mut self) -> Result<Observation, LinkError> {
        self.look(true).await
    }

    async fn look(&mut self, digest: bool) -> Result<Observation, LinkError> {
        let (unit, data_dir) = (self.target.unit.clone(), self.target.data_dir.clone());
        let request = Request::Observe { unit, data_dir, digest };
        match self.call(&request, "tell what the unit does", ASK, |_| {}).await? {
            Reply::Observation(observation) => Ok(*observation),
            _ => Err(LinkError::Confused { node: self.link.node().to_owned(), what: "observe".to_owned() }),
        }
    }

    /// The run that has not ended on the node.
    pub async fn held(&mut self) -> Result<Option<Held>, LinkError> {
        if self.link.is_broken() {
            self.reconnect().await?;
        }
        self.link.held().await
    }

    /// The last lines of the unit's and of containerd's log; empty when they cannot be had.
    pub async fn log(&mut self, lines: u32) -> (Vec<String>, Vec<String>) {
        let request = Request::Log { unit: self.target.unit.clone(), data_dir: self.target.data_dir.clone(), lines };
        match self.call(&request, "show its log", ASK, |_| {}).await {
            Ok(Reply::Log { unit, containerd }) => (unit, containerd),
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// The digest of the CA that the node serves with now.
    #[must_use]
    pub fn ca(&self) -> Digest {
        Digest::of(self.credentials.server_ca.as_bytes())
    }

    /// One question to the helper that is no mutation.
    pub async fn question(&mut self, request: &Request, what: &str, within: Span) -> Result<Reply, LinkError> {
        self.call(request, what, within, |_| {}).await
    }

    #[must_use]
    pub fn node(&self) -> &str {
        self.link.node()
    }
}

fn node_name(plan: &Plan) -> String {
    plan.material.touched.first().map(|node| node.name.clone()).unwrap_or_default()
}

fn target(plan: &Plan, before: &Facts) -> Result<(NodeTarget, Option<Artifact>), RunError> {
    let lacks = |why: &str| RunError::Plan { run: plan.id.clone(), why: why.to_owned() };
    let node = plan.material.touched.first().ok_or_else(|| lacks("it touches no node"))?;
    let arch = before.nodes.iter().find(|facts| facts.name == node.name).map(|facts| facts.arch.as_str());
    let artifact = arch.and_then(|arch| plan.artifact(arch));
    if artifact.is_none() && plan.goal != Goal::Backup {
        return Err(lacks("it has no artifact for the node"));
    }
    let target = NodeTarget {
        unit: node.unit.clone(),
        binary: node.binary.clone(),
        data_dir: node.data_dir.clone(),
        datastore: node.datastore,
        old: node.binary_digest,
        old_version: node.version.clone(),
        new: artifact.map_or(node.binary_digest, |artifact| artifact.sha256),
        new_version: plan.to.clone(),
        timeout_stop: node.timeout_stop,
        way_back: plan.way_back.class,
    };
    Ok((target, artifact.cloned()))
}

/// What went wrong on a link, as the engine sees it.
pub fn fault(error: &LinkError) -> Fault {
    use belay_engine::FaultKind as Core;
    use belay_wire::FaultKind as Wire;
    let kind = match error {
        LinkError::Fault(fault) => match fault.kind {
            Wire::Refused => Core::Refused,
            Wire::Stale => Core::Stale,
            Wire::Failed => Core::Failed,
            Wire::Deadline => Core::Deadline,
            Wire::Fenced => Core::Fenced,
            Wire::Space => Core::Space,
            Wire::Io => Core::Io,
            Wire::Human => Core::Human,
        },
        LinkError::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Core::Space,
        LinkError::Write { .. } | LinkError::File { .. } | LinkError::Spawn { .. } | LinkError::NoHelper { .. } => {
            Core::Failed
        }
        _ => Core::Channel,
    };
    Fault { kind, message: error.to_string(), hint: error.hint() }
}
