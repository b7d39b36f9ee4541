//! The page: nothing that was journalled is missing, and nothing that was journalled is obeyed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod story;

use belay_engine::{Event, FaultKind, GateAnswer, ProbeState, Verdict};
use belay_facts::Span;
use belay_plan::{GateName, Reached, StepKind};
use belay_report::{Report, html, markdown};
use serde_json::{Value, json};
use story::Story;

/// Every text in a value, in any depth.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(map) => map.values().for_each(|item| texts(item, into)),
        _ => {}
    }
}

fn page(story: &Story) -> String {
    html(&Report::of(&story.plan, &story.records, None, None, &[]))
}

/// A story in which every field that holds a text holds one that is found nowhere else.
fn canaries() -> (Story, Vec<String>) {
    let mut story = Story::begin();
    story.generation = 8;
    story.event(Event::Resumed { by: "canary-resumed-by".into(), belay: "canary-resumed-belay".into(), back: false });
    story.event(Event::Note { says: "canary-note".into() });
    let fault = |n: u32| belay_engine::Fault {
        kind: FaultKind::Failed,
        message: format!("canary-fault-message-{n}"),
        hint: Some(format!("canary-fault-hint-{n}")),
    };
    story.intent("n1.fence");
    let state = ProbeState::Partial;
    let proof = json!({"canary-probed-key": {"deep": ["canary-probed-proof", {"x": "canary-probed-deep"}]}});
    story.event(Event::Probed { step: "n1.fence".into(), state, proof, says: "canary-probed-says".into() });
    story.intent("n1.fence");
    let (ok, took) = (true, Span::millis(1234));
    let proof = json!({"canary-proof-key": "canary-proof", "list": [1, "canary-proof-list"]});
    story.event(Event::Outcome { step: "n1.fence".into(), ok, proof, fault: None, took });
    story.fails("n1.stage", 5, fault(1));
    for (index, name) in GateName::ALL.into_iter().enumerate() {
        let answer = GateAnswer {
            name,
            verdict: [Verdict::Yes, Verdict::No, Verdict::Inconclusive][index % 3],
            says: format!("canary-gate-says-{index}"),
            evidence: json!({format!("canary-gate-key-{index}"): [format!("canary-gate-evidence-{index}")]}),
            after: Span::millis(70),
        };
        story.event(Event::Gate { step: "n1.baseline".into(), answer });
    }
    story.turn(Reached::Prepared, Some("n1.stage"), "canary-turn-why", Some(fault(2)));
    story.measured(&[(10, 900)]);
    if let Event::Measured { outages, .. } = &mut story.records.last_mut().unwrap().event {
        outages[0].causes = [("canary-outage-cause".to_owned(), 4)].into();
    }
    story.event(Event::Outcome {
        step: "canary-strange-step".into(),
        ok,
        proof: json!("canary-strange-proof"),
        fault: None,
        took,
    });
    story.event(Event::End { state: belay_engine::EndState::Unchanged, why: "canary-end-why".into() });
    let mut all = Vec::new();
    for record in &story.records {
        texts(&serde_json::to_value(record).unwrap(), &mut all);
    }
    let mut wanted: Vec<String> = all.into_iter().filter(|text| text.starts_with("canary-")).collect();
    // Names of evidence and of proofs are told as well.
    wanted
        .extend(["canary-probed-key", "canary-proof-key", "canary-gate-key-0", "canary-gate-key-8"].map(str::to_owned));
    (story, wanted)
}

#[test]
fn nothing_of_an_event_is_lost() {
    let (story, wanted) = canaries();
    let report = Report::of(&story.plan, &story.records, None, None, &[]);
    let (page, json) = (html(&report), serde_json::to_string(&report).unwrap());
    assert!(wanted.len() > 30, "{wanted:?}");
    for canary in wanted {
        assert!(page.contains(&canary), "{canary} is not on the page");
        assert!(json.contains(&canary), "{canary} is not in the JSON");
    }
    for word in ["root@n1", "b1", "1.2 s"] {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn every_gate_answer_of_every_story_is_on_the_page() {
    for story in [story::committed(), story::kubelet_no(), story::needs_human()] {
        let page = page(&story);
        let answers = story.records.iter().filter(|r| matches!(r.event, Event::Gate { .. })).count();
        // Each answer has one row; the decisive one is told once more, in another place.
        let rows =
            page.split(r#"<div class="steps gates">"#).skip(1).flat_map(|part| part.split("</details></div>").next());
        let shown: usize = rows.map(|part| part.matches(r#"class="name""#).count()).sum();
        assert_eq!(shown, answers);
    }
}

#[test]
fn the_lost_objects_are_all_named_and_heartbeats_counted() {
    let page = page(&story::kubelet_no());
    for word in [
        "settings",
        "db-login",
        "belay-canary",
        "14 leases",
        "9 events",
        "manifests/mine.yaml",
        "server.belay-abandoned",
    ] {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn what_is_written_in_a_cluster_is_text_and_nothing_else() {
    const EVIL: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(2)> & `x`";
    let mut story = Story::begin();
    story.forward(StepKind::Gate);
    story.gate("n1.gate", GateName::Workloads, Verdict::No, EVIL, json!({EVIL: [EVIL, {EVIL: EVIL}]}), 10);
    story.turn(Reached::Started, Some("n1.gate"), EVIL, Some(story::fault(FaultKind::GateNo, EVIL, Some(EVIL))));
    let mut put_back = story::proof("n1.back.put-back");
    for field in ["resource", "namespace", "name", "change", "key"] {
        put_back["lost"][0][field] = json!(EVIL);
    }
    put_back["abandoned"] = json!(EVIL);
    put_back["carried"] = json!([EVIL]);
    put_back["uncounted"] = json!({EVIL: 3});
    story.intent("n1.back.put-back");
    let (ok, took) = (true, Span::millis(9));
    story.event(Event::Outcome { step: "n1.back.put-back".into(), ok, proof: put_back, fault: None, took });
    story.event(Event::Note { says: EVIL.into() });
    story.event(Event::Resumed { by: EVIL.into(), belay: EVIL.into(), back: false });
    story.event(Event::Intent { step: EVIL.into(), attempt: 1 });
    story.plan.cluster.id = EVIL.into();
    story.plan.artifacts[0].source = EVIL.into();
    story.plan.accepted[0].reason = EVIL.into();
    let mut facts = story::facts("v1.35.4+k3s1", 3);
    facts.cluster.as_mut().unwrap().workloads.as_mut().unwrap()[0].name = EVIL.into();
    let report = Report::of(&story.plan, &story.records, Some(&facts), Some(&facts), &[]);
    let page = html(&report);
    assert!(page.contains("&lt;script&gt;"));
    for tag in ["<script", "<img", "<iframe", "<object", "<link", "<form", "\"><img"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(!markdown(&report).contains("<script"));
}

#[test]
fn the_page_needs_nothing_from_anywhere() {
    for story in [story::committed(), story::kubelet_no(), story::open()] {
        let page = page(&story);
        for reference in [" src=", " href=", "url(", "@import", "<script", "javascript:"] {
            assert!(!page.contains(reference), "{reference}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}

/// Writes the pages to look at: `BELAY_REPORT_PAGES=DIR cargo test -p belay-report --test html`.
#[test]
fn pages_to_look_at() {
    let Ok(directory) = std::env::var("BELAY_REPORT_PAGES") else { return };
    let (before, after) = (story::facts("v1.35.4+k3s1", 3), story::facts("v1.36.3+k3s1", 2));
    for (name, story) in [
        ("committed", story::committed()),
        ("kubelet-no", story::kubelet_no()),
        ("never-ready", story::never_ready()),
        ("unchanged", story::unchanged()),
        ("needs-human", story::needs_human()),
        ("open", story::open()),
        ("resumed", story::resumed()),
    ] {
        let after = story.records.iter().any(|r| matches!(r.event, Event::End { .. })).then_some(&after);
        let report = Report::of(&story.plan, &story.records, Some(&before), after, &[]);
        std::fs::write(format!("{directory}/{name}.html"), html(&report)).unwrap();
    }
}
