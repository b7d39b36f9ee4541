//! The one-screen texts, word for word.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod story;

use belay_checks::{Finding, Severity, Verdict};
use belay_report::{Report, Style, findings_text, markdown, plan_text, text, versions_text};
use story::Story;

const PLACE: &str = "/var/lib/belay/runs/2026-11-23-3fa9/report.html";

fn report(story: &Story) -> Report {
    Report::of(&story.plan, &story.records, None, None, &[])
}

fn shown(story: &Story) -> String {
    let text = text(&report(story), Style::default(), Some(PLACE));
    assert!(text.lines().count() <= 24, "one screen:\n{text}");
    // Shortened for the snapshot's sake only: the id holds four digits of the plan's digest.
    text.replace(&story.plan.id, "2026-11-23-3fa9")
}

#[test]
fn committed() {
    insta::assert_snapshot!(shown(&story::committed()));
}

#[test]
fn restored_after_the_kubelet_gate_said_no() {
    insta::assert_snapshot!(shown(&story::kubelet_no()));
}

#[test]
fn restored_after_it_was_never_ready() {
    insta::assert_snapshot!(shown(&story::never_ready()));
}

#[test]
fn restored_because_a_person_asked() {
    insta::assert_snapshot!(shown(&story::asked_back()));
}

/// Who went back, when and why.
#[test]
fn restored_by_the_guard_of_the_node() {
    let says =
        "the guard of n1 acted at 2026-11-23 17:20:01 UTC: its coordinator was silent for 212s, and the lease is 210s";
    let story = story::guarded(says);
    let text = shown(&story).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(says), "{text}");
    let ticket = markdown(&report(&story));
    assert!(ticket.contains("n1 is back on v1.35.4+k3s1: the guard of n1 acted"), "{ticket}");
    assert!(!ticket.contains("did not hold"), "nobody had asked whether it holds: {ticket}");
}

/// Found by a newcomer: after Ctrl-C the next step was to fix the release.
#[test]
fn a_halt_was_called_the_fault_of_the_release() {
    let by = "root on n1 (process 4711)".to_owned();
    for halt in [belay_engine::Halt::CtrlC, belay_engine::Halt::Command { by }] {
        let story = story::halted(&halt);
        let report = report(&story);
        assert_eq!(report.verdict, format!("n1 is back on v1.35.4+k3s1: it was {halt}. The cluster is as it was."));
        assert_eq!((report.exit_code, report.journal.unsound), (Some(3), None), "it has not done what it was asked");
        let told = shown(&story).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&format!("Next: nothing was at fault: it was {halt}.")), "{told}");
        assert!(
            told.contains("`belay upgrade --to v1.36.3+k3s1`, with the options that it had, can be given again"),
            "{told}"
        );
        assert!(!told.contains("fixing the release"), "{told}");
    }
    let guarded = report(&story::guarded("the guard of n1 acted")).next.join(" ");
    assert!(guarded.contains("belay upgrade --to v1.36.3+k3s1") && !guarded.contains("fixing"), "{guarded}");
}

#[test]
fn restored_by_class_binary() {
    insta::assert_snapshot!(shown(&story::swapped_back()));
}

#[test]
fn restored_by_class_keep_after_binary_did_not_hold() {
    insta::assert_snapshot!(shown(&story::fell()));
}

#[test]
fn unchanged_after_a_bad_artifact() {
    insta::assert_snapshot!(shown(&story::unchanged()));
}

#[test]
fn needs_human() {
    insta::assert_snapshot!(shown(&story::needs_human()));
}

#[test]
fn open() {
    insta::assert_snapshot!(shown(&story::open()));
}

#[test]
fn resumed_and_committed() {
    insta::assert_snapshot!(shown(&story::resumed()));
}

#[test]
fn ascii_on_a_narrow_console() {
    let story = story::kubelet_no();
    let shown = text(&report(&story), Style { ascii: true, color: false, width: 72 }, Some(PLACE));
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown.replace(&story.plan.id, "2026-11-23-3fa9"));
}

#[test]
fn colour_changes_no_word() {
    let report = report(&story::kubelet_no());
    let coloured = text(&report, Style { color: true, ..Style::default() }, None);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut inside = false;
    for c in coloured.chars() {
        match c {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    assert_eq!(plain, text(&report, Style::default(), None));
}

#[test]
fn a_plan() {
    let plan = story::plan();
    let shown = plan_text(&plan, Style::default());
    assert!(shown.lines().count() <= 24, "one screen:\n{shown}");
    let shown = shown.replace(&plan.id, "2026-11-23-3fa9");
    let digests = [plan.digest.short(12), plan.parent.short(12)];
    insta::assert_snapshot!(digests.iter().fold(shown, |text, digest| text.replace(digest, "0123456789ab")));
}

#[test]
fn a_plan_whose_way_back_leaves_the_data_says_so_and_that_the_copy_follows() {
    let shown = plan_text(&story::within_a_minor(), Style::default()).replace('\u{a0}', " ");
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "way back binary (the binary is swapped back, the data stay), about 20 s.",
        "Kubernetes 1.35, etcd 1.2, kine 1.2, containerd 1.2 are in both releases",
        "put back (class keep) if a gate then says no",
        "loses nothing;",
        "no point of no return before the commit",
    ] {
        assert!(shown.contains(said), "{said}:\n{shown}");
    }
}

#[test]
fn a_report_for_a_ticket() {
    let story = story::kubelet_no();
    insta::assert_snapshot!(markdown(&report(&story)).replace(&story.plan.id, "2026-11-23-3fa9"));
}

fn finding(rule: &str, severity: Severity, verdict: Verdict, evidence: &[&str]) -> Finding {
    Finding {
        rule: rule.to_owned(),
        title: "The kubelet of 1.35 and later refuses to start on cgroup v1".to_owned(),
        severity,
        verdict,
        node: Some("n1".to_owned()),
        means: "After the restart the kubelet exits; the API stays green and pods keep running, but the node is lost.".to_owned(),
        fix: "Move the host to cgroup v2, or add `kubelet-arg: fail-cgroupv1=false` to config.yaml on n1 before the upgrade.".to_owned(),
        evidence: evidence.iter().map(|&text| text.to_owned()).collect(),
        cases: vec!["F103".to_owned()],
        sources: vec!["KEP-5573".to_owned()],
        accepted: None,
    }
}

#[test]
fn findings() {
    let mut accepted = finding("belay-unknown-release", Severity::Block, Verdict::Yes, &[]);
    accepted.accepted = Some(story::plan().accepted[0].clone());
    let findings = [
        finding(
            "belay-cgroup-v1-kubelet",
            Severity::Block,
            Verdict::Yes,
            &["node.cgroup = v1", "no fail-cgroupv1", "a", "b", "c"],
        ),
        finding(
            "belay-sqlite-integrity",
            Severity::Block,
            Verdict::Unknown,
            &["node.datastore.integrity could not be read"],
        ),
        finding("belay-certificate-expiry", Severity::Warn, Verdict::Yes, &[]),
        finding("belay-removed-api", Severity::Info, Verdict::Yes, &["x"]),
        accepted,
    ];
    insta::assert_snapshot!(findings_text(&findings, Style::default()));
    insta::assert_snapshot!("findings_none", findings_text(&[], Style::default()));
}

#[test]
fn versions() {
    let tables = belay_checks::Knowledge::embedded().unwrap().releases;
    let channel = |name: &str, tag: &str| belay_checks::Channel { name: name.to_owned(), latest: tag.parse().ok() };
    let channels =
        vec![channel("stable", "v1.35.9+k3s1"), channel("latest", "v1.37.2+k3s1"), channel("v1.36", "v1.36.5+k3s1")];
    let survey = belay_checks::Survey::of(&tables, channels, jiff::civil::date(2026, 11, 23));
    insta::assert_snapshot!(versions_text(&survey, Style::default()));
}
