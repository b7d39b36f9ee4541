use belay_checks::{Finding, Knowledge, Verdict};
use belay_facts::{HeldLease, K3sVersion, NodeFacts, Span};
use serde::{Deserialize, Serialize};

/// What becomes of a workload's pods while K3s is exchanged under them. Later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its containers go on: K3s stops without them (KillMode=process), and their shims outlive it.
    RunsOn,
    /// K3s applies it anew; where the release changed it, its pods are replaced.
    MayBeReplaced,
    /// Its containers may restart, its pods stay.
    MayRestart,
    /// Its containers restart, its pods stay.
    Restarts,
}

/// Judges one workload after the other.
pub(super) struct Judge<'a> {
    pub node: &'a NodeFacts,
    pub to: &'a K3sVersion,
    /// What holds for every pod of the node.
    pub shared: Option<(Fate, String)>,
    /// How long the API is expected to be away, at most.
    pub gap: Span,
}

/// What rules say of all pods of the node: the worst of it, with what each says.
pub(super) fn of_all(findings: &[Finding], knowledge: &Knowledge) -> Option<(Fate, String)> {
    let restarting = |finding: &&Finding| knowledge.rule(&finding.rule).is_some_and(|rule| rule.restarts_pods);
    let found: Vec<&Finding> = findings.iter().filter(restarting).collect();
    let is_certain = |finding: &&&Finding| finding.verdict == Verdict::Yes;
    let fate = if found.iter().any(|finding| is_certain(&finding)) { Fate::Restarts } else { Fate::MayRestart };
    let told = found.iter().filter(|finding| fate == Fate::MayRestart || is_certain(finding));
    let told: Vec<String> = told.map(|finding| format!("{} [{}]", finding.title, finding.rule)).collect();
    (!told.is_empty()).then(|| (fate, told.join("; ")))
}

/// A client of the API that leads something gives up when it could not renew its lease for two thirds of its length: the
/// defaults of client-go and controller-runtime, 10 s of 15.
const RENEW: (u64, u64) = (2, 3);

impl Judge<'_> {
    /// The fate of `Deployment kube-system/coredns`, whose pods hold `leases`.
    pub fn judge(&self, workload: &str, leases: &[&HeldLease]) -> (Fate, Option<String>) {
        let worst = [self.shared.clone(), self.packaged(workload), self.leads(leases)];
        match worst.into_iter().flatten().max_by_key(|(fate, _)| *fate) {
            Some((fate, why)) => (fate, Some(why)),
            None => (Fate::RunsOn, None),
        }
    }

    /// Of what K3s brings itself, by the names of its manifests; what is disabled is somebody's own of that name.
    fn packaged(&self, workload: &str) -> Option<(Fate, String)> {
        let to = self.to;
        let balancers = self.node.config.last("servicelb-namespace").unwrap_or("kube-system");
        if workload.strip_prefix("Job kube-system/").is_some_and(|job| job.starts_with("helm-install-")) {
            let why = "it asks the API, fails while that is away, and is run again by K3s";
            return Some((Fate::MayRestart, why.to_owned()));
        }
        let is_balancer = |name: &str| name.strip_prefix(balancers).is_some_and(|name| name.starts_with("/svclb-"));
        let item = match workload {
            "Deployment kube-system/coredns" => "coredns",
            "Deployment kube-system/local-path-provisioner" => "local-storage",
            "Deployment kube-system/metrics-server" => "metrics-server",
            "Deployment kube-system/traefik" => "traefik",
            other if other.strip_prefix("DaemonSet ").is_some_and(is_balancer) => "servicelb",
            _ => return None,
        };
        let disabled = self.node.config.effective("disable");
        if disabled.iter().flat_map(|items| items.split(',')).any(|one| one.trim() == item) {
            return None;
        }
        let why = format!(
            "K3s applies what it brings itself at every start: where {to} has another image or setting of it, its pods are replaced"
        );
        Some((Fate::MayBeReplaced, why))
    }

    fn leads(&self, leases: &[&HeldLease]) -> Option<(Fate, String)> {
        let (of, parts) = RENEW;
        let patience = |lease: &HeldLease| u64::from(lease.seconds).saturating_mul(1000).saturating_mul(of) / parts;
        let shortest = leases.iter().filter(|lease| lease.seconds > 0).min_by_key(|lease| lease.seconds)?;
        (patience(shortest) <= self.gap.as_millis()).then(|| {
            let why = format!(
                "it leads by the lease {} of {} s, and such programs exit when they cannot renew it for {} s",
                shortest.lease,
                shortest.seconds,
                patience(shortest) / 1000
            );
            (Fate::MayRestart, why)
        })
    }
}
