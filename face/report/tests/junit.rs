//! The JUnit file, read by a parser that is not ours.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod story;

use belay_engine::Event;
use belay_report::{Report, junit};
use story::Story;

fn written(story: &Story) -> String {
    junit(&Report::of(&story.plan, &story.records, None, None, &[]))
}

/// (suite, class, name, what became of it) of every test case.
fn cases(xml: &str) -> Vec<[String; 4]> {
    let document = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{error}:\n{xml}"));
    let case = |case: roxmltree::Node<'_, '_>| {
        let result = case.first_element_child().map_or("passed", |child| child.tag_name().name());
        let text = |name| case.attribute(name).unwrap().to_owned();
        [
            case.parent_element().unwrap().attribute("name").unwrap().into(),
            text("classname"),
            text("name"),
            result.into(),
        ]
    };
    document.descendants().filter(|node| node.has_tag_name("testcase")).map(case).collect()
}

#[test]
fn every_step_and_every_gate_is_a_case() {
    let story = story::committed();
    let cases = cases(&written(&story));
    for step in story.plan.steps() {
        assert!(cases.iter().any(|[suite, _, name, _]| suite == "steps" && name == step.kind.name()), "{}", step.id);
        for gate in &step.gates {
            let asked = format!("{} {gate}", step.kind);
            assert!(cases.iter().any(|[suite, _, name, _]| suite == "gates" && *name == asked), "{asked}");
        }
    }
    assert!(
        cases.iter().any(|[_, _, name, result]| name == "gate dns" && result == "skipped"),
        "not asked is not dropped"
    );
    assert!(cases.iter().all(|[.., result]| result == "passed" || result == "skipped"), "{cases:#?}");
}

#[test]
fn a_run_that_went_back_by_itself_fails_at_its_gate_and_at_its_end() {
    let cases = cases(&written(&story::kubelet_no()));
    let failed: Vec<_> = cases.iter().filter(|[.., result]| result == "failure").map(|[_, _, name, _]| name).collect();
    assert!(
        failed.iter().any(|name| *name == "gate kubelet") && failed.iter().any(|name| *name == "end"),
        "{failed:?}"
    );
    assert!(cases.iter().any(|[_, class, ..]| class == "belay.n1.back"), "the way back has cases of its own");
    assert!(cases.iter().any(|[_, _, name, result]| name == "commit" && result == "skipped"));
}

#[test]
fn the_counts_are_those_of_the_cases() {
    for story in [story::kubelet_no(), story::committed(), story::open(), story::needs_human()] {
        let xml = written(&story);
        let document = roxmltree::Document::parse(&xml).unwrap();
        for suite in document.descendants().filter(|n| n.has_tag_name("testsuite") || n.has_tag_name("testsuites")) {
            let count = |tag: &str| suite.descendants().filter(|node| node.has_tag_name(tag)).count().to_string();
            for (attribute, tag) in
                [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
            {
                assert_eq!(suite.attribute(attribute), Some(count(tag).as_str()), "{attribute} in:\n{xml}");
            }
        }
    }
}

#[test]
fn an_open_run_is_no_success() {
    let cases = cases(&written(&story::open()));
    assert!(cases.iter().any(|[_, _, name, result]| name == "end" && result == "error"));
}

#[test]
fn text_of_others_cannot_break_the_file() {
    let mut story = story::kubelet_no();
    let nasty = "<b>\"quoted\" & 'so'\u{1b}[31m\u{0}\nnext ]]> \u{ffff}";
    for record in &mut story.records {
        if let Event::Gate { answer, .. } = &mut record.event {
            answer.says = nasty.to_owned();
        }
    }
    let xml = written(&story);
    let document = roxmltree::Document::parse(&xml).unwrap();
    let answered = document.descendants().find(|node| node.attribute("type") == Some("no")).unwrap();
    let message = answered.attribute("message").unwrap();
    assert_eq!(message, "<b>\"quoted\" & 'so'\u{fffd}[31m\u{fffd}\nnext ]]> \u{fffd}");
}

#[test]
fn word_for_word() {
    let story = story::kubelet_no();
    let xml = written(&story).replace(&story.plan.id, "2026-11-23-3fa9");
    insta::assert_snapshot!(xml.replace(&story.plan.digest.to_string(), "sha256:…"));
}
