//! What a bundle may do to what is known, by whose signature it carries.

use belay_checks::{Aged, Bundle, Clash, Finding, Knowledge, Severity, Signer, check};
use belay_facts::K3sVersion;

use crate::fixture::{Fixture, knowledge, policy};

const HEAD: &str = "belay = \"knowledge/v1\"\nserial = 7\ndate = 2026-12-01\n";

/// A rule that fires on every node of every cluster.
const RULE: &str = r#"
[[rule]]
id = "ours-everywhere"
title = "what we know"
severity = "warn"
scope = "node"
when = "node.name != ''"
means = "it is {node.name}"
fix = "ask us"
sources = ["https://example.com/"]
as_of = 2026-12-01
"#;

/// One that never fires, under the id of a compiled-in one.
const SOFT: &str = r#"
[[rule]]
id = "belay-disk-space"
title = "never mind"
severity = "info"
scope = "cluster"
when = "false"
means = "nothing"
fix = "nothing"
sources = ["https://example.com/"]
as_of = 2026-12-01
"#;

const HAZARD: &str = r#"
[[hazard]]
id = "ours-1-36-5"
severity = "block"
problem = "our disks do not like it"
fixed = "not yet"
sources = ["https://example.com/"]
ranges = [{ from = "v1.36.5+k3s1" }]
"#;

const ADVISORY: &str = r#"
[[advisory]]
id = "CVE-2099-1"
component = "k3s"
problem = "everything is open"
fixed = ["1.99.0"]
sources = ["https://example.com/"]
"#;

fn other() -> Signer {
    Signer::Other("0123456789ABCDEF".to_owned())
}

fn bundle(parts: &[&str]) -> Bundle {
    Bundle::parse(&format!("{HEAD}{}", parts.concat())).unwrap_or_else(|error| panic!("{error}"))
}

fn with(parts: &[&str], signer: Signer) -> (Knowledge, Vec<Clash>) {
    knowledge().clone().with(&bundle(parts), signer)
}

fn tag(text: &str) -> K3sVersion {
    text.parse().unwrap()
}

fn found(fixture: &str, knowledge: &Knowledge) -> Vec<Finding> {
    let fixture = Fixture::of(fixture);
    check(&fixture.facts(), &fixture.edge, knowledge, &policy(vec![]))
}

#[test]
fn another_key_adds_rules_hazards_advisories_and_what_was_removed() {
    let removed = "[[removed.gate]]\nnames = [\"OurGate\"]\ngone = 36\n";
    let (merged, clashes) = with(&[RULE, HAZARD, ADVISORY, removed], other());
    assert_eq!(clashes, []);
    let before = found("fixtures/disk-space-red.json", knowledge());
    let after = found("fixtures/disk-space-red.json", &merged);
    assert!(before.iter().all(|old| after.iter().any(|new| (&new.rule, &new.node) == (&old.rule, &old.node))));
    let ours = after.iter().find(|finding| finding.rule == "ours-everywhere").unwrap();
    assert_eq!((ours.severity, ours.means.as_str()), (Severity::Warn, "it is n1"));
    let hazards = merged.releases.look_up(&tag("v1.36.5+k3s1")).hazards;
    assert!(hazards.iter().any(|hazard| hazard.id == "ours-1-36-5"));
    let advisories = merged.advisories.of(&tag("v1.36.3+k3s1"), &merged.releases);
    assert!(advisories.iter().any(|advisory| advisory.id == "CVE-2099-1"));
    assert!(merged.removed.in_minor(36).gates.iter().any(|gone| gone.name == "OurGate"));
    let [mark] = <[_; 1]>::try_from(merged.bundles).unwrap();
    assert_eq!((mark.serial, mark.date.to_string().as_str(), mark.signer), (7, "2026-12-01", other()));
}

#[test]
fn another_key_replaces_withdraws_and_softens_nothing() {
    let head = format!("{HEAD}withdraw = [\"belay-disk-space\"]\n");
    let gate = "[[removed.flag]]\ncomponent = \"kubelet\"\nnames = [\"container-runtime\"]\ngone = 99\n";
    let flags = format!("[server-flags]\n{}", include_str!("../../knowledge/server-flags.toml"));
    let flags = flags.replace("[[flag]]", "[[server-flags.flag]]");
    let bundle = Bundle::parse(&[head.as_str(), RULE, SOFT, gate, &flags].concat()).unwrap();
    let (merged, clashes) = knowledge().clone().with(&bundle, other());
    let expected = [
        Clash::Replaces("belay-disk-space".to_owned()),
        Clash::Replaces("flag:kubelet/container-runtime".to_owned()),
        Clash::Withdraws("belay-disk-space".to_owned()),
        Clash::Table("server-flags"),
    ];
    assert_eq!(clashes, expected);
    assert_eq!(
        merged.rule("belay-disk-space").unwrap().severity,
        knowledge().rule("belay-disk-space").unwrap().severity
    );
    assert!(merged.rule("ours-everywhere").is_some(), "the rest is used");
    let gone = |known: &Knowledge| known.removed.in_minor(36).flags.len();
    assert_eq!(gone(&merged), gone(knowledge()));
}

/// A rule of the build may ask that something is not in a table: then an addition would make it silent.
#[test]
fn no_finding_is_lost_to_an_addition() {
    let rule = RULE.replace("ours-everywhere", "belay-none-known").replace("\"node\"", "\"edge\"");
    let when = "when = \"!edge.to.advisories.exists(a, a.id == 'CVE-2099-1')\"\nneeds = \"target\"";
    let rule = rule.replace("when = \"node.name != ''\"", when).replace("{node.name}", "none");
    let (project, clashes) = with(&[&rule], Signer::Project);
    assert_eq!(clashes, []);
    let fires = |known: &Knowledge| {
        found("fixtures/disk-space-red.json", known).iter().filter(|finding| finding.rule == "belay-none-known").count()
    };
    assert_eq!(fires(&project), 1);
    let (ours, clashes) = project.clone().with(&bundle(&[ADVISORY]), other());
    assert_eq!((fires(&ours), clashes), (1, vec![]));
    let (theirs, _) = project.with(&bundle(&[ADVISORY, &rule]), Signer::Project);
    assert_eq!(fires(&theirs), 0, "without a floor it is silent");
}

#[test]
fn the_projects_key_replaces_and_withdraws() {
    let head = format!("{HEAD}withdraw = [\"belay-agentless-server\", \"CVE-2023-32187\", \"nobody-knows\"]\n");
    let bundle = Bundle::parse(&format!("{head}{SOFT}")).unwrap();
    let (merged, clashes) = knowledge().clone().with(&bundle, Signer::Project);
    assert_eq!(clashes, []);
    assert_eq!(merged.rule("belay-disk-space").unwrap().severity, Severity::Info);
    assert!(merged.rule("belay-agentless-server").is_none());
    assert!(!found("fixtures/disk-space-red.json", &merged).iter().any(|finding| finding.rule == "belay-disk-space"));
    let advisories = merged.advisories.of(&tag("v1.24.1+k3s1"), &merged.releases);
    assert!(!advisories.iter().any(|advisory| advisory.id == "CVE-2023-32187"));
    assert_eq!(merged.rules.len(), knowledge().rules.len() - 1);
}

#[test]
fn the_projects_key_brings_whole_tables() {
    let releases = include_str!("../../knowledge/releases.toml").replace("as_of = 2026-11-23", "as_of = 2026-12-01");
    let releases = ["minor", "component", "hazard"]
        .iter()
        .fold(releases, |text, table| text.replace(&format!("[[{table}]]"), &format!("[[releases.{table}]]")));
    let (merged, clashes) = with(&["[releases]\n", &releases, "\n", HAZARD], Signer::Project);
    assert_eq!(clashes, []);
    assert_eq!(merged.releases.as_of.to_string(), "2026-12-01");
    assert!(!merged.releases.look_up(&tag("v1.36.5+k3s1")).hazards.is_empty());
}

#[test]
fn a_bundle_of_the_project_that_is_older_than_the_build_is_not_used() {
    let old = Bundle::parse(&format!("{}{SOFT}", HEAD.replace("2026-12-01", "2026-11-01"))).unwrap();
    let (merged, clashes) = knowledge().clone().with(&old, Signer::Project);
    assert!(matches!(clashes.as_slice(), [Clash::Superseded { .. }]), "{clashes:?}");
    assert!(merged.bundles.is_empty() && merged.rule("belay-disk-space").unwrap().severity == Severity::Block);
}

#[test]
fn a_hazard_of_no_known_release_is_named() {
    for range in ["v1.99.0+k3s1", "v1.36.99+k3s1"] {
        let (merged, clashes) = with(&[&HAZARD.replace("v1.36.5+k3s1", range)], other());
        assert!(matches!(clashes.as_slice(), [Clash::Range { id, .. }] if id == "ours-1-36-5"), "{clashes:?}");
        assert!(merged.releases.look_up(&tag("v1.36.5+k3s1")).hazards.iter().all(|hazard| hazard.id != "ours-1-36-5"));
    }
}

#[test]
fn what_is_old_is_said_after_ninety_days() {
    let on = |known: &Knowledge, day: jiff::civil::Date| -> Vec<(Aged, i32)> {
        known.ages(day).into_iter().map(|age| (age.of, age.days)).collect()
    };
    let after = |day: jiff::civil::Date, days: i64| day.checked_add(jiff::Span::new().days(days)).unwrap();
    let build = knowledge().build_as_of;
    assert_eq!(on(knowledge(), after(build, 90)), []);
    assert_eq!(on(knowledge(), after(build, 91)), [(Aged::Build, 91)]);
    assert_eq!(on(knowledge(), "2020-01-01".parse().unwrap()), [], "a wrong clock is no reason");
    let (project, _) = with(&[RULE], Signer::Project);
    let bundle = project.bundles[0].date;
    let late = after(bundle.max(build), 91);
    assert_eq!(on(&project, after(bundle, 90)), [], "the project's bundle stands for the build");
    assert_eq!(on(&project, after(bundle, 91)), [(Aged::Bundle, 91)]);
    let (ours, _) = with(&[RULE], other());
    let days = |since: jiff::civil::Date| (late - since).get_days();
    assert_eq!(on(&ours, late), [(Aged::Build, days(build)), (Aged::Bundle, days(bundle))]);
}

#[test]
fn a_broken_bundle_says_what_is_wrong() {
    let cases = [
        (HEAD.replace("v1", "v9"), "format"),
        (format!("{HEAD}surprise = 1\n"), "surprise"),
        (format!("{HEAD}{RULE}{RULE}"), "ours-everywhere"),
        (format!("{HEAD}{}", RULE.replace("node.name != ''", "node.name !=")), "ours-everywhere"),
        (format!("{HEAD}{}", RULE.replace("node.name != ''", "moon.phase == 1")), "moon"),
        (format!("{HEAD}{}", RULE.replace("ours-everywhere", "Ours \\u001b[2J")), "small letters"),
        (String::new(), "belay"),
    ];
    for (text, named) in cases {
        let error = Bundle::parse(&text).unwrap_err().to_string();
        assert!(error.contains(named), "{named}: {error}");
    }
}
