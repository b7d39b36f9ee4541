use belay_facts::Unread;
use serde_json::{Value as Json, json};

use crate::situation::Situation;
use crate::{Finding, Rule, Verdict};

/// Variables of a node that are made from another fact, and are as unknown as that one.
const DERIVED: [(&str, &str); 12] = [
    ("config_unreadable", "node.config"),
    ("config_keys", "node.config"),
    ("config_files", "node.config"),
    ("kubelet_args", "node.config"),
    ("args", "node.config"),
    ("arguments", "node.config"),
    ("gates", "node.config"),
    ("open_runs", "node.helper.open_run"),
    ("start_seconds", "node.unit"),
    ("daily_growth", "node.datastore"),
    ("sync_99_ms", "node.datastore"),
    ("flush_ms", "node.disks.data"),
];

/// Takes what could not be read out of the variable `root`: what stands in its place would be an answer.
pub(crate) fn without(mut variable: Json, root: &str, unread: &[Unread]) -> Json {
    for fact in unread.iter().map(|one| one.fact.as_str()) {
        let Some(path) =
            fact.strip_prefix(root).and_then(|path| path.is_empty().then_some(path).or(path.strip_prefix('.')))
        else {
            continue;
        };
        if path.is_empty() {
            variable = json!({});
            continue;
        }
        remove(&mut variable, path);
        for (derived, _) in DERIVED.iter().filter(|(_, of)| root == "node" && *of == fact) {
            remove(&mut variable, derived);
        }
        // The one fact that rules first ask for being there, because seldom anybody wants to know it.
        if fact == "node.userland"
            && let Json::Object(members) = &mut variable
        {
            members.insert("userland".to_owned(), json!({}));
        }
    }
    variable
}

fn remove(variable: &mut Json, path: &str) {
    let (above, last) = path.rsplit_once('.').map_or((None, path), |(above, last)| (Some(above), last));
    let pointer = above.map_or_else(String::new, |above| format!("/{}", above.replace('.', "/")));
    if let Some(Json::Object(members)) = variable.pointer_mut(&pointer) {
        members.remove(last);
    }
}

/// Says of a finding that is unknown why its facts could not be read, and what to type so that they can.
pub(crate) fn explain(finding: &mut Finding, rule: &Rule, situation: &Situation, unread: &[Unread]) {
    if finding.verdict != Verdict::Unknown || unread.is_empty() {
        return;
    }
    let paths = || rule.when.paths().map(|path| path.join("."));
    let missing: Vec<String> =
        rule.when.paths().filter_map(|path| situation.missing(path)).map(|path| fact(&path)).collect();
    let is_missing = |one: &&Unread| missing.iter().any(|path| is_below(path, &one.fact) || is_below(&one.fact, path));
    let mut reasons: Vec<&Unread> = unread.iter().filter(is_missing).collect();
    if reasons.is_empty() {
        // It looks into what is there: all nodes, or a member by a name that it makes.
        let inside = |one: &&Unread| paths().any(|path| path != one.fact && is_below(&one.fact, &path));
        let of_all_nodes = |one: &&Unread| {
            let named = one.fact.strip_prefix("node.").and_then(|rest| rest.split('.').next());
            let is_named = named.is_some_and(|name| rule.when.source().contains(&format!(".{name}")));
            is_named && paths().any(|path| path == "nodes")
        };
        reasons = unread.iter().filter(|one| inside(one) || of_all_nodes(one)).collect();
    }
    // After what is missing, before what was seen.
    let at = finding.evidence.len().min(1);
    let mut whys: Vec<String> = Vec::new();
    let mut fixes: Vec<&str> = Vec::new();
    for reason in reasons {
        if !whys.contains(&reason.why) {
            whys.push(reason.why.clone());
        }
        if let Some(fix) = reason.fix.as_deref().filter(|fix| !fixes.contains(fix)) {
            fixes.push(fix);
        }
    }
    finding.evidence.splice(at..at, whys);
    // One that another begins with is said by that one.
    let whole: Vec<&str> = fixes.clone();
    fixes.retain(|fix| !whole.iter().any(|other| other != fix && other.starts_with(fix)));
    if !fixes.is_empty() {
        finding.fix = fixes.join(" ");
    }
}

/// The fact that a variable is made from.
fn fact(path: &str) -> String {
    let name = path.strip_prefix("node.").and_then(|rest| rest.split('.').next());
    let derived = DERIVED.iter().find(|(derived, _)| Some(*derived) == name);
    derived.map_or_else(|| path.to_owned(), |(_, of)| (*of).to_owned())
}

/// Whether `path` is `above`, or something below it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread(facts: &[&str]) -> Vec<Unread> {
        facts.iter().map(|fact| Unread::new(fact, "why", None)).collect()
    }

    #[test]
    fn what_stands_in_the_place_of_an_unread_fact_is_gone() {
        let node =
            json!({ "disks": { "data": { "exchange": false, "free": 5 } }, "config": {}, "gates": [], "unit": {} });
        let seen = without(node.clone(), "node", &unread(&["node.disks.data.exchange", "node.config", "cluster.id"]));
        assert_eq!(seen, json!({ "disks": { "data": { "free": 5 } }, "unit": {} }));
        assert_eq!(without(node.clone(), "cluster", &unread(&["node.disks", "clusters.x"])), node);
        assert_eq!(without(json!({ "id": "" }), "cluster", &unread(&["cluster"])), json!({}));
    }

    #[test]
    fn a_path_is_below_itself_and_what_begins_like_it_is_not() {
        assert!(is_below("node.disks", "node.disks") && is_below("node.disks.data", "node.disks"));
        assert!(!is_below("node.disks2", "node.disks"));
    }
}
