use std::fmt::Write;

use crate::ConfigEdit;
use crate::config_fix::{quoted, quoted_if_needed};

mod error;
pub use error::PatchError;

/// The edits of one file as a unified diff of its text, for `patch`.
///
/// Without lines of context: what stands beside a key may be a token, and a token never leaves the node (I20).
///
/// # Errors
/// When the text is not the one that the edits were made for, or has the key in a form that is better left to a human.
pub fn config_patch(file: &str, text: &str, edits: &[&ConfigEdit]) -> Result<String, PatchError> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut edits: Vec<&&ConfigEdit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.line);
    let mut out = format!("--- {file}\n+++ {file}\n");
    // How much longer the new text is up to here.
    let mut shift: isize = 0;
    for edit in edits {
        let block = block(file, &lines, edit)?;
        let new = written(edit, &block);
        let first = isize::try_from(edit.line).unwrap_or(isize::MAX);
        let (old_length, new_length) = (block.len(), new.len());
        let begin = first.saturating_add(shift);
        // A hunk of no lines is named by the line before it.
        let begin = if new.is_empty() { begin.saturating_sub(1) } else { begin };
        let _ = writeln!(out, "@@ -{first},{old_length} +{begin},{new_length} @@");
        block.iter().for_each(|line| hunk_line(&mut out, '-', line));
        new.iter().for_each(|line| hunk_line(&mut out, '+', line));
        let signed = |length: usize| isize::try_from(length).unwrap_or(isize::MAX);
        shift = shift.saturating_add(signed(new_length)).saturating_sub(signed(old_length));
    }
    Ok(out)
}

fn hunk_line(out: &mut String, sign: char, line: &str) {
    out.push(sign);
    out.push_str(line);
    if !line.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

/// The lines of the key and what belongs to it.
fn block<'a>(file: &str, lines: &[&'a str], edit: &ConfigEdit) -> Result<Vec<&'a str>, PatchError> {
    let other = || PatchError::OtherKey { file: file.to_owned(), line: edit.line, key: edit.key.clone() };
    let unusual = || PatchError::Unusual { file: file.to_owned(), key: edit.key.clone() };
    let at = usize::try_from(edit.line).ok().and_then(|line| line.checked_sub(1)).ok_or_else(other)?;
    let mut rest = lines.iter().skip(at).copied();
    let head = rest.next().ok_or_else(other)?;
    let value = value_of(head, &edit.key).ok_or_else(other)?;
    let mut block = vec![head];
    block.extend(rest.take_while(|line| continues(line)));
    // Blank lines and comments behind the last value belong to what follows.
    let belongs = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let length = block.iter().rposition(belongs).map_or(1, |last| last.saturating_add(1));
    block.truncate(length);
    // Anchors and aliases tie a key to another one; a bracket that is not closed here goes on where this does not look.
    let value = value.trim_start();
    let whole: String = block.concat();
    let open = value.starts_with('[') && !whole.contains(']');
    let tied = value.starts_with(['&', '*', '!', '{']) || whole.contains("- &") || whole.contains("- *");
    if open || tied { Err(unusual()) } else { Ok(block) }
}

/// What stands behind `key:` or `key+:` at the beginning of a line.
fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    for quote in ["", "\"", "'"] {
        let rest = line.strip_prefix(quote).and_then(|rest| rest.strip_prefix(key));
        let Some(rest) = rest.map(|rest| rest.strip_prefix('+').unwrap_or(rest)) else { continue };
        let Some(rest) = rest.strip_prefix(quote) else { continue };
        if let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix(':') {
            return Some(value);
        }
    }
    None
}

/// A line that is no key of its own: indented, an item of a list, the end of a bracket, blank, or a comment.
fn continues(line: &str) -> bool {
    let document = line.starts_with("---");
    !document && (line.trim().is_empty() || line.starts_with([' ', '\t', '-', '#', ']']))
}

/// What stands there afterwards, with the line ends that were there.
fn written(edit: &ConfigEdit, block: &[&str]) -> Vec<String> {
    if edit.keep.is_empty() {
        return Vec::new();
    }
    let head = block.first().copied().unwrap_or_default();
    let end = if head.ends_with("\r\n") { "\r\n" } else { "\n" };
    let append =
        head.split_once(':').is_some_and(|(key, _)| key.trim_end().trim_end_matches(['"', '\'']).ends_with('+'));
    let key = format!("{}{}", edit.key, if append { "+" } else { "" });
    let mut lines = vec![format!("{}:{end}", quoted_if_needed(&key))];
    lines.extend(edit.keep.iter().map(|value| format!("  - {}{end}", quoted(value))));
    lines
}
