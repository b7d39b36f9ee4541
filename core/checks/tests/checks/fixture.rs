//! Fixtures: `base.json` (a whole healthy server and an edge) under a small JSON merge patch (RFC 7386). In a patch,
//! `node` goes to the first node, `cluster` to the cluster, `objects` to the inventory, `manifests` to the folder and `edge` to the edge; `second` makes a second node, which is the
//! patched first one but for that.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use belay_checks::{Acceptance, Edge, Finding, Knowledge, Policy, check};
use belay_facts::Facts;
use serde_json::{Value as Json, json};

pub(crate) struct Fixture {
    pub(crate) facts: Json,
    pub(crate) edge: Edge,
}

pub(crate) fn read(path: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Fixture {
    pub(crate) fn base() -> Self {
        Self::patched(json!({}))
    }

    pub(crate) fn of(path: &str) -> Self {
        Self::patched(read(path))
    }

    pub(crate) fn patched(patch: Json) -> Self {
        let mut base = read("fixtures/base.json");
        for (part, patch) in patch.as_object().expect("a patch is an object") {
            if part == "second" {
                let mut second = base["facts"]["nodes"][0].clone();
                merge(&mut second, patch);
                base["facts"]["nodes"].as_array_mut().unwrap().push(second);
                continue;
            }
            let target = match part.as_str() {
                "node" => &mut base["facts"]["nodes"][0],
                "cluster" => &mut base["facts"]["cluster"],
                "objects" => &mut base["facts"]["objects"]["read"],
                "manifests" => &mut base["facts"]["manifests"][0],
                "edge" => &mut base["edge"],
                other => panic!("a patch has no part `{other}`"),
            };
            merge(target, patch);
        }
        Self { edge: serde_json::from_value(base["edge"].clone()).unwrap(), facts: base["facts"].clone() }
    }

    /// `None` when these are not facts (a fact that must be there was taken away).
    pub(crate) fn read_facts(facts: &Json) -> Option<Facts> {
        Facts::from_json(&facts.to_string()).ok()
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts::from_json(&self.facts.to_string()).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn check(&self) -> Vec<Finding> {
        check(&self.facts(), &self.edge, knowledge(), &policy(vec![]))
    }

    pub(crate) fn finding(&self, rule: &str) -> Option<Finding> {
        self.check().into_iter().find(|finding| finding.rule == rule)
    }
}

/// Compiled once for all tests.
pub(crate) fn knowledge() -> &'static Knowledge {
    static EMBEDDED: LazyLock<Knowledge> =
        LazyLock::new(|| Knowledge::embedded().unwrap_or_else(|error| panic!("{error}")));
    &EMBEDDED
}

pub(crate) fn policy(accepted: Vec<Acceptance>) -> Policy {
    Policy { accepted, today: "2026-11-23".parse().unwrap() }
}

fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Json::Null), value);
        }
    }
}
