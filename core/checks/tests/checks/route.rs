//! The path finder: laws over every pair of releases that are known, and the answers to the patch-level traps of
//! k3s-facts §4.2. What is a hazard and which etcd a build carries is asked of the tables here, not of the finder.

use std::collections::BTreeMap;

use belay_checks::{NoRoute, Release, ReleaseGraph, Route, Severity, Standing};
use belay_facts::{DatastoreKind, K3sVersion};

use crate::fixture::knowledge;

fn tag(text: &str) -> K3sVersion {
    text.parse().unwrap()
}

fn find(from: &str, to: &str, datastore: Option<DatastoreKind>) -> Result<Route, Box<NoRoute>> {
    let releases = &knowledge().releases;
    ReleaseGraph::of(releases, &Standing { tag: tag(from), datastore, etcd: None }).route(&tag(to))
}

fn ladder(route: &Route) -> Vec<String> {
    route.rungs.iter().map(|rung| rung.tag.tag()).collect()
}

#[test]
fn the_patch_level_traps_have_these_answers() {
    let etcd = Some(DatastoreKind::Etcd);
    for (from, to, rungs) in [
        // 3.5.21 and 3.5.25 must not go to 3.6: not by a patch of 1.33, not by the next minor.
        ("v1.33.6+k3s1", "v1.33.13+k3s2", vec!["v1.33.10+k3s1", "v1.33.13+k3s2"]),
        ("v1.33.7+k3s1", "v1.34.3+k3s1", vec!["v1.33.10+k3s1", "v1.34.3+k3s1"]),
        ("v1.33.0+k3s1", "v1.34.12+k3s1", vec!["v1.33.10+k3s1", "v1.34.12+k3s1"]),
        ("v1.33.7+k3s3", "v1.34.12+k3s1", vec!["v1.34.12+k3s1"]),
        ("v1.33.10+k3s1", "v1.33.11+k3s1", vec!["v1.33.11+k3s1"]),
        ("v1.32.11+k3s1", "v1.33.11+k3s1", vec!["v1.33.10+k3s1", "v1.33.11+k3s1"]),
        ("v1.32.11+k3s3", "v1.33.11+k3s1", vec!["v1.33.11+k3s1"]),
        // 3.6.7 must not go to 3.7.
        ("v1.36.0+k3s1", "v1.37.1+k3s1", vec!["v1.36.5+k3s1", "v1.37.1+k3s1"]),
        ("v1.36.1+k3s1", "v1.37.0+k3s1", vec!["v1.36.5+k3s1", "v1.37.0+k3s1"]),
        ("v1.36.2+k3s1", "v1.37.1+k3s1", vec!["v1.37.1+k3s1"]),
        // The whole way.
        (
            "v1.33.6+k3s1",
            "v1.37.1+k3s1",
            vec!["v1.33.10+k3s1", "v1.34.12+k3s1", "v1.35.9+k3s1", "v1.36.5+k3s1", "v1.37.1+k3s1"],
        ),
    ] {
        let found = find(from, to, etcd).unwrap_or_else(|no| panic!("{from} → {to}: {no}"));
        assert_eq!(ladder(&found), rungs, "{from} → {to}");
        assert_eq!(found.not_at_once.is_some(), rungs.len() > 1, "{from} → {to}");
    }
}

#[test]
fn without_etcd_its_stepping_does_not_count() {
    for kind in [DatastoreKind::Sqlite, DatastoreKind::External] {
        let found = find("v1.33.6+k3s1", "v1.34.12+k3s1", Some(kind)).unwrap();
        assert_eq!(ladder(&found), ["v1.34.12+k3s1"]);
        let found = find("v1.24.17+k3s1", "v1.28.15+k3s1", Some(kind)).unwrap();
        assert_eq!(ladder(&found), ["v1.25.16+k3s4", "v1.26.15+k3s1", "v1.27.16+k3s1", "v1.28.15+k3s1"]);
    }
    // What was not said is judged as what asks for the most.
    assert_eq!(ladder(&find("v1.33.6+k3s1", "v1.34.12+k3s1", None).unwrap()).len(), 2);
}

#[test]
fn what_cannot_be_is_refused_with_the_nearest_that_can() {
    let etcd = Some(DatastoreKind::Etcd);
    for (from, to, why, nearest) in [
        ("v1.36.5+k3s1", "v1.36.1+k3s1", "nothing goes back", None),
        ("v1.36.3+k3s1", "v1.35.9+k3s1", "nothing goes back", Some("v1.36.5+k3s1")),
        ("v1.31.14+k3s1", "v1.32.2+k3s1", "CVE-2025-46599", Some("v1.32.13+k3s1")),
        ("v1.35.9+k3s1", "v1.36.9+k3s1", "nothing is known here", Some("v1.36.5+k3s1")),
        ("v1.35.9+k3s1", "v1.36.4-rc1+k3s1", "nothing is known here", Some("v1.36.5+k3s1")),
        ("v1.37.0+k3s1", "v1.38.0+k3s1", "nothing is known here", Some("v1.37.1+k3s1")),
        ("v1.33.6+k3s1", "v1.33.7+k3s2", "no release v1.33.7+k3s2", Some("v1.33.13+k3s2")),
        // Kubernetes would allow it, etcd 3.6.12 → 3.6.7 goes back.
        ("v1.33.13+k3s2", "v1.34.8+k3s1", "etcd does not go back", Some("v1.34.12+k3s1")),
        ("v1.33.10+k3s1", "v1.33.12+k3s1", "which etcd v1.33.12+k3s1 carries is not known", Some("v1.33.13+k3s2")),
    ] {
        let no = find(from, to, etcd).unwrap_err();
        assert!(no.why.contains(why), "{from} → {to}: {}", no.why);
        assert_eq!(no.nearest.map(|route| route.to.tag()).as_deref(), nearest, "{from} → {to}");
    }
}

#[test]
fn what_runs_already_needs_no_rung() {
    let found = find("v1.36.3+k3s1", "v1.36.3+k3s1", None).unwrap();
    assert!(found.rungs.is_empty() && found.not_at_once.is_none());
}

#[test]
fn the_running_etcd_speaks_where_the_tables_are_silent() {
    let standing = |etcd: Option<&str>| Standing {
        tag: tag("v1.33.12+k3s1"),
        datastore: Some(DatastoreKind::Etcd),
        etcd: etcd.map(str::to_owned),
    };
    let releases = &knowledge().releases;
    assert!(ReleaseGraph::of(releases, &standing(None)).route(&tag("v1.34.12+k3s1")).is_err());
    let found = ReleaseGraph::of(releases, &standing(Some("3.6.7"))).route(&tag("v1.34.12+k3s1")).unwrap();
    assert_eq!(ladder(&found), ["v1.34.12+k3s1"]);
}

#[test]
fn an_avoided_build_says_why() {
    let found = find("v1.33.6+k3s1", "v1.34.12+k3s1", Some(DatastoreKind::Etcd)).unwrap();
    let rung = &found.rungs[0];
    assert!(rung.why.contains("3.5.26 may be followed by 3.6.14"), "{}", rung.why);
    let avoided = |name: &str| rung.avoided.iter().find(|avoided| avoided.tag == tag(name)).map(|a| a.why.as_str());
    assert!(avoided("v1.33.11+k3s1").unwrap().contains("3.6 asks for 3.5.26"), "{:?}", rung.avoided);
    assert!(avoided("v1.33.12+k3s1").unwrap().contains("not known"), "{:?}", rung.avoided);
    let found = find("v1.31.14+k3s1", "v1.33.13+k3s2", Some(DatastoreKind::Etcd)).unwrap();
    let bad = found.rungs[0].avoided.iter().find(|avoided| avoided.tag == tag("v1.32.3+k3s1")).unwrap();
    assert!(bad.why.contains("CVE-2025-46599"), "{}", bad.why);
}

/// Every pair of known builds, with etcd and without. The graph is small enough to be asked whole.
#[test]
fn no_ladder_breaks_a_law_and_every_answer_explains_itself() {
    let releases = &knowledge().releases;
    let builds: Vec<K3sVersion> = releases.builds().into_iter().cloned().collect();
    assert!(builds.len() > 90, "{}", builds.len());
    let known: BTreeMap<&K3sVersion, Release> = builds.iter().map(|tag| (tag, releases.look_up(tag))).collect();
    let etcd_of = |tag: &K3sVersion| {
        let etcd = known[tag].etcd.as_ref()?;
        Some(etcd.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>())
    };
    let (mut found, mut refused) = (0, 0);
    for datastore in [Some(DatastoreKind::Sqlite), Some(DatastoreKind::Etcd)] {
        // The stepping of etcd is what is hard; without it a third of the beginnings will do.
        let every = if datastore == Some(DatastoreKind::Etcd) { 1 } else { 3 };
        for from in builds.iter().step_by(every) {
            let standing = Standing { tag: from.clone(), datastore, etcd: None };
            let graph = ReleaseGraph::of(releases, &standing);
            let newest = graph.newest();
            for to in &builds {
                let case = format!("{from} → {to} on {datastore:?}");
                let route = match graph.route(to) {
                    Ok(route) => route,
                    Err(no) => {
                        refused += 1;
                        assert!(!no.why.is_empty(), "{case}");
                        if let Some(nearest) = &no.nearest {
                            assert!(nearest.rungs.last().is_some_and(|rung| rung.tag == nearest.to), "{case}");
                            assert_ne!(nearest.to, *to, "{case}");
                        } else {
                            assert!(
                                newest.is_none() || to < from,
                                "{case}: something can be reached, and nothing is offered"
                            );
                        }
                        continue;
                    }
                };
                found += 1;
                assert_eq!(route.rungs.is_empty(), from == to, "{case}");
                assert!(route.rungs.is_empty() || route.rungs.last().is_some_and(|rung| rung.tag == *to), "{case}");
                assert_eq!(route.not_at_once.is_some(), route.rungs.len() > 1, "{case}");
                let mut below = from.clone();
                for rung in &route.rungs {
                    assert!(rung.tag > below, "{case}: goes back at {}", rung.tag);
                    assert!(rung.tag.minor <= below.minor + 1, "{case}: skips a minor at {}", rung.tag);
                    assert!(!rung.why.is_empty(), "{case}");
                    assert!(rung.avoided.iter().all(|a| !a.why.is_empty() && a.tag != rung.tag), "{case}");
                    let release = &known[&rung.tag];
                    assert!(release.known && releases.exists(&rung.tag), "{case}: {} is not known", rung.tag);
                    let bad = |h: &&belay_checks::Hazard| h.severity == Severity::Block;
                    assert_eq!(release.hazards.iter().find(bad), None, "{case}");
                    if datastore != Some(DatastoreKind::Sqlite) {
                        let new = etcd_of(&rung.tag).unwrap_or_else(|| panic!("{case}: etcd of {}", rung.tag));
                        match etcd_of(&below) {
                            Some(old) => {
                                assert!(old <= new, "{case}: etcd goes back at {}", rung.tag);
                                assert!(new[1] < 6 || old[1] >= 6 || old >= vec![3, 5, 26], "{case}: {old:?} {new:?}");
                                assert!(new[1] < 7 || old[1] >= 7 || old >= vec![3, 6, 11], "{case}: {old:?} {new:?}");
                            }
                            None => assert_eq!(new[1], 5, "{case}: from an unknown etcd to {new:?}"),
                        }
                    }
                    below = rung.tag.clone();
                }
            }
        }
    }
    assert!(found > 1_500 && refused > 4_000, "{found} found, {refused} refused");
}
