use std::path::{Path, PathBuf};

use crate::checks::{self, page};
use crate::facts;

/// One page per rule; nothing else is there.
const CHECKS: &str = "docs/checks";

/// The pages that are written from declarations and data, never by hand.
fn pages() -> Result<Vec<(String, String)>, String> {
    let rows = checks::rows()?;
    let steps = format!(
        "# Steps\n\nWhat every step needs, does, proves and leaves to its undo. Written by `cargo xtask docs` from \
         `core/engine/src/steps/`.\n\n{}",
        belay_engine::steps::table()
    );
    let risks = format!(
        "# Risks\n\nEvery rule that `belay check` evaluates, each with a page of its own. Written by `cargo xtask docs` \
         from `core/checks/knowledge/rules/`.\n\n{}\n## Without a rule\n\nKnown failures that Belay cannot bring about, or for \
         which it refuses a cluster as a whole, and the test that holds it.\n\n{}",
        checks::markdown(&rows)?,
        checks::construction::markdown()?
    );
    let tidy = |text: String| format!("{}\n", text.trim_end());
    let mut pages = vec![
        ("docs/steps.md".to_owned(), tidy(steps)),
        ("docs/facts.md".to_owned(), tidy(facts::markdown(&root())?)),
        ("docs/risks.md".to_owned(), tidy(risks)),
    ];
    pages.extend(rows.iter().map(|row| (format!("{CHECKS}/{}", page::name(row)), tidy(page::markdown(row)))));
    Ok(pages)
}

/// Writes the pages.
pub fn run() -> Result<String, String> {
    let pages = pages()?;
    for (page, text) in &pages {
        std::fs::write(root().join(page), text).map_err(|error| format!("could not write {page}: {error}"))?;
    }
    for stale in stale(&pages)? {
        std::fs::remove_file(root().join(&stale)).map_err(|error| format!("could not remove {stale}: {error}"))?;
    }
    Ok(format!("written: docs/steps.md, docs/facts.md, docs/risks.md and {} pages in {CHECKS}", pages.len() - 3))
}

/// Pages of rules that are no more.
fn stale(pages: &[(String, String)]) -> Result<Vec<String>, String> {
    let entries =
        std::fs::read_dir(root().join(CHECKS)).map_err(|error| format!("could not read {CHECKS}: {error}"))?;
    let there = entries.flatten().map(|entry| format!("{CHECKS}/{}", entry.file_name().display()));
    Ok(there.filter(|file| !pages.iter().any(|(page, _)| page == file)).collect())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_as_their_sources() {
        let pages = pages().unwrap();
        assert_eq!(stale(&pages).unwrap(), [""; 0], "run `cargo xtask docs`");
        for (page, text) in pages {
            let there = std::fs::read_to_string(root().join(&page)).unwrap_or_default();
            assert_eq!(there, text, "{page} is stale: run `cargo xtask docs`");
        }
    }
}
