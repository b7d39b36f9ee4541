use belay_checks::{Hazard, MinorLine, Support, Survey};

use crate::Style;

/// What there is to upgrade to, on one screen: channels, then every minor, newest first, then the hazards that were named.
#[must_use]
pub fn versions_text(survey: &Survey, style: Style) -> String {
    let mut out = String::new();
    if !survey.channels.is_empty() {
        out.push_str(&format!("{}\n", style.bold("channels")));
        // One per minor is the table below.
        let moves = survey.channels.iter().filter(|channel| !channel.name.starts_with("v1."));
        for channel in moves {
            let tag = channel.latest.as_ref().map_or_else(|| "none now".to_owned(), ToString::to_string);
            out.push_str(&format!("  {}{}\n", style.plain(&format!("{:12}", channel.name)), style.plain(&tag)));
        }
        out.push('\n');
    }
    let mirror = survey.minors.iter().any(|line| line.in_mirror.is_some());
    let heading = format!(
        "{:7}{:16}{:12}{:24}{}hazards",
        "minor",
        "newest",
        "of",
        "support",
        if mirror { "mirror  " } else { "" }
    );
    out.push_str(&format!("{}\n", style.bold(&heading)));
    for line in &survey.minors {
        out.push_str(&format!("{}\n", row(line, style, mirror)));
    }
    let mut named: Vec<&Hazard> = Vec::new();
    for hazard in survey.minors.iter().filter(|line| shown(line)).flat_map(|line| &line.hazards) {
        if !named.iter().any(|other| other.id == hazard.id) {
            named.push(hazard);
        }
    }
    if !named.is_empty() {
        out.push_str(&format!("\n{}\n", style.bold("hazards")));
    }
    out.push_str(&hazards_text(named, style));
    let as_of =
        format!("Support and hazards as known on {}; `belay check --to TAG` judges one for this node.", survey.as_of);
    let more = "What is wrong with any one: belay versions --hazards TAG";
    out.push_str(&format!("\n{}\n{}\n", style.dim(&as_of), style.dim(more)));
    out
}

/// What is known to be wrong, one paragraph each.
#[must_use]
pub fn hazards_text<'a>(hazards: impl IntoIterator<Item = &'a Hazard>, style: Style) -> String {
    let mut out = String::new();
    for hazard in hazards {
        let only = match hazard.datastore.as_str() {
            "any" => String::new(),
            datastore => format!(" (with {datastore})"),
        };
        let text = format!("{}: {}{only}. Repaired in: {}", hazard.id, hazard.problem, hazard.fixed);
        out.push_str(&style.wrap(&text, style.width.saturating_sub(4)).join("\n    "));
        out.push('\n');
    }
    out
}

fn row(line: &MinorLine, style: Style, mirror: bool) -> String {
    let support = match (line.support, line.end_of_life) {
        (Support::Supported, Some(end)) => format!("until {end}"),
        (Support::Ended, Some(end)) => format!("ended {end}"),
        (Support::Ended, None) => "ended".to_owned(),
        (Support::Supported | Support::Unknown, _) => "not known here".to_owned(),
    };
    let has = match line.in_mirror {
        _ if !mirror => "",
        Some(true) => "yes     ",
        Some(false) => "no      ",
        None => "?       ",
    };
    let hazards: Vec<&str> = line.hazards.iter().map(|hazard| hazard.id.as_str()).collect();
    let hazards = match (line.known, shown(line), hazards.as_slice()) {
        (false, ..) => "not known here: newer than this build's tables".to_owned(),
        (true, _, []) => String::new(),
        (true, true, ids) => ids.join(", "),
        (true, false, ids) => ids.len().to_string(),
    };
    let on = line.newest_on.map(|on| on.to_string()).unwrap_or_default();
    let text = format!("{:7}{:16}{on:12}{support:24}{has}{hazards}", line.minor, line.newest.to_string());
    let text = text.trim_end();
    if line.support == Support::Ended { style.dim(text) } else { style.plain(text) }
}

/// Nobody goes to a minor that has ended; its hazards are counted, not explained.
fn shown(line: &MinorLine) -> bool {
    line.support != Support::Ended
}
