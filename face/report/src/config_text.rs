use belay_checks::{ConfigLine, Fate};

use crate::{Mark, Style};

/// What a release does with a configuration, worst first; what stays as it is is counted. `whole`: all of it was read.
#[must_use]
pub fn config_text(lines: &[ConfigLine], whole: bool, style: Style) -> String {
    let mut out = String::new();
    let mut told: Vec<&ConfigLine> = lines.iter().filter(|line| line.fate != Fate::Unchanged).collect();
    told.sort_by_key(|line| std::cmp::Reverse(line.fate));
    for line in &told {
        let mark = match line.fate {
            Fate::Fatal => Mark::No,
            Fate::Gone | Fate::Unknown | Fate::ChangedDefault => Mark::Unsure,
            Fate::Ignored | Fate::Unchanged => Mark::Known,
        };
        let place = if line.line > 0 { format!("{}:{}", line.source, line.line) } else { line.source.clone() };
        let text = format!("{}  {}: {} ({place}, {}) {}", line.fate, line.name, line.value, line.node, line.why);
        out.push_str(&style.paragraph(mark, &text));
    }
    let unchanged = lines.len().saturating_sub(told.len());
    let text = match (told.is_empty(), unchanged, whole) {
        (true, 0, true) => "nothing is configured.".to_owned(),
        (true, 0, false) => "nothing of the configuration is known.".to_owned(),
        (true, count, true) => format!("all of {count} settings stay as they are."),
        (true, count, false) => format!("the {} that could be read {} as they are.", settings(count), stay(count)),
        (false, count, _) => format!("{count} others stay as they are."),
    };
    let mark = match (told.iter().any(|line| line.fate == Fate::Fatal), whole) {
        (true, _) => Mark::No,
        (false, true) => Mark::Yes,
        (false, false) => Mark::Unsure,
    };
    out.push_str(&style.paragraph(mark, &text));
    out
}

fn settings(count: usize) -> String {
    crate::count(count, "setting", "settings")
}

const fn stay(count: usize) -> &'static str {
    if count == 1 { "stays" } else { "stay" }
}
