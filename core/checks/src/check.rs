use belay_facts::{Facts, K3sVersion};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::finding::sort;
use crate::predicate::Answer;
use crate::situation::{Situation, words};
use crate::{Finding, Knowledge, Policy, Rule, Scope, Verdict, unread, variables};

/// Where a cluster comes from and where it is to go; without a target only what is true now is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    pub from: K3sVersion,
    pub to: Option<K3sVersion>,
}

/// Asks every rule about the facts. Worst first; the same input gives the same output, to the byte.
#[must_use]
pub fn check(facts: &Facts, edge: &Edge, knowledge: &Knowledge, policy: &Policy) -> Vec<Finding> {
    let mut findings = asked(facts, edge, knowledge, policy);
    // Of what somebody else added, nothing makes a risk smaller, whatever it says.
    if let Some(floor) = &knowledge.floor {
        keep(&mut findings, check(facts, edge, floor, policy));
    }
    sort(&mut findings);
    findings
}

/// Adds what `before` found and `findings` lacks, or is less sure of.
fn keep(findings: &mut Vec<Finding>, before: Vec<Finding>) {
    for old in before {
        let same = |new: &&mut Finding| (&new.rule, &new.node) == (&old.rule, &old.node);
        match findings.iter_mut().find(same) {
            Some(new) if new.verdict < old.verdict => *new = old,
            Some(_) => {}
            None => findings.push(old),
        }
    }
}

fn asked(facts: &Facts, edge: &Edge, knowledge: &Knowledge, policy: &Policy) -> Vec<Finding> {
    let shared = variables::shared(facts, edge, knowledge);
    let once = Situation::new(variables::with_objects(&shared, facts, edge, knowledge));
    let nodes: Vec<(String, Situation)> = facts
        .nodes
        .iter()
        .map(|node| (node.name.clone(), Situation::new(with_node(&shared, variables::node(node, &facts.unread)))))
        .collect();
    let mut findings = Vec::new();
    let alone = facts.of_folders_alone();
    let is_asked = |rule: &&Rule| {
        (edge.to.is_some() || !rule.needs_target)
            && (facts.objects.is_some() || !rule.needs_objects)
            && (facts.manifests.is_some() || !rule.needs_manifests)
            // Of folders alone nothing else is known, and nobody asked.
            && (rule.needs_manifests || !alone)
    };
    let told = |rule: &Rule, node: Option<&String>, situation: &Situation| {
        let mut finding = ask(rule, node, situation, policy)?;
        unread::explain(&mut finding, rule, situation, &facts.unread);
        Some(finding)
    };
    for rule in knowledge.rules.iter().map(AsRef::as_ref).filter(is_asked) {
        match rule.scope {
            Scope::Cluster | Scope::Edge => findings.extend(told(rule, None, &once)),
            // No node was looked at: that is not the same as nothing wrong on any.
            Scope::Node if nodes.is_empty() => findings.extend(told(rule, None, &once)),
            Scope::Node => {
                findings.extend(nodes.iter().filter_map(|(name, situation)| told(rule, Some(name), situation)));
            }
        }
    }
    findings
}

fn with_node(shared: &Json, node: Json) -> Json {
    let mut all = shared.clone();
    if let Json::Object(members) = &mut all {
        members.insert("node".into(), node);
    }
    all
}

fn ask(rule: &Rule, node: Option<&String>, situation: &Situation, policy: &Policy) -> Option<Finding> {
    let (verdict, reason) = match rule.when.ask(situation) {
        Answer::No => return None,
        Answer::Yes => (Verdict::Yes, None),
        Answer::Unknown(why) => (Verdict::Unknown, Some(why)),
    };
    let fix = match verdict {
        Verdict::Unknown => rule.unknown.as_ref().unwrap_or(&rule.fix),
        Verdict::Yes => &rule.fix,
    };
    let seen = rule.evidence.as_ref().and_then(|evidence| evidence.value(situation));
    let accepted = if rule.acceptable { policy.acceptance(&rule.id).cloned() } else { None };
    Some(Finding {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        severity: rule.severity,
        verdict,
        node: node.cloned(),
        means: rule.means.fill(situation),
        fix: fix.fill(situation),
        evidence: reason.into_iter().chain(seen.iter().flat_map(words)).collect(),
        cases: rule.cases.clone(),
        sources: rule.sources.clone(),
        accepted,
    })
}
