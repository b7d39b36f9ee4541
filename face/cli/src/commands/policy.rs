use belay_checks::{Acceptance, Edge, Finding, Knowledge, Policy, ReleaseGraph, Standing, check};
use belay_facts::{DatastoreKind, Facts, K3sVersion, Unread};
use belay_plan::Part;
use belay_report::count;
use belay_runner::vault::resolve_channel;
use belay_runner::{Clock, Holding};

use crate::error::CommandError;

/// What the user accepts today, as typed: `RULE=REASON@DATE`.
pub fn policy(accepted: &[String], knowledge: &Knowledge) -> Result<Policy, CommandError> {
    let by = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "unknown".to_owned());
    let accepted = accepted.iter().map(|text| acceptance(text, &by, knowledge)).collect::<Result<Vec<_>, _>>()?;
    Ok(Policy { accepted, today: today() })
}

fn acceptance(text: &str, by: &str, knowledge: &Knowledge) -> Result<Acceptance, CommandError> {
    let parts = text.split_once('=').and_then(|(rule, rest)| Some((rule, rest.rsplit_once('@')?)));
    let wrong = |why: &str| {
        CommandError::usage(format!("--accept {text}: {why}"))
            .hinted("write it as --accept 'belay-rule-name=why it is fine@2026-12-31'")
    };
    let (rule, (reason, until)) = parts.ok_or_else(|| wrong("it needs a rule, a reason and a last day"))?;
    let until = until.trim().parse().map_err(|_| wrong("the last day is no date"))?;
    if rule.trim().is_empty() || reason.trim().is_empty() {
        return Err(wrong("it needs a rule, a reason and a last day"));
    }
    if until < today() {
        return Err(wrong("its last day is over"));
    }
    let Some(known) = knowledge.rule(rule.trim()) else {
        return Err(wrong("there is no such rule; `belay explain` lists them"));
    };
    if !known.acceptable {
        // Ignored it would look accepted until the plan is refused.
        let why =
            format!("--accept {text}: {} cannot be accepted: it is what Belay cannot do, not what is risky", known.id);
        return Err(CommandError::usage(why).hinted(format!("what to do instead: belay explain {}", known.id)));
    }
    Ok(Acceptance { rule: rule.trim().to_owned(), reason: reason.trim().to_owned(), by: by.to_owned(), until })
}

/// Today, in UTC: a plan must not depend on the time zone of whoever makes it.
pub fn today() -> jiff::civil::Date {
    Clock::of_this_machine().wall().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// A tag as it is, a channel as its server says.
pub async fn target(to: &str, channels: &str) -> Result<K3sVersion, CommandError> {
    match to.parse() {
        Ok(version) => Ok(version),
        Err(error) if to.starts_with('v') && to.contains('.') && to.contains('+') => Err(CommandError::usage(error)),
        // Channels are named stable, latest or v1.36: what begins with a digit or has a patch was meant as a tag.
        Err(error) if to.starts_with(|c: char| c.is_ascii_digit()) || is_patch(to) => {
            let bare = to.trim_start_matches('v');
            let tag = if to.contains('+') { format!("v{bare}") } else { format!("v{bare}+k3s1") };
            Err(CommandError::usage(error).hinted(format!("a tag has the form v1.36.3+k3s1: --to {tag}")))
        }
        Err(_) => Ok(resolve_channel(channels, to).await?),
    }
}

/// A tag that the release tables do not have: what of it is not known here, and the releases beside it.
pub fn no_release(tag: &K3sVersion, knowledge: &Knowledge) -> CommandError {
    let releases = &knowledge.releases;
    let nearest: Vec<String> = releases.nearest(tag).iter().map(|build| build.tag()).collect();
    CommandError::refused(format!("{tag} is no release that is known here, as of {}", releases.as_of)).hinted(format!(
        "the nearest that are known: {}; the newest of every minor: belay versions",
        nearest.join(", ")
    ))
}

/// `v1.36.3`, without the build of K3s.
fn is_patch(to: &str) -> bool {
    let numbers: Vec<&str> = to.strip_prefix('v').unwrap_or_default().split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
}

/// What runs, as the facts say.
pub fn running(facts: &Facts) -> Result<K3sVersion, CommandError> {
    facts
        .nodes
        .iter()
        .find_map(|node| node.binary.as_ref().and_then(|binary| binary.version.clone()))
        .or_else(|| facts.cluster.as_ref().and_then(|cluster| cluster.version.clone()))
        .ok_or_else(|| {
            // Without systemd there is no unit to find K3s by.
            if let Some(node) = facts.nodes.iter().find(|node| !node.init.is_empty() && node.init != "systemd") {
                let why =
                    format!("process 1 of this node is {}, and Belay knows only K3s that systemd runs", node.init);
                return CommandError::refused(why).hinted("upgrade this node by another way for now");
            }
            let unread = |one: &&Unread| one.fact == "node.binary";
            if let Some(binary) = facts.unread.iter().find(unread) {
                let why = format!("which version of K3s runs here is not known: {}", binary.why);
                return CommandError::refused(why).hinted("run it as root, with sudo in front");
            }
            CommandError::refused("no K3s was found on this node: no unit runs a k3s binary, and none says its version")
                .hinted("run belay on the K3s server; for another one, give its facts: belay check --facts FILE")
        })
}

/// What to type first where facts are missing for want of root (ADR 0020): whatever else is advised may be for nothing.
pub fn wants_root(facts: &Facts) -> Option<String> {
    let denied = facts.unread.iter().filter(|one| one.why.starts_with("needs root")).count();
    (denied > 0).then(|| {
        format!("run it as root, with sudo in front: {} could not be read without", count(denied, "fact", "facts"))
    })
}

/// Judges facts against a target: what `check`, `plan` and `apply` share.
pub fn judge(
    facts: &Facts,
    to: Option<K3sVersion>,
    policy: &Policy,
    knowledge: &Knowledge,
) -> Result<Vec<Finding>, CommandError> {
    let from = match &to {
        // Folders come from nowhere: what they name is served by the target, or not.
        Some(to) if facts.of_folders_alone() => to.clone(),
        None if facts.of_folders_alone() => {
            let why = "this machine has no K3s, and manifests are judged by a target";
            return Err(CommandError::usage(why).hinted("name it: belay check --manifests DIR --to TAG"));
        }
        _ => running(facts)?,
    };
    Ok(check(facts, &Edge { from, to }, knowledge, policy))
}

/// The rule that an earlier run has not ended.
const RUN_UNFINISHED: &str = "belay-run-unfinished";

/// Says of a run that has not ended who holds it, and what to type then: one that goes on elsewhere is not taken over. Facts know
/// its name only, and a process that lives now says nothing when they are judged later.
pub fn name_holder(findings: &mut [Finding], holding: Option<&Holding>) {
    let Some(holding) = holding else { return };
    for finding in findings.iter_mut().filter(|finding| finding.rule == RUN_UNFINISHED) {
        finding.evidence = vec![holding.to_string()];
        finding.fix = holding.hint();
    }
}

/// The minors of what writes to disk, in what runs and in `to`, as far as the release tables know them.
pub fn parts(facts: &Facts, to: &K3sVersion, knowledge: &Knowledge) -> Vec<Part> {
    let from = facts.nodes.first().and_then(|node| node.binary.as_ref()?.version.clone());
    let known = |tag: &K3sVersion| knowledge.releases.look_up(tag).minors();
    let new = known(to);
    let old = from.map_or_else(|| new.clone().map(|(name, _)| (name, None)), |from| known(&from));
    let part = |((name, from), (_, to)): ((&str, _), (&str, _))| Part { name: name.to_owned(), from, to };
    old.into_iter().zip(new).map(part).collect()
}

/// What to type when `to` takes more than one upgrade, or none leads there: the first rung, and how to see all. `None`
/// when one upgrade is enough as far as the path is concerned.
pub fn ladder_hints(facts: &Facts, to: &K3sVersion, knowledge: &Knowledge) -> Option<Vec<String>> {
    let standing = Standing::of(facts)?;
    let graph = ReleaseGraph::of(&knowledge.releases, &standing);
    let (route, what) = match graph.route(to) {
        Ok(route) if route.rungs.len() > 1 => (route, "safely to"),
        Ok(_) => return None,
        Err(no) => (no.nearest.filter(|route| !route.rungs.is_empty())?, "the nearest that is safe is"),
    };
    let rungs: Vec<String> = route.rungs.iter().map(|rung| rung.tag.to_string()).collect();
    let first = rungs.first()?;
    let kind = standing.datastore.map(|kind| match kind {
        DatastoreKind::Sqlite => " --datastore sqlite",
        DatastoreKind::Etcd => " --datastore etcd",
        DatastoreKind::External => " --datastore external",
    });
    let mut hints =
        vec![format!("{what} {}: first belay upgrade --to {first} (the whole ladder: {})", route.to, rungs.join(", "))];
    if knowledge.releases.exists(&standing.tag) {
        let kind = kind.unwrap_or_default();
        hints.push(format!("see why with: belay versions --from {} --to {}{kind}", standing.tag, route.to));
    }
    Some(hints)
}

#[cfg(test)]
mod tests {
    use belay_facts::Life;

    use super::*;

    #[test]
    fn a_run_that_another_process_carries_out_was_told_to_be_resumed() {
        let base = include_str!("../../../../core/checks/fixtures/base.json");
        let mut facts = serde_json::from_str::<serde_json::Value>(base).unwrap()["facts"].take();
        facts["nodes"][0]["helper"]["open_run"] = serde_json::json!("r1");
        let facts = Facts::from_json(&facts.to_string()).unwrap();
        let policy = Policy { accepted: Vec::new(), today: today() };
        let found = |life| {
            let mut found = judge(&facts, None, &policy, &Knowledge::embedded().unwrap()).unwrap();
            let by = Some(belay_journal::this_process());
            let holding = Holding { run: "r1".to_owned(), by, life, last: "n1.keep begun".to_owned() };
            name_holder(&mut found, Some(&holding));
            found.into_iter().find(|finding| finding.rule == RUN_UNFINISHED).unwrap()
        };
        let lives = found(Life::Lives);
        assert!(lives.fix.contains("belay watch r1") && !lives.fix.contains("resume"), "{}", lives.fix);
        assert!(lives.evidence.join(" ").contains("n1.keep begun"), "{:?}", lives.evidence);
        assert!(found(Life::Gone).fix.contains("belay resume r1"));
    }

    #[test]
    fn a_plan_without_root_did_not_ask_for_it() {
        let base = include_str!("../../../../core/checks/fixtures/base.json");
        let facts = serde_json::from_str::<serde_json::Value>(base).unwrap()["facts"].take();
        let mut facts = Facts::from_json(&facts.to_string()).unwrap();
        assert_eq!(wants_root(&facts), None);
        facts.unread.push(Unread::new("cluster.nodes", "the right `list nodes -A` is missing", None));
        assert_eq!(wants_root(&facts), None, "root would not help");
        facts.unread.push(Unread::new("node.datastore", "needs root: user 1000 may not read it", None));
        assert!(wants_root(&facts).unwrap().contains("with sudo in front: 1 fact "));
    }

    #[tokio::test]
    async fn a_tag_without_its_build_was_looked_up_as_a_channel() {
        for to in ["v1.36.3", "1.36.3"] {
            let error = target(to, "http://127.0.0.1:1/channels").await.unwrap_err();
            assert!(error.hints.iter().any(|hint| hint.ends_with("--to v1.36.3+k3s1")), "{to}: {:?}", error.hints);
        }
        assert!(!is_patch("v1.36") && !is_patch("stable") && !is_patch("v1.36.3+k3s1") && !is_patch("v1.16-testing"));
    }
}
