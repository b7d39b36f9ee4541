//! The matcher and its tables against a table that a script of its own wrote from the cited ranges (`tests/golden`).

use belay_checks::AdvisoryComponent;

use crate::fixture::knowledge;

const TABLE: &str = include_str!("../golden/versions.tsv");

#[test]
fn every_version_has_exactly_the_advisories_and_hazards_that_the_sources_cite() {
    let knowledge = knowledge();
    let mut seen = 0;
    for line in TABLE.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let tag: belay_facts::K3sVersion = columns[0].parse().unwrap();
        let release = knowledge.releases.look_up(&tag);
        // The script knows the etcd of 1.33 and later only; what the tables say of older ones is held against nothing here.
        let etcd_is_cited = columns[1] != "-";
        if etcd_is_cited {
            assert_eq!(release.etcd.as_deref(), Some(columns[1]), "etcd of {tag}");
        }
        let found = knowledge.advisories.of(&tag, &knowledge.releases);
        let judged = found.iter().filter(|found| etcd_is_cited || found.component != AdvisoryComponent::Etcd);
        let mut advisories: Vec<&str> = judged.map(|advisory| advisory.id.as_str()).collect();
        advisories.sort_unstable();
        assert_eq!(words(&advisories), columns[2], "advisories of {tag}");
        // When the supervisor's paths came is not cited; the range of that hazard is a reading of ours.
        let mut hazards: Vec<&str> = release.hazards.iter().map(|hazard| hazard.id.as_str()).collect();
        hazards.retain(|id| *id != "supervisor-anonymous-paths");
        hazards.sort_unstable();
        assert_eq!(words(&hazards), columns[3], "hazards of {tag}");
        seen += 1;
    }
    assert!(seen >= 190, "{seen} versions");
}

#[test]
fn the_suffixes_of_a_version_do_not_count_for_an_advisory() {
    let knowledge = knowledge();
    let has = |tag: &str| {
        let found = knowledge.advisories.of(&tag.parse().unwrap(), &knowledge.releases);
        found.iter().any(|advisory| advisory.id == "CVE-2025-46599")
    };
    assert!(has("v1.32.3+k3s2") && has("v1.32.0-rc1+k3s1"));
    assert!(!has("v1.32.4-rc1+k3s1") && !has("v1.31.14+k3s1") && !has("v1.33.0+k3s1"));
}

fn words(ids: &[&str]) -> String {
    if ids.is_empty() { "-".to_owned() } else { ids.join(" ") }
}
