//! What happens to workloads: the text word for word, and what earlier runs measured.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod story;

use belay_checks::{Edge, Knowledge, Policy, check};
use belay_facts::{Facts, Span};
use belay_plan::{MeasuredRun, Preview, PreviewRequest, StepKind};
use belay_report::{Report, Style, html, measured_run, preview_text};
use serde_json::{Value, json};

/// The facts of the rules' fixtures with the pods of the planner's, and perhaps a second node.
fn facts(nodes: usize) -> Facts {
    let mut base: Value = serde_json::from_str(include_str!("../../../core/checks/fixtures/base.json")).unwrap();
    let busy: Value = serde_json::from_str(include_str!("../../../core/plan/tests/fixtures/busy-node.json")).unwrap();
    let facts = &mut base["facts"];
    facts["cluster"]["workloads"] = busy["workloads"].clone();
    facts["cluster"]["pods"] = busy["pods"].clone();
    if nodes > 1 {
        let mut second = facts["cluster"]["nodes"][0].clone();
        second["name"] = json!("n2");
        facts["cluster"]["nodes"].as_array_mut().unwrap().push(second);
    }
    Facts::from_json(&facts.to_string()).unwrap()
}

fn preview(facts: &Facts, measured: &[MeasuredRun]) -> Preview {
    let knowledge = Knowledge::embedded().unwrap();
    let (from, to) = ("v1.35.4+k3s1".parse().unwrap(), "v1.36.3+k3s1".parse().unwrap());
    let policy = Policy { accepted: Vec::new(), today: "2026-11-27".parse().unwrap() };
    let findings = check(facts, &Edge { from, to: Some("v1.36.3+k3s1".parse().unwrap()) }, &knowledge, &policy);
    let request = PreviewRequest { facts, findings: &findings, knowledge: &knowledge, to: &to, plan: None, measured };
    Preview::of(request).unwrap()
}

fn report(story: &story::Story) -> Report {
    Report::of(&story.plan, &story.records, None, None, &[])
}

#[test]
fn on_the_only_node() {
    insta::assert_snapshot!(preview_text(&preview(&facts(1), &[]), Style::default()));
}

#[test]
fn beside_another_node_and_with_an_upgrade_that_was_measured() {
    let mut run = measured_run(&report(&story::committed())).unwrap();
    run.run = "2026-11-23-3fa9".to_owned();
    insta::assert_snapshot!(preview_text(&preview(&facts(2), &[run]), Style::default()));
}

#[test]
fn nothing_is_known_where_no_api_answered() {
    let mut silent = facts(1);
    (silent.cluster, silent.objects) = (None, None);
    let text = preview_text(&preview(&silent, &[]), Style::default());
    assert!(
        text.contains("what runs on n1: the API did not tell it") && text.contains("runs        not known"),
        "{text}"
    );
}

#[test]
fn only_an_upgrade_that_went_through_at_once_measures_something() {
    let run = measured_run(&report(&story::committed())).unwrap();
    assert!(run.api_gap > Span::ZERO && run.duration > run.api_gap, "{run:?}");
    let took: Span = run.steps.iter().filter(|step| step.kind != StepKind::Soak).map(|step| step.took).sum();
    assert!(took <= run.duration, "the soak is not in it: {run:?}");
    for story in [story::kubelet_no(), story::asked_back(), story::never_ready()] {
        assert_eq!(measured_run(&report(&story)), None);
    }
}

#[test]
fn what_became_of_the_pods_is_held_against_it() {
    let before = facts(1);
    let mut after = before.clone();
    let pods = &mut after.cluster.as_mut().unwrap().pods.as_mut().unwrap().pods;
    pods[0].restarts += 1;
    pods[1].uid = "another".to_owned();
    let (restarted, remade) = (pods[0].name.clone(), pods[1].name.clone());
    let gone = pods.pop().unwrap();
    let story = story::committed();
    let of = |after: Option<&Facts>| Report::of(&story.plan, &story.records, Some(&before), after, &[]);
    let found = of(Some(&after)).disturbed.unwrap();
    assert_eq!((found.pods, found.restarted), (12, vec![format!("cert/{restarted}")]));
    assert_eq!(found.replaced, [format!("default/{remade}"), format!("shop/{}", gone.name)]);
    assert_eq!(of(None).disturbed, None);
    let page = html(&of(Some(&after)).foretold(Some(preview(&before, &[]))));
    assert!(page.contains("Of 12 pods that ran before, 1 had a container start again"), "{page}");
}

#[test]
fn the_page_shows_what_was_foretold_and_escapes_it() {
    let story = story::committed();
    assert!(!html(&report(&story)).contains("What was foretold"));
    let mut preview = preview(&facts(1), &[]);
    preview.workloads[0].workload = "Deployment <b>/x".to_owned();
    let page = html(&report(&story).foretold(Some(preview)));
    assert!(page.contains("What was foretold for workloads") && page.contains("StatefulSet shop/db"));
    assert!(page.contains("Deployment &lt;b&gt;/x") && !page.contains("<b>/x"));
}
