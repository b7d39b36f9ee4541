use belay_checks::{Channel, Knowledge, Support, Survey};
use jiff::civil::date;

fn survey(channels: &[(&str, &str)]) -> Survey {
    let channel = |(name, tag): &(&str, &str)| Channel { name: (*name).to_owned(), latest: tag.parse().ok() };
    let channels = channels.iter().map(channel).collect();
    Survey::of(&Knowledge::embedded().unwrap().releases, channels, date(2026, 11, 23))
}

#[test]
fn the_newest_of_every_minor_comes_from_tables_and_channels() {
    let survey = survey(&[("v1.36", "v1.36.9+k3s1"), ("v1.35", "v1.35.2+k3s1"), ("v1.38", "v1.38.0+k3s1")]);
    let newest = |minor: &str| survey.minors.iter().find(|line| line.minor == minor).unwrap();
    assert_eq!(newest("1.36").newest.tag(), "v1.36.9+k3s1");
    assert!(!newest("1.36").known && newest("1.36").newest_on.is_none(), "newer than the tables");
    assert_eq!(newest("1.35").newest.tag(), "v1.35.9+k3s1", "a channel that lags does not take a release away");
    assert_eq!(newest("1.38").support, Support::Unknown);
    assert_eq!(survey.minors[0].minor, "1.38", "newest first");
}

#[test]
fn support_follows_the_day() {
    let survey = survey(&[]);
    let support = |minor: &str| survey.minors.iter().find(|line| line.minor == minor).unwrap().support;
    assert_eq!(support("1.36"), Support::Supported);
    assert_eq!(support("1.34"), Support::Ended);
    assert_eq!(support("1.24"), Support::Ended, "older than the first dated minor");
}

#[test]
fn a_hazard_is_named_with_the_release_that_has_it() {
    let hazards = |survey: &Survey| survey.minors.iter().map(|line| line.hazards.len()).sum::<usize>();
    let survey = survey(&[]);
    assert!(hazards(&survey) > 0, "1.33 ended with a hazard that was never repaired");
    let line = survey.minors.iter().find(|line| line.minor == "1.33").unwrap();
    assert!(line.hazards.iter().any(|hazard| hazard.id == "compressed-snapshot-restore"));
}
