//! A check for a CI or a ticket: what fails, what is excused, and that every format can be read back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use belay_checks::{Acceptance, ApiFate, ApiSource, ApiUser, Finding, Knowledge, RuleRow, Severity, Verdict, table};
use belay_report::{
    CheckReport, Style, api_users_text, check_junit, check_markdown, check_sarif, known_text, rule_text,
};

fn finding(rule: &str, severity: Severity, node: Option<&str>) -> Finding {
    Finding {
        rule: rule.to_owned(),
        title: format!("title of {rule} <&|>"),
        severity,
        verdict: Verdict::Yes,
        node: node.map(str::to_owned),
        means: "it is bad".to_owned(),
        fix: "repair it".to_owned(),
        evidence: vec!["no-deploy (/etc/rancher/k3s/config.yaml:3)".to_owned()],
        cases: Vec::new(),
        sources: Vec::new(),
        accepted: None,
    }
}

fn rules() -> Vec<RuleRow> {
    table(&Knowledge::embedded().unwrap())
}

fn found() -> (Vec<Finding>, Vec<Finding>) {
    let mut accepted = finding("belay-disk-space", Severity::Block, Some("n1"));
    accepted.accepted = Some(Acceptance {
        rule: "belay-disk-space".to_owned(),
        reason: "small box".to_owned(),
        by: "ann".to_owned(),
        until: "2026-12-31".parse().unwrap(),
    });
    let new = vec![
        finding("belay-config-key-unknown-to-target", Severity::Block, Some("n1")),
        finding("belay-release-hazard", Severity::Warn, None),
        accepted,
    ];
    (new, vec![finding("belay-etcd-alarm", Severity::Block, Some("n1"))])
}

#[test]
fn a_ci_fails_on_what_is_new_and_bad_enough_and_on_nothing_else() {
    let (findings, known) = found();
    let rules = rules();
    for (limit, failures) in [(Some(Severity::Block), 1), (Some(Severity::Warn), 2), (None, 0)] {
        let xml = check_junit(&CheckReport {
            to: None,
            findings: &findings,
            known: &known,
            limit,
            users: &[],
            rules: &rules,
        });
        let document = roxmltree::Document::parse(&xml).unwrap();
        let count = |tag: &str| document.descendants().filter(|node| node.has_tag_name(tag)).count();
        assert_eq!(count("failure"), failures, "{xml}");
        assert_eq!(count("skipped"), 2, "accepted and known");
        assert_eq!(count("testcase"), rules.len(), "a case for every rule");
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        assert_eq!(suite.attribute("failures"), Some(failures.to_string().as_str()));
        assert_eq!(suite.attribute("tests"), Some(rules.len().to_string().as_str()));
    }
}

#[test]
fn code_scanning_is_told_where_and_what_is_excused() {
    let (findings, known) = found();
    let rules = rules();
    let report = CheckReport { to: None, findings: &findings, known: &known, limit: None, users: &[], rules: &rules };
    let sarif = check_sarif(&report, "0.1.0");
    let run = &sarif["runs"][0];
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), rules.len());
    let results = run["results"].as_array().unwrap();
    let of = |rule: &str| results.iter().find(|result| result["ruleId"] == rule).unwrap();
    let key = of("belay-config-key-unknown-to-target");
    assert_eq!((key["level"].as_str(), key["baselineState"].as_str()), (Some("error"), Some("new")));
    let place = &key["locations"][1]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "file:///etc/rancher/k3s/config.yaml");
    assert_eq!(place["region"]["startLine"], 3);
    assert_eq!(key["locations"][0]["logicalLocations"][0]["name"], "n1");
    assert_eq!(of("belay-release-hazard")["level"], "warning");
    assert!(of("belay-disk-space")["suppressions"][0]["justification"].as_str().unwrap().contains("small box"));
    assert_eq!(of("belay-etcd-alarm")["baselineState"], "unchanged");
}

#[test]
fn a_ticket_names_what_is_open_first_and_cannot_be_broken_by_what_it_quotes() {
    let (findings, known) = found();
    let report = CheckReport { to: None, findings: &findings, known: &known, limit: None, users: &[], rules: &[] };
    let text = check_markdown(&report);
    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} is missing: {text}"));
    assert!(at("belay-config-key-unknown-to-target") < at("Accepted:"), "{text}");
    assert!(at("Accepted:") < at("Known, in the baseline:"), "{text}");
    assert!(text.contains("&lt;&amp;\\|>") && !text.contains("<&|>"), "{text}");
    let none = CheckReport { findings: &[], known: &[], ..report };
    assert!(check_markdown(&none).contains("Nothing new was found"));
    assert!(known_text(&known, Style::default()).contains("known n1: title of belay-etcd-alarm"));
}

#[test]
fn a_rule_is_explained_whole() {
    for rule in rules() {
        let text = rule_text(&rule, Style::default());
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let has = |part: &str| flat.contains(&part.split_whitespace().collect::<Vec<_>>().join(" "));
        for part in [&rule.id, &rule.title, &rule.means, &rule.fix, &rule.when] {
            assert!(has(part), "{part} is missing: {text}");
        }
        assert!(rule.sources.iter().chain(&rule.cases).chain(&rule.unknown).all(|part| has(part)), "{text}");
        assert!(has(&rule.as_of.to_string()) && has(&rule.severity.to_string()), "{text}");
    }
}

#[test]
fn who_must_change_what_fits_a_screen_and_hides_nobody_silently() {
    let user = |number: usize, fate| ApiUser {
        fate,
        gone: 25,
        source: ApiSource::File,
        api: "policy/v1beta1 PodDisruptionBudget".to_owned(),
        successor: Some("policy/v1".to_owned()),
        user: format!("clusters/a-very-long-name-of-a-site/production/shop/{number:02}.yaml"),
        line: 7,
        objects: vec!["shop/web".to_owned()],
        count: 1,
        seen: String::new(),
    };
    let users: Vec<ApiUser> = (0..30).map(|number| user(number, ApiFate::Gone)).collect();
    for width in [80, 100, 120] {
        let text = api_users_text(&users, Style { width, ..Style::default() });
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        assert!(text.lines().count() < 30 && text.contains("and 18 more"), "{text}");
        assert!(text.contains("00.yaml:7") && text.contains("policy/v1") && text.contains("not from 1.25"), "{text}");
    }
    assert_eq!(api_users_text(&[], Style::default()), "");
    let mut moved = user(0, ApiFate::Gone);
    (moved.user, moved.api) = ("git/a.yaml".to_owned(), "extensions/v1beta1 Ingress".to_owned());
    moved.successor = Some("networking.k8s.io/v1".to_owned());
    let text = api_users_text(&[moved], Style::default());
    assert!(text.contains("extensions/v1beta1 → networking.k8s.io/v1  not from 1.25"), "{text}");
    let mut odd = user(0, ApiFate::Deprecated);
    odd.user = "a|b<c>\n\u{1b}[2J".to_owned();
    let text = api_users_text(&[odd.clone()], Style::default());
    assert!(text.contains("until 1.24") && !text.contains('\u{1b}'), "{text}");
    let report = CheckReport { to: None, findings: &[], known: &[], limit: None, users: &[odd], rules: &[] };
    assert!(check_markdown(&report).contains("| a\\|b&lt;c>"), "{}", check_markdown(&report));
}

#[test]
fn a_place_in_a_folder_is_a_result_of_its_own() {
    let mut found = finding("belay-folder-api-gone", Severity::Block, None);
    found.evidence = vec!["x (deploy/a b.yaml:3)".to_owned(), "x (deploy/c.yaml:9)".to_owned()];
    let findings = [found];
    let report = CheckReport { to: None, findings: &findings, known: &[], limit: None, users: &[], rules: &[] };
    let sarif = check_sarif(&report, "1");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let uri = |at: usize| results[at]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
    assert_eq!((results.len(), uri(0), uri(1)), (2, "deploy/a%20b.yaml".into(), "deploy/c.yaml".into()));
    let print = |at: usize| results[at]["partialFingerprints"]["rule-and-place/v1"].to_string();
    assert!(print(0) != print(1) && !print(1).contains(":9"), "{} {}", print(0), print(1));
}
