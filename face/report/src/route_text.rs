use belay_checks::{NoRoute, Route, Rung};

use crate::{Mark, Style};

/// So many builds that were not taken are named on a rung; the JSON has all.
const AVOIDED: usize = 3;

/// A ladder on one screen: every rung with its reason, what is to be known of it, and what was not taken instead.
#[must_use]
pub fn route_text(route: &Route, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(&head(route)));
    if route.rungs.is_empty() {
        return out + &style.paragraph(Mark::Yes, "it runs already.");
    }
    if let Some(why) = &route.not_at_once {
        out.push_str(&style.paragraph(Mark::Unsure, &format!("not at once: {why}")));
    }
    for (index, rung) in route.rungs.iter().enumerate() {
        out.push_str(&one(index.saturating_add(1), rung, style));
    }
    let next = route.rungs.first().map(|rung| format!("First: belay upgrade --to {}", rung.tag)).unwrap_or_default();
    let etcd = match route.from.datastore {
        None => " Judged as embedded etcd; with another datastore say --datastore sqlite or external.",
        Some(_) => "",
    };
    out.push_str(&format!("\n{}\n", style.plain(&next)));
    for line in style.wrap(&format!("As known on {}.{etcd}", route.as_of), style.width) {
        out.push_str(&format!("{}\n", style.dim(&line)));
    }
    out
}

/// Why there is no ladder, and the one to the nearest target.
#[must_use]
pub fn no_route_text(no: &NoRoute, style: Style) -> String {
    let mut out = style.paragraph(Mark::No, &no.to_string());
    if let Some(nearest) = &no.nearest {
        out.push_str(&format!("\nThe nearest target that is safe:\n{}", route_text(nearest, style)));
    }
    out
}

fn head(route: &Route) -> String {
    let upgrades = match route.rungs.len() {
        0 => String::new(),
        1 => ": one upgrade".to_owned(),
        many => format!(": {many} upgrades"),
    };
    format!("{} → {}{upgrades}", route.from.tag, route.to)
}

fn one(number: usize, rung: &Rung, style: Style) -> String {
    let etcd = rung.etcd.as_ref().map(|etcd| format!(" (etcd {etcd})")).unwrap_or_default();
    let mut out = format!("{number:>3}  {}{}\n", style.bold(&rung.tag.to_string()), style.plain(&etcd));
    let mut line = |label: &str, text: &str| {
        for (index, row) in style.wrap(text, style.width.saturating_sub(13)).iter().enumerate() {
            let label = format!("{:8}", if index == 0 { label } else { "" });
            out.push_str(&format!("     {}{row}\n", style.dim(&label)));
        }
    };
    line("why", &rung.why);
    for problem in &rung.problems {
        line("know", &format!("{} (repaired in: {})", problem.problem, problem.fixed));
    }
    for avoided in rung.avoided.iter().take(AVOIDED) {
        line("not", &format!("{}: {}", avoided.tag, avoided.why));
    }
    if rung.avoided.len() > AVOIDED {
        let more: Vec<String> = rung.avoided.iter().skip(AVOIDED).map(|avoided| avoided.tag.to_string()).collect();
        line("", &format!("nor {}", more.join(", ")));
    }
    out
}
