use std::fmt::Write;

use belay_facts::K3sVersion;
use serde::Serialize;

use super::Reason;

/// A file of `config.yaml.d` that makes the configuration one which the target reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DropIn {
    /// Where K3s would read it.
    pub path: String,
    /// YAML.
    pub text: String,
    pub reasons: Vec<Reason>,
}

/// What goes into a drop-in, in order.
#[derive(Default)]
pub(super) struct Contents {
    entries: Vec<Entry>,
}

struct Entry {
    /// With `+` where it appends.
    key: String,
    values: Vec<String>,
    list: bool,
    reasons: Vec<Reason>,
}

impl Contents {
    /// The whole list of a key: K3s reads the last file's alone.
    pub(super) fn list(&mut self, key: &str, values: Vec<String>, reasons: Vec<Reason>) {
        self.entries.push(Entry { key: key.to_owned(), values, list: true, reasons });
    }

    /// One more value for the list of a key, whatever files have it already.
    pub(super) fn append(&mut self, key: &str, value: &str, reason: Reason) {
        let key = format!("{key}+");
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => {
                if !entry.values.iter().any(|known| known == value) {
                    entry.values.push(value.to_owned());
                }
                entry.reasons.push(reason);
            }
            None => self.list(&key, vec![value.to_owned()], vec![reason]),
        }
    }

    /// A key with one value; the value that it has here already when it differs.
    pub(super) fn set(&mut self, key: &str, value: &str, reason: Reason) -> Result<(), String> {
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => match entry.values.first() {
                Some(other) if other != value => Err(other.clone()),
                _ => {
                    entry.reasons.push(reason);
                    Ok(())
                }
            },
            None => {
                let (key, values) = (key.to_owned(), vec![value.to_owned()]);
                self.entries.push(Entry { key, values, list: false, reasons: vec![reason] });
                Ok(())
            }
        }
    }

    /// The drop-in at `path`; `None` when nothing goes into it.
    pub(super) fn into_drop_in(self, path: &str, to: &K3sVersion) -> Option<DropIn> {
        if self.entries.is_empty() {
            return None;
        }
        let mut text = format!("# Proposed by: belay config fix --to {to}\n");
        let mut reasons = Vec::new();
        for entry in self.entries {
            for reason in &entry.reasons {
                let _ = writeln!(text, "# {}", one_line(&format!("{}: {}", reason.what, reason.why)));
            }
            let key = quoted_if_needed(&entry.key);
            match (entry.list, entry.values.first()) {
                (false, Some(value)) => {
                    let _ = writeln!(text, "{key}: {}", quoted(value));
                }
                (_, None) => {
                    let _ = writeln!(text, "{key}: []");
                }
                (true, Some(_)) => {
                    let _ = writeln!(text, "{key}:");
                    for value in &entry.values {
                        let _ = writeln!(text, "  - {}", quoted(value));
                    }
                }
            }
            reasons.extend(entry.reasons);
        }
        Some(DropIn { path: path.to_owned(), text, reasons })
    }
}

/// A text as YAML reads it back: its double-quoted form has JSON's escapes, and needs them for YAML's own line breaks and
/// what cannot be printed as well.
pub(crate) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
        out
    })
}

/// A key of K3s needs no quotes; anything else is none of ours and gets them.
pub(crate) fn quoted_if_needed(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+'));
    if plain { key.to_owned() } else { quoted(key) }
}

/// Names and values are written by others: a line break would end the comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}
