use belay_facts::Span;
use belay_plan::StepKind;
use serde_json::Value;

use crate::quantity::short_digest;
use crate::{count, duration, size};

/// A step's proof in one line. Proofs are evidence of another machine, so a field that is missing is left out.
#[must_use]
pub fn proof_summary(kind: StepKind, proof: &Value) -> String {
    let text = |field: &str| proof.get(field).and_then(Value::as_str).map(str::to_owned);
    let digest = |field: &str| text(field).map(|digest| short_digest(&digest));
    let number = |field: &str| proof.get(field).and_then(Value::as_u64);
    let bytes = |field: &str| number(field).map(size);
    let took = || text("took").and_then(|text| text.parse::<Span>().ok()).map(duration);
    let list = |field: &str| proof.get(field).and_then(Value::as_array).map(Vec::len);
    let parts: Vec<Option<String>> = match kind {
        StepKind::Fence => vec![
            number("generation").map(|n| format!("generation {n}")),
            number("reserved").filter(|n| *n > 0).map(|n| format!("{} reserved", size(n))),
        ],
        StepKind::Stage => vec![text("version"), digest("digest"), text("slot").map(|slot| format!("in {slot}"))],
        StepKind::Backup => vec![bytes("bytes"), text("path").map(|path| format!("in {path}"))],
        StepKind::ProveBackup => vec![
            text("level"),
            text("integrity").map(|said| format!("integrity {said}")),
            number("keys").map(|n| format!("{n} keys")),
            number("revision").map(|n| format!("revision {n}")),
        ],
        StepKind::CopyBackup => {
            vec![
                number("files").map(|n| format!("{n} files")),
                bytes("bytes"),
                text("path").map(|path| format!("in {path}")),
            ]
        }
        StepKind::ArmGuard => {
            let lease = text("lease").and_then(|text| text.parse::<Span>().ok()).map(duration);
            vec![lease.map(|lease| format!("the node goes back by itself after {lease} of silence"))]
        }
        StepKind::Stop => vec![text("active-state"), took().map(|took| format!("after {took}"))],
        StepKind::Keep => vec![
            bytes("bytes"),
            number("revision").map(|n| format!("revision {n}")),
            text("path").map(|path| format!("in {path}")),
        ],
        StepKind::Swap | StepKind::SwapBack => vec![text("path"), digest("digest").map(|d| format!("is {d}"))],
        StepKind::Start => {
            vec![took().map(|took| format!("READY after {took}")), number("main-pid").map(|n| format!("pid {n}"))]
        }
        StepKind::Rebuild => vec![
            bytes("bytes"),
            number("revision").map(|n| format!("revision {n}")),
            text("path").map(|path| format!("in {path}")),
        ],
        StepKind::Restore => vec![
            list("lost").map(|n| format!("{} given up", count(n, "object", "objects"))),
            number("revision").map(|n| format!("revisions go on above {n}")),
        ],
        StepKind::PutBack => vec![
            list("lost").map(|n| format!("{} set aside", count(n, "object", "objects"))),
            number("revision").map(|n| format!("revisions go on above {n}")),
        ],
        StepKind::Commit | StepKind::Release => {
            vec![proof.get("stays").and_then(Value::as_array).and_then(|paths| staying(paths))]
        }
        StepKind::Baseline | StepKind::Gate | StepKind::Soak => Vec::new(),
    };
    let mut line = String::new();
    for part in parts.into_iter().flatten() {
        // `… in /path` and `… is sha256:…` follow what they are about without a comma.
        let joined = part.starts_with("in ") || part.starts_with("is ") || part.starts_with("after ");
        if !line.is_empty() {
            line.push_str(if joined { " " } else { ", " });
        }
        line.push_str(&part);
    }
    line
}

/// What stays on the node, by what it is: the paths are in the proof.
fn staying(paths: &[Value]) -> Option<String> {
    let name = |path: &str| match path.rsplit('/').next()? {
        name if name.starts_with(".k3s.belay-") => Some("other binary"),
        name if name.starts_with("server.belay-") => Some("other server/"),
        _ if path.contains("/backups/") => Some("backup"),
        _ => None,
    };
    let names: Vec<&str> = paths.iter().filter_map(Value::as_str).map(|path| name(path).unwrap_or(path)).collect();
    (!names.is_empty()).then(|| format!("{} left here", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_proof_of_an_unknown_shape_is_no_sentence_and_no_panic() {
        for kind in StepKind::ALL {
            for proof in [json!(null), json!([1]), json!({"digest": 3, "took": "soon", "lost": "x"})] {
                assert_eq!(proof_summary(kind, &proof), "", "{kind}");
            }
        }
    }

    #[test]
    fn what_stays_is_named() {
        let proof = json!({"stays": ["/usr/local/bin/.k3s.belay-r", "/var/lib/rancher/k3s/server.belay-r",
            "/var/lib/belay/node/backups/r"]});
        assert_eq!(proof_summary(StepKind::Commit, &proof), "other binary, other server/, backup left here");
        assert_eq!(proof_summary(StepKind::Commit, &json!({"stays": []})), "");
    }

    #[test]
    fn a_stop_says_its_state_and_time() {
        let proof = json!({"active-state": "inactive", "took": "2100ms", "invocation": "x", "boot-id": "b"});
        assert_eq!(proof_summary(StepKind::Stop, &proof), "inactive after 2.1 s");
    }
}
