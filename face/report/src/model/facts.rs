use std::collections::BTreeMap;

use belay_facts::{ClusterFacts, Facts, NodeFacts, Workload};
use jiff::Timestamp;
use serde::Serialize;

use crate::{duration, size};

/// What was true before the run and what is true after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FactsReport {
    pub before_at: Option<Timestamp>,
    /// `None`: no facts were gathered after the run.
    pub after_at: Option<Timestamp>,
    pub rows: Vec<FactRow>,
}

/// One fact, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FactRow {
    /// A node, `cluster` or `workloads`.
    pub about: String,
    pub what: String,
    /// `None`: could not be read, or was not there.
    pub before: Option<String>,
    pub after: Option<String>,
    /// Both were gathered, and they differ.
    pub changed: bool,
}

type Row = (String, String, String);

pub(super) fn compare(before: Option<&Facts>, after: Option<&Facts>) -> Option<FactsReport> {
    if before.is_none() && after.is_none() {
        return None;
    }
    let rows = |facts: Option<&Facts>| facts.map(all).unwrap_or_default();
    let (old, new) = (rows(before), rows(after));
    let mut table: Vec<FactRow> = Vec::new();
    // In the order of the facts before; what is only there afterwards follows.
    for (about, what, _) in old.iter().chain(&new) {
        if table.iter().any(|row| row.about == *about && row.what == *what) {
            continue;
        }
        let value = |rows: &[Row]| rows.iter().find(|row| row.0 == *about && row.1 == *what).map(|row| row.2.clone());
        let (was, is) = (value(&old), value(&new));
        let changed = before.is_some() && after.is_some() && was != is;
        table.push(FactRow { about: about.clone(), what: what.clone(), before: was, after: is, changed });
    }
    Some(FactsReport { before_at: before.map(|f| f.taken_at), after_at: after.map(|f| f.taken_at), rows: table })
}

fn all(facts: &Facts) -> Vec<Row> {
    let mut rows: Vec<Row> = facts.nodes.iter().flat_map(node).collect();
    if let Some(cluster) = &facts.cluster {
        rows.extend(of_cluster(cluster));
    }
    rows
}

fn node(node: &NodeFacts) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            rows.push((node.name.clone(), what.to_owned(), value));
        }
    };
    let unit = node.unit.as_ref();
    row("K3s version", node.binary.as_ref().and_then(|b| b.version.as_ref()).map(ToString::to_string));
    row("binary", node.binary.as_ref().map(|b| b.digest.to_string()));
    row("runs from", node.process.as_ref().and_then(|p| p.data_hash.as_ref()).map(|hash| format!("data/{hash}")));
    row("unit", unit.map(|unit| format!("{} is {} ({})", unit.name, unit.active_state, unit.sub_state)));
    row("last start", unit.and_then(|unit| unit.last_start).map(duration));
    row("restarts", unit.map(|unit| unit.restarts.to_string()));
    row("unit files", unit.map(|unit| unit.digest.to_string()));
    row("configuration", node.config.digest.map(|digest| digest.to_string()));
    if let Some(store) = &node.datastore {
        row("datastore", Some(format!("{:?}, {}", store.kind, size(store.size)).to_lowercase().replace("ib", "iB")));
        row("integrity", store.integrity.clone());
        row("revision", store.revision.map(|n| n.to_string()));
        row("keys", store.keys.map(|n| n.to_string()));
    }
    let soonest = node.certificates.iter().flatten().min_by_key(|certificate| certificate.not_after);
    row("first certificate to expire", soonest.map(|c| c.not_after.strftime("%Y-%m-%d").to_string()));
    for (role, disk) in &node.disks {
        row(&format!("free on {role}"), Some(size(disk.free)));
    }
    let links: BTreeMap<&str, &str> = node.data_links.iter().map(|l| (l.name.as_str(), l.target.as_str())).collect();
    for (name, target) in links {
        row(&format!("data/{name}"), Some(target.to_owned()));
    }
    row("boot", Some(node.boot_id.clone()).filter(|boot| !boot.is_empty()));
    rows
}

fn of_cluster(cluster: &ClusterFacts) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |about: &str, what: &str, value: Option<String>| {
        if let Some(value) = value {
            rows.push((about.to_owned(), what.to_owned(), value));
        }
    };
    row("cluster", "identity", Some(cluster.id.clone()).filter(|id| !id.is_empty()));
    row("cluster", "CA", Some(cluster.ca.to_string()));
    row("cluster", "API version", cluster.version.as_ref().map(ToString::to_string));
    let readiness = cluster.readiness.as_ref();
    row(
        "cluster",
        "/readyz",
        readiness.map(|r| if r.ok { "ok".to_owned() } else { format!("not ok: {}", r.failing.join(", ")) }),
    );
    for node in &cluster.nodes {
        let mut state = vec![if node.ready { "Ready" } else { "NotReady" }];
        if node.unschedulable {
            state.push("unschedulable");
        }
        state.extend(node.pressure.iter().map(String::as_str));
        row(&node.name, "kubelet", Some(node.kubelet.clone()));
        row(&node.name, "node", Some(state.join(", ")));
    }
    for workload in cluster.workloads.iter().flatten() {
        row("workloads", &name(workload), Some(format!("{} of {} ready", workload.ready, workload.desired)));
    }
    rows
}

fn name(workload: &Workload) -> String {
    format!("{} {}/{}", workload.kind, workload.namespace, workload.name)
}
