use std::io::Write;
use std::sync::{Arc, Mutex};

use belay_engine::{Event, Verdict};
use belay_report::Style;

use super::*;
use crate::story;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn plain(story: &story::Story, style: Style) -> String {
    let paper = Paper::default();
    let mut display = Display::on(&story.plan, style, Screen::Plain(Box::new(paper.clone())));
    story.records.iter().for_each(|record| display.event(record));
    let written = paper.0.lock().unwrap().clone();
    String::from_utf8(written).unwrap().replace(&story.plan.id, "2026-11-23-3fa9")
}

fn live(story: &story::Story) -> String {
    let mut told = Told::new(&story.plan, Style::default());
    let lines: Vec<String> = story.records.iter().flat_map(|record| told.live(record)).collect();
    lines.join("\n").replace(&story.plan.id, "2026-11-23-3fa9")
}

/// `BELAY_GOLDEN=write cargo test` writes the file anew; look at the difference before it is committed.
fn golden(name: &str, is: &str) {
    let path = format!("{}/src/display/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("BELAY_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&path, is).unwrap();
    }
    let was = std::fs::read_to_string(&path).unwrap();
    assert!(was == is, "{path} differs; it is now:\n{is}");
}

#[test]
fn plain_lines_of_a_run_that_goes_back() {
    golden("plain", &plain(&story::kubelet_no(), Style::default()));
}

#[test]
fn live_lines_of_a_run_that_goes_back() {
    golden("live", &live(&story::kubelet_no()));
}

#[test]
fn live_lines_of_a_run_that_was_resumed() {
    golden("resumed", &live(&story::resumed()));
}

#[test]
fn plain_is_one_line_a_record_and_ascii_where_it_must_be() {
    for story in [story::kubelet_no(), story::needs_human(), story::resumed(), story::unchanged()] {
        let shown = plain(&story, Style { ascii: true, ..Style::default() });
        assert_eq!(shown.lines().count(), story.records.len());
        assert!(shown.is_ascii(), "{shown}");
    }
}

#[test]
fn every_no_is_seen_while_it_happens() {
    let story = story::kubelet_no();
    let shown = live(&story);
    for record in &story.records {
        if let Event::Gate { answer, .. } = &record.event
            && answer.verdict != Verdict::Yes
        {
            assert!(shown.contains(&format!("gate {}: no", answer.name)), "{shown}");
        }
    }
}

#[test]
fn the_current_step_is_the_one_that_was_begun_last() {
    let story = story::open();
    let mut told = Told::new(&story.plan, Style::default());
    for record in &story.records {
        told.live(record);
    }
    assert_eq!(told.current(), Some("n1.swap"));
    let ended = story::committed();
    let mut told = Told::new(&ended.plan, Style::default());
    for record in &ended.records {
        told.live(record);
    }
    assert_eq!(told.current(), None);
}

#[test]
fn an_outage_is_told_while_it_lasts_and_afterwards() {
    let mut api = ApiWatch::default();
    assert_eq!(api.line(), "");
    api.saw(true, Span::seconds(1));
    assert_eq!(api.line(), "API up · no outage so far");
    api.saw(false, Span::seconds(10));
    api.saw(false, Span::seconds(14));
    assert_eq!(api.line(), "API down for about 4 s");
    api.saw(true, Span::millis(16_200));
    assert_eq!(api.line(), "API up · last outage about 6 s");
}
