use std::path::{Path, PathBuf};

use crate::checks;

/// The pages that are written from declarations and data, never by hand.
fn pages() -> Result<Vec<(&'static str, String)>, String> {
    let steps = format!(
        "# Steps\n\nWhat every step needs, does, proves and leaves to its undo. Written by `cargo xtask docs` from \
         `core/engine/src/steps/`.\n\n{}",
        belay_engine::steps::table()
    );
    let risks = format!(
        "# Risks\n\nEvery rule that `belay check` evaluates. Written by `cargo xtask docs` from \
         `core/checks/knowledge/rules/`.\n\n{}",
        checks::run()?
    );
    let tidy = |text: String| format!("{}\n", text.trim_end());
    Ok(vec![("docs/steps.md", tidy(steps)), ("docs/risks.md", tidy(risks))])
}

/// Writes the pages.
pub fn run() -> Result<String, String> {
    let mut written = Vec::new();
    for (page, text) in pages()? {
        std::fs::write(root().join(page), text).map_err(|error| format!("could not write {page}: {error}"))?;
        written.push(page);
    }
    Ok(format!("written: {}", written.join(", ")))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_as_their_sources() {
        for (page, text) in pages().unwrap() {
            let there = std::fs::read_to_string(root().join(page)).unwrap_or_default();
            assert_eq!(there, text, "{page} is stale: run `cargo xtask docs`");
        }
    }
}
