use std::collections::BTreeSet;

use belay_engine::{EndState, Event, Record};
use serde_json::Value;

/// One record of a node's own journal, as far as it can be held against the coordinator's.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeAccount {
    pub run: String,
    pub generation: u64,
    /// When, in milliseconds since 1970 by the node's calendar.
    pub wall: u64,
    /// `intent`, `outcome`, `failed`, `vouched`, `turned`, `stood-down`, `ended`, or what a later helper adds.
    pub event: String,
    /// `None` for what is no step.
    pub step: Option<String>,
    /// What an outcome proves, under the name of its kind.
    pub proof: Option<Value>,
    /// Why, or how it ended.
    pub says: Option<String>,
}

impl NodeAccount {
    /// Reads the JSON of one record; `None` when it is no node's.
    #[must_use]
    pub fn of(record: &Value) -> Option<Self> {
        let (run, generation) = (record.get("run")?.as_str()?.to_owned(), record.get("gen")?.as_u64()?);
        let wall = record.get("wall")?.as_u64()?;
        let ev = record.get("ev")?;
        let (event, body) = match ev {
            Value::String(name) => (name.clone(), &Value::Null),
            Value::Object(map) => map.iter().next().map(|(name, body)| (name.clone(), body))?,
            _ => return None,
        };
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let says = text("why").or_else(|| text("state"));
        Some(Self { run, generation, wall, event, step: text("step"), proof: body.get("proof").cloned(), says })
    }

    /// Done by the node alone: at a boot, or when its coordinator was silent for too long.
    fn by_itself(&self) -> bool {
        self.step.as_deref().is_some_and(|step| !step.contains('.'))
    }
}

/// What one side has and the other denies, in sentences; nothing when the two journals tell one story. What a coordinator did
/// not live to write down is no disagreement: it is found out at the next resume.
#[must_use]
pub fn disagreements(records: &[Record], node: &[NodeAccount]) -> Vec<String> {
    let mut said = Vec::new();
    let generations: BTreeSet<u64> = records.iter().map(|record| record.generation).collect();
    let intended = |step: &str| {
        records.iter().any(|record| matches!(&record.event, Event::Intent { step: known, .. } if known == step))
    };
    for (account, seq) in node.iter().zip(1..) {
        let Some(step) = account.step.as_deref().filter(|_| !account.by_itself()) else { continue };
        if account.event == "intent" && !intended(step) {
            said.push(format!("record {seq} of the node began {step}, and the coordinator never intended it"));
        }
        if !generations.contains(&account.generation) {
            let generation = account.generation;
            said.push(format!(
                "record {seq} of the node is of generation {generation}, which the coordinator never had"
            ));
        }
    }
    for (record, seq) in records.iter().zip(1..) {
        let Event::Outcome { step, ok: true, proof, .. } = &record.event else { continue };
        let Some((name, exact)) = proof_of(step) else { continue };
        let proofs: Vec<&Value> = node.iter().filter_map(|account| account.proof.as_ref()?.get(name)).collect();
        if proofs.is_empty() {
            said.push(format!(
                "record {seq} of the coordinator says that {step} was done, and the node has no proof of it"
            ));
        } else if exact && !proof.is_null() && !proofs.contains(&&bare(proof)) {
            said.push(format!("record {seq} of the coordinator has another proof of {step} than the node"));
        }
    }
    said.extend(ends(records, node));
    said
}

/// The name of a step's proof in the node's journal, and whether the coordinator's is the same to the letter.
fn proof_of(step: &str) -> Option<(&'static str, bool)> {
    Some(match step.rsplit('.').next()? {
        "fence" => ("fenced", true),
        "stage" => ("staged", true),
        "backup" => ("backed-up", false),
        "prove-backup" => ("proven", true),
        "stop" => ("stopped", true),
        "keep" => ("kept", true),
        "swap" => ("swapped", true),
        "rebuild" => ("rebuilt", true),
        "restore" => ("restored", false),
        "put-back" => ("put-back", false),
        // A swap back that found nothing to do leaves no record, and a start may go without one on a broken disk.
        _ => return None,
    })
}

/// Without what the coordinator adds of its own: where it copied a backup to.
fn bare(proof: &Value) -> Value {
    let mut proof = proof.clone();
    if let Some(map) = proof.as_object_mut() {
        map.remove("copy");
    }
    proof
}

fn ends(records: &[Record], node: &[NodeAccount]) -> Option<String> {
    let end = records.iter().rev().find_map(|record| match &record.event {
        Event::End { state, .. } => Some(*state),
        _ => None,
    })?;
    let turned = node.iter().any(|account| account.event == "turned");
    let ended = node.iter().any(|account| account.event == "ended");
    match end {
        EndState::Committed if turned => {
            Some("the node went back, and the coordinator says that the run has committed".to_owned())
        }
        EndState::Committed | EndState::Restored if !ended => {
            Some(format!("the coordinator says that the run has ended ({end}), and on the node it is open"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use belay_facts::Span;
    use serde_json::json;

    use super::*;

    fn coordinator(generation: u64, event: Event) -> Record {
        Record { run: "r".into(), generation, at: jiff::Timestamp::UNIX_EPOCH, up: 1, boot: "b".into(), event }
    }

    fn step(id: &str, proof: Value) -> [Record; 2] {
        [
            coordinator(1, Event::Intent { step: id.into(), attempt: 1 }),
            coordinator(1, Event::Outcome { step: id.into(), ok: true, proof, fault: None, took: Span::ZERO }),
        ]
    }

    fn node(generation: u64, ev: &Value) -> NodeAccount {
        let record = json!({ "run": "r", "gen": generation, "wall": 1, "up": 1, "boot": "b", "ev": ev });
        NodeAccount::of(&record).unwrap()
    }

    fn done(id: &str, kind: &str, proof: &Value) -> [NodeAccount; 2] {
        let proof = json!({ kind: proof });
        [
            node(1, &json!({ "intent": { "step": id, "op": {}, "target": {} } })),
            node(1, &json!({ "outcome": { "step": id, "proof": proof } })),
        ]
    }

    #[test]
    fn one_story_told_twice_has_no_disagreement() {
        let kept = json!({ "path": "/x", "bytes": 7 });
        let proven = json!({ "path": "/b" });
        let copied = json!({ "path": "/b", "copy": "/c" });
        let mut records = [step("n1.prove-backup", copied), step("n1.keep", kept.clone())].concat();
        let mut accounts = [done("n1.prove-backup", "proven", &proven), done("n1.keep", "kept", &kept)].concat();
        assert_eq!(disagreements(&records, &accounts), [""; 0]);
        // Killed between effect and outcome: the node knows more, and a resume finds it out.
        records.pop();
        assert_eq!(disagreements(&records, &accounts), [""; 0]);
        // What the node did by itself, at a boot, with a generation of its own.
        accounts.push(node(9, &json!({ "intent": { "step": "recover", "op": {}, "target": {} } })));
        accounts.push(node(9, &json!("vouched")));
        assert_eq!(disagreements(&records, &accounts), [""; 0]);
    }

    #[test]
    fn what_one_side_has_and_the_other_denies_is_named() {
        let kept = json!({ "path": "/x", "bytes": 7 });
        let records = step("n1.keep", kept.clone()).to_vec();
        let accounts = done("n1.keep", "kept", &kept).to_vec();
        let named = |records: &[Record], accounts: &[NodeAccount]| disagreements(records, accounts).join("; ");
        assert!(named(&records[..0], &accounts).contains("record 1 of the node began n1.keep"));
        assert!(named(&records, &accounts[..1]).contains("record 2 of the coordinator says that n1.keep was done"));
        let other = done("n1.keep", "kept", &json!({ "path": "/x", "bytes": 8 }));
        assert!(named(&records, &other).contains("another proof of n1.keep"));
        let rival = [accounts.clone(), vec![node(5, &json!({ "failed": { "step": "n1.swap", "why": "x" } }))]].concat();
        assert!(named(&records, &rival).contains("generation 5, which the coordinator never had"));
        let end = |state| [records.clone(), vec![coordinator(1, Event::End { state, why: "x".into() })]].concat();
        assert!(named(&end(EndState::Committed), &accounts).contains("on the node it is open"));
        let turned = [accounts.clone(), vec![node(1, &json!({ "turned": { "seen": 1, "why": "x" } }))]].concat();
        assert!(named(&end(EndState::Committed), &turned).contains("the node went back"));
        assert_eq!(named(&end(EndState::Unchanged), &accounts), "");
    }

    #[test]
    fn a_record_of_the_coordinator_is_no_account_of_a_node() {
        let records = step("n1.keep", Value::Null);
        assert!(NodeAccount::of(&serde_json::to_value(&records[0]).unwrap()).is_none());
    }
}
