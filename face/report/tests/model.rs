//! What the fold must get right, whatever it looks like.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod story;

use belay_engine::{EndState, Event, NodeProbe, Outage};
use belay_facts::{Span, WayClass};
use belay_report::{Direction, Report, StepOutcome};
use story::Story;

fn report(story: &Story) -> Report {
    Report::of(&story.plan, &story.records, None, None, &[])
}

#[test]
fn every_story_is_a_sound_journal_and_ends_as_told() {
    for (story, state, code) in [
        (story::committed(), Some(EndState::Committed), Some(0)),
        (story::kubelet_no(), Some(EndState::Restored), Some(3)),
        (story::never_ready(), Some(EndState::Restored), Some(3)),
        (story::asked_back(), Some(EndState::Restored), Some(0)),
        (story::swapped_back(), Some(EndState::Restored), Some(3)),
        (story::fell(), Some(EndState::Restored), Some(3)),
        (story::unchanged(), Some(EndState::Unchanged), Some(3)),
        (story::needs_human(), Some(EndState::NeedsHuman), Some(4)),
        (story::resumed(), Some(EndState::Committed), Some(0)),
        (story::open(), None, None),
    ] {
        let report = report(&story);
        assert_eq!(report.journal.unsound, None);
        assert_eq!((report.state(), report.exit_code), (state, code));
        assert!(!report.next.is_empty());
    }
}

/// Found by a newcomer: the report said of a run that went on in another terminal that it was left, and to resume it.
#[test]
fn a_run_that_goes_on_was_called_left() {
    let goes_on = report(&story::open()).under_way("process 4711 on n1");
    assert_eq!(goes_on.verdict, "This run goes on: process 4711 on n1 carries it out.");
    assert!(goes_on.next.iter().all(|next| next.contains("belay watch") && !next.contains("resume")));
    let over = report(&story::committed());
    assert_eq!(over.clone().under_way("process 4711 on n1").verdict, over.verdict);
}

#[test]
fn the_class_that_was_used_is_told_and_why_another_followed() {
    let by = |story: &Story| {
        let report = report(story);
        (report.went_back_by, report.fall.and_then(|fall| fall.step), report.lost.is_some())
    };
    assert_eq!(by(&story::committed()), (None, None, false));
    assert_eq!(by(&story::unchanged()), (None, None, false), "nothing was to be lost");
    assert_eq!(by(&story::kubelet_no()), (Some(WayClass::Keep), None, true));
    assert_eq!(by(&story::swapped_back()), (Some(WayClass::Binary), None, false));
    let fell = report(&story::fell());
    assert_eq!(by(&story::fell()), (Some(WayClass::Keep), Some("n1.back.gate".into()), true));
    assert!(fell.verdict.contains("the gate datastore said no, so the stopped copy was put back"), "{}", fell.verdict);
    let ids: Vec<&str> = fell.steps.iter().filter(|step| step.back).map(|step| step.id.as_str()).collect();
    assert_eq!(ids.len(), 10, "{ids:?}");
    assert!(fell.steps.iter().all(|step| step.kind.is_some()), "the plan knows every step that the journal names");
    let page = belay_report::html(&fell);
    assert!(page.contains("Why the stopped copy followed") && page.contains("since binary did not hold"));
    assert!(belay_report::markdown(&fell).contains("restored by class keep"));
}

#[test]
fn outages_are_told_apart_by_the_turn() {
    let both = report(&story::kubelet_no()).api;
    assert_eq!((both.forward, both.back, both.through), (Some(Span::millis(8_120)), Some(Span::millis(7_910)), None));
    assert!(both.complete);
    let one = report(&story::never_ready()).api;
    assert_eq!((one.forward, one.back, one.through), (None, None, Some(Span::millis(131_000))));
    assert_eq!(one.outages[0].direction, Direction::Through);
}

#[test]
fn a_process_that_measures_twice_is_not_counted_twice() {
    let mut story = story::committed();
    let measured = story.records.iter().position(|r| matches!(r.event, Event::Measured { .. })).unwrap();
    story.records.insert(measured, story.records[measured].clone());
    assert_eq!(report(&story).api.forward, Some(Span::millis(8_120)));
}

#[test]
fn what_the_node_saw_of_its_port_stands_beside_the_gap_and_is_never_added() {
    let mut story = story::kubelet_no();
    let alone = report(&story).api;
    assert_eq!(alone.on_node, None, "on this machine the probe itself is on the node");
    for record in &mut story.records {
        if let Event::Measured { outages, on_node, .. } = &mut record.event {
            // K3s listens before it is ready: a second less each time.
            let closed = outages.iter().map(|outage| Outage {
                to: outage.to.map(|to| to - jiff::SignedDuration::from_secs(1)),
                gap: Span::millis(outage.gap.as_millis() - 1_000),
                causes: Default::default(),
                ..outage.clone()
            });
            *on_node = Some(NodeProbe { port: 6443, looks: 900, closed: closed.collect(), whole: true });
        }
    }
    let report = report(&story);
    assert_eq!((report.api.forward, report.api.back), (alone.forward, alone.back));
    let port = report.api.on_node.as_ref().unwrap();
    assert_eq!((port.forward, port.back, port.complete), (Some(Span::millis(7_120)), Some(Span::millis(6_910)), true));
    let sentence = "On the node nobody listened on port 6443 for 7.1 s + 6.9 s.";
    let text = belay_report::text(&report, belay_report::Style { width: 400, ..Default::default() }, None);
    assert!(text.contains(sentence), "{text}");
    assert!(belay_report::html(&report).replace('\u{a0}', " ").contains(sentence));
    assert_eq!(serde_json::to_value(&report).unwrap()["api"]["on-node"]["port"], 6443);
}

#[test]
fn a_killed_run_never_claims_to_have_measured_all() {
    assert!(!report(&story::resumed()).api.complete);
    assert!(!report(&story::open()).api.complete);
    let api = report(&story::resumed()).api;
    let at = |record: &belay_engine::Record| record.at;
    let records = story::resumed().records;
    let went_on = records.iter().find(|record| matches!(record.event, Event::Resumed { .. })).map(at);
    let part = api.unmeasured[0];
    assert_eq!((api.unmeasured.len(), Some(part.from), Some(part.until)), (1, records.first().map(at), went_on));
    assert_eq!((part.killed, part.down), (true, true), "killed in the swap");
    assert_eq!(api.sentence(), "none seen (not measured until the run was resumed, and K3s was down then)");
    assert!(belay_report::html(&report(&story::resumed())).contains("; K3s was down as it went."));
    let guarded = report(&story::guarded("the guard of n1 acted")).api;
    assert_eq!(guarded.sentence(), "none seen (not measured until the run was resumed)");
    assert_eq!(report(&story::open()).api.sentence(), "not measured");
    assert!(!report(&story::needs_human()).api.complete, "the API was still down when the probe ended");
}

#[test]
fn a_step_that_was_found_done_is_done_with_the_proof_that_was_found() {
    let report = report(&story::resumed());
    let swap = report.steps.iter().find(|step| step.id == "n1.swap").unwrap();
    assert_eq!(swap.state, StepOutcome::Done);
    assert_eq!(swap.proof().unwrap()["path"], "/usr/local/bin/k3s");
    assert!(swap.says.contains("/usr/local/bin/k3s"), "{}", swap.says);
}

#[test]
fn an_open_run_with_k3s_down_says_so() {
    let next = report(&story::open()).next.join(" ");
    assert!(
        next.contains("belay resume") && next.contains("belay rollback") && next.contains("K3s may be down"),
        "{next}"
    );
    let mut early = Story::begin();
    early.intent("n1.fence");
    assert!(!report(&early).next.join(" ").contains("down"));
}

#[test]
fn any_beginning_of_any_journal_gives_a_report() {
    let all = [
        story::kubelet_no(),
        story::needs_human(),
        story::resumed(),
        story::unchanged(),
        story::asked_back(),
        story::swapped_back(),
        story::fell(),
    ];
    for story in all {
        for length in 0..=story.records.len() {
            let report = Report::of(&story.plan, &story.records[..length], None, None, &[]);
            assert_eq!(report.state().is_some(), length == story.records.len());
            assert!(!report.verdict.is_empty() && !report.next.is_empty());
            let page = belay_report::html(&report);
            assert!(!page.contains("NaN") && !page.contains("inf\""), "{length}");
        }
    }
}

#[test]
fn a_journal_that_does_not_fit_is_shown_and_called_unsound() {
    let mut story = story::committed();
    story.records.remove(1);
    let report = report(&story);
    assert!(report.journal.unsound.is_some());
    assert!(belay_report::html(&report).contains("The journal is not sound"));
}

#[test]
fn facts_show_what_differs_and_keep_what_does_not() {
    let story = story::committed();
    let (before, after) = (story::facts("v1.35.4+k3s1", 3), story::facts("v1.36.3+k3s1", 2));
    let facts = Report::of(&story.plan, &story.records, Some(&before), Some(&after), &[]).facts.unwrap();
    let row = |what: &str| facts.rows.iter().find(|row| row.what == what).unwrap();
    assert!(row("K3s version").changed && row("kubelet").changed && row("Deployment default/web").changed);
    assert_eq!(row("Deployment default/web").after.as_deref(), Some("2 of 3 ready"));
    assert!(!row("StatefulSet shop/db").changed && !row("identity").changed);
    let alone = Report::of(&story.plan, &story.records, Some(&before), None, &[]).facts.unwrap();
    assert!(alone.rows.iter().all(|row| !row.changed), "nothing differs from what was not gathered");
}

#[test]
fn a_list_of_lost_objects_that_cannot_be_read_is_never_an_empty_one() {
    let mut story = story::kubelet_no();
    for record in &mut story.records {
        if let Event::Outcome { step, proof, .. } = &mut record.event
            && step == "n1.back.put-back"
        {
            proof["lost"][0]["resource"] = serde_json::json!(7);
        }
    }
    let report = report(&story);
    assert!(!report.lost.as_ref().unwrap().complete);
    let shown = belay_report::text(&report, belay_report::Style::default(), None);
    assert!(shown.contains("is incomplete"), "{shown}");
    assert!(belay_report::html(&report).contains("this list is incomplete"));
}
