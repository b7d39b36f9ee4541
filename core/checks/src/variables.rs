use std::collections::BTreeMap;

use belay_facts::{ClusterFacts, ConfigFacts, Facts, Growth, K3sVersion, NodeFacts, ObjectFacts, Pre, Span, Unread};
use serde_json::{Map, Value as Json, json};

use crate::api_user::ApiSource;
use crate::api_users::Ending;
use crate::arguments::{arguments, gates};
use crate::unread::without;
use crate::{Edge, Knowledge, Severity, Space};

/// The variables of rules that are asked once: `cluster`, `nodes`, `edge`, `now`.
///
/// - `cluster`: the facts of the cluster without its pods; empty when no API answered, so that every question about it is unknown.
/// - `nodes`: every node, in the shape of `node` (below).
/// - `edge.from`, `edge.to`: major, minor, patch, k3s, pre (`rc1`, or empty), tag, `deprecated` (APIs that it warns of), the release tables' knowledge
///   (known, etcd, etcd_minor, etcd_patch, containerd_minor, kine_minor, end_of_life, latest, hazards, bad) and
///   server_flags, removed (flags, gates and APIs that Kubernetes of that minor no longer has), advisories; `edge.minors`, `edge.downgrade`, `edge.same`. Without a target only `edge.from` is there.
/// - `now`: when the facts were taken, RFC 3339 in UTC; such texts (and dates) compare in order of time.
///
/// Nodes of `cluster.nodes` have `minor`, the Kubernetes minor of their kubelet.
///
/// A rule that is asked once may ask about `objects` as well: the inventory of the cluster's objects, empty when it could not
/// be read; about `manifests`: folders that were named; and about `users`: who uses APIs that end by the target ([`crate::ApiUser`]),
/// as `files` and `templates` of such folders, `releases` of Helm and `managers`. Where nobody asked for objects or folders, such a
/// rule is not asked.
///
/// For a rule of scope `node` there is `node` as well: the facts of the node, with `config`, `config_keys`, `args`,
/// `kubelet_args`, `arguments` (component, name, value, place), `gates`, `kernel_number` (5.15 is 5015), `start_seconds` (the unit's last start), `open_runs` and
/// `needs` instead of what they are derived from. `daily_growth` (bytes), `sync_99_ms` and `flush_ms` are 0 where there was nothing to
/// measure.
pub(crate) fn shared(facts: &Facts, edge: &Edge, knowledge: &Knowledge) -> Json {
    json!({
        "cluster": without(facts.cluster.as_ref().map_or_else(|| json!({}), cluster), "cluster", &facts.unread),
        "nodes": facts.nodes.iter().map(|one| node(one, &facts.unread)).collect::<Vec<_>>(),
        "edge": edge_of(edge, knowledge),
        "now": facts.taken_at.to_string(),
    })
}

/// The same with `objects`, `manifests` and `users`: big ones, and not one for every node.
pub(crate) fn with_objects(shared: &Json, facts: &Facts, edge: &Edge, knowledge: &Knowledge) -> Json {
    let mut all = shared.clone();
    let inventory = match &facts.objects {
        Some(ObjectFacts::Read(inventory)) => json!(inventory),
        Some(ObjectFacts::Unread { .. }) | None => json!({}),
    };
    if let Json::Object(members) = &mut all {
        members.insert("objects".into(), inventory);
        members.insert("manifests".into(), json!(facts.manifests));
        members.insert("users".into(), edge.to.as_ref().map_or_else(|| json!({}), |to| users(facts, to, knowledge)));
    }
    all
}

/// Users by where they were seen; what could not be read is missing.
fn users(facts: &Facts, to: &K3sVersion, knowledge: &Knowledge) -> Json {
    let ending = Ending::of(to, knowledge);
    let folders = facts.manifests.as_deref().map(|folders| ending.of_folders(folders));
    let of =
        |source| folders.as_ref().map(|users| users.iter().filter(|user| user.source == source).collect::<Vec<_>>());
    let objects = match &facts.objects {
        Some(ObjectFacts::Read(inventory)) => Some(inventory),
        Some(ObjectFacts::Unread { .. }) | None => None,
    };
    json!({
        "files": of(ApiSource::File),
        "templates": of(ApiSource::Template),
        "releases": objects.and_then(|inventory| ending.of_releases(inventory)),
        "managers": objects.map(|inventory| ending.of_managers(inventory)),
    })
}

fn cluster(cluster: &ClusterFacts) -> Json {
    let mut facts = json!(cluster);
    // No rule asks about single pods, and each predicate would be given all of them.
    if let Json::Object(members) = &mut facts {
        members.remove("pods");
    }
    for node in facts.get_mut("nodes").and_then(Json::as_array_mut).into_iter().flatten() {
        let kubelet = node.get("kubelet").and_then(Json::as_str).and_then(|text| text.parse::<K3sVersion>().ok());
        if let (Json::Object(members), Some(version)) = (node, kubelet) {
            members.insert("minor".into(), json!(version.minor));
        }
    }
    facts
}

/// `5015` of `5.15.0-91-generic`.
fn kernel_number(release: &str) -> Option<u32> {
    let mut numbers = release.split(['.', '-', '+', ' ']).map(str::parse::<u32>);
    let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(major.saturating_mul(1000).saturating_add(minor))
}

/// The variable `node`, without what could not be read of it.
pub(crate) fn node(node: &NodeFacts, unread: &[Unread]) -> Json {
    let mut facts = json!(node);
    if let Json::Object(members) = &mut facts {
        members.remove("config");
        members.insert("config_files".into(), json!(node.config.files));
        members.insert("config_unreadable".into(), json!(node.config.unreadable));
        // What could not be read may set any key: then nothing is known about any of them.
        if node.config.unreadable.is_empty() {
            members.extend(configuration(&node.config));
        }
        // `open_run` is the one fact whose `None` means no; but only root can look.
        if node.helper.uid == 0 {
            members.insert("open_runs".into(), json!(node.helper.open_run.iter().collect::<Vec<_>>()));
        }
        members.insert("needs".into(), json!(Space::needed_on(node)));
        members.insert("kernel_number".into(), json!(kernel_number(&node.kernel)));
        let start = node.unit.as_ref().and_then(|unit| unit.last_start);
        members.insert("start_seconds".into(), json!(start.map(Span::as_seconds)));
        let datastore = node.datastore.as_ref();
        let growth = datastore.map(|datastore| datastore.growth.as_ref().map_or(0, Growth::daily));
        members.insert("daily_growth".into(), json!(growth));
        let sync = datastore.map(|d| d.etcd.as_ref().and_then(|etcd| etcd.sync_99).map_or(0, Span::as_millis));
        members.insert("sync_99_ms".into(), json!(sync));
        let flush = node.disks.get("data").map(|disk| disk.flush.map_or(0, Span::as_millis));
        members.insert("flush_ms".into(), json!(flush));
    }
    without(facts, "node", unread)
}

fn configuration(config: &ConfigFacts) -> Map<String, Json> {
    let effective: BTreeMap<&str, Vec<&str>> =
        config.keys.iter().map(|entry| (entry.key.as_str(), config.effective(&entry.key))).collect();
    let args = |key: &str| effective.get(key).cloned().unwrap_or_default();
    let arguments = arguments(config);
    let derived = json!({
        "arguments": &arguments,
        "gates": gates(&arguments),
        "config": &effective,
        "config_keys": &config.keys,
        "kubelet_args": args("kubelet-arg"),
        "args": {
            "kubelet": args("kubelet-arg"),
            "apiserver": args("kube-apiserver-arg"),
            "controller": args("kube-controller-manager-arg"),
            "scheduler": args("kube-scheduler-arg"),
        },
    });
    match derived {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}

fn edge_of(edge: &Edge, knowledge: &Knowledge) -> Json {
    let from = version(&edge.from, knowledge);
    let Some(to) = &edge.to else { return json!({ "from": from }) };
    json!({
        "from": from,
        "to": version(to, knowledge),
        "minors": i64::from(to.minor) - i64::from(edge.from.minor),
        "downgrade": *to < edge.from,
        "same": *to == edge.from,
    })
}

fn version(tag: &K3sVersion, knowledge: &Knowledge) -> Json {
    let mut facts = json!(knowledge.releases.look_up(tag));
    if let Json::Object(members) = &mut facts {
        let (bad, hazards): (Vec<_>, Vec<_>) =
            knowledge.releases.look_up(tag).hazards.into_iter().partition(|hazard| hazard.severity == Severity::Block);
        members.insert("bad".into(), json!(bad));
        members.insert("hazards".into(), json!(hazards));
        members.insert("major".into(), json!(tag.major));
        members.insert("minor".into(), json!(tag.minor));
        members.insert("patch".into(), json!(tag.patch));
        members.insert("k3s".into(), json!(tag.k3s));
        members.insert("pre".into(), json!(tag.pre.map_or_else(String::new, pre)));
        members.insert("tag".into(), json!(tag.tag()));
        members.insert("server_flags".into(), json!(knowledge.flags.of(tag)));
        members.insert("removed".into(), json!(knowledge.removed.in_minor(tag.minor)));
        let ending = knowledge.removed.ending_apis(tag.minor);
        let deprecated = ending.into_values().filter(|api| api.minor > tag.minor).collect::<Vec<_>>();
        members.insert("deprecated".into(), json!(deprecated));
        members.insert("advisories".into(), json!(knowledge.advisories.of(tag, &knowledge.releases)));
    }
    facts
}

fn pre(pre: Pre) -> String {
    match pre {
        Pre::Alpha(n) => format!("alpha{n}"),
        Pre::Beta(n) => format!("beta{n}"),
        Pre::Rc(n) => format!("rc{n}"),
    }
}
