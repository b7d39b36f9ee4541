use belay_checks::{ConfigLine, Fate};

use crate::{Mark, Style};

/// What a release does with a configuration, worst first; what stays as it is is counted.
#[must_use]
pub fn config_text(lines: &[ConfigLine], style: Style) -> String {
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
    let text = match (told.is_empty(), unchanged) {
        (true, 0) => "nothing is configured.".to_owned(),
        (true, count) => format!("all of {count} settings stay as they are."),
        (false, count) => format!("{count} others stay as they are."),
    };
    let mark = if told.iter().any(|line| line.fate == Fate::Fatal) { Mark::No } else { Mark::Yes };
    out.push_str(&style.paragraph(if told.is_empty() { Mark::Yes } else { mark }, &text));
    out
}
