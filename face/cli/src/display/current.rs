use belay_facts::Span;
use belay_report::{Style, duration, planned};
use belay_runner::Progress;

/// How wide the bar of a step with a known total is.
const BAR: u64 = 16;

/// The line of the step that goes on: its name, how long of how long at most, what it waits for, a bar when it has a total.
pub(super) fn line(style: Style, name: &str, column: usize, progress: Option<&Progress>) -> String {
    let name = format!("{name:column$}");
    let Some(progress) = progress else { return style.bold(&name) };
    let elapsed = format!("{:>9}", duration(progress.elapsed));
    let plain_most = if progress.deadline == Span::ZERO {
        String::new()
    } else {
        format!(" of at most {}", planned(progress.deadline))
    };
    let most = style.dim(&plain_most);
    let bar = bar(progress.done, progress.total).map_or_else(String::new, |bar| format!("  {bar}"));
    // A spinner and a space stand before the line.
    let before = column + 1 + elapsed.chars().count() + plain_most.chars().count() + bar.chars().count() + 4;
    let doing = style.cut(&progress.doing, style.width.saturating_sub(before));
    let doing = if doing.is_empty() { String::new() } else { format!("  {doing}") };
    format!("{} {elapsed}{most}{doing}{bar}", style.bold(&name))
}

/// `━━━━━━━━────────  50 %`; `None` when the total is not known.
fn bar(done: u64, total: u64) -> Option<String> {
    if total == 0 {
        return None;
    }
    let part = |of: u64| u64::try_from(u128::from(done.min(total)) * u128::from(of) / u128::from(total)).unwrap_or(of);
    let full = part(BAR);
    let signs: String = (0..BAR).map(|n| if n < full { '━' } else { '─' }).collect();
    Some(format!("{signs} {:>3} %", part(100)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64, total: u64) -> Progress {
        Progress {
            step: "n1.backup".to_owned(),
            doing: "copying the datastore".to_owned(),
            done,
            total,
            elapsed: Span::millis(800),
            deadline: Span::seconds(60),
            api: None,
        }
    }

    #[test]
    fn it_says_what_it_waits_for_and_how_long_at_most() {
        let shown = line(Style::default(), "backup", 12, Some(&progress(1, 2)));
        assert_eq!(shown, "backup           0.8 s of at most 60 s  copying the datastore  ━━━━━━━━────────  50 %");
        assert!(
            !line(Style::default(), "backup", 12, Some(&progress(7, 0))).contains('%'),
            "a total that is not known"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_what_is_done_by_words_and_keeps_the_bar() {
        let narrow = Style { width: 74, ..Style::default() };
        let shown = line(narrow, "backup", 12, Some(&progress(1, 2)));
        assert_eq!(shown, "backup           0.8 s of at most 60 s  copying…  ━━━━━━━━────────  50 %");
        assert!(shown.chars().count() + 2 <= narrow.width, "{}", shown.chars().count());
    }

    #[test]
    fn a_bar_stays_within_its_ends() {
        assert_eq!(bar(u64::MAX, u64::MAX).unwrap(), format!("{} 100 %", "━".repeat(16)));
        assert_eq!(bar(9, 3).unwrap(), bar(3, 3).unwrap(), "more done than there was");
        assert_eq!(bar(0, 3).unwrap(), format!("{}   0 %", "─".repeat(16)));
    }
}
