//! `config.yaml` as K3s' flag parser sees it: a flat map of keys to one text or a list of texts.
//!
//! Read from the parser's events, not through types: text stays as written (`0755` and `yes` would become `755.0` and
//! `true` in an untyped value), lines are known, and the helper stays small. The parser is the one that serde-saphyr
//! uses, so the coordinator reads the same YAML.

use std::collections::BTreeMap;

use granit_parser::{Event, Options, Parser, ScalarStyle};

/// One entry of a file, in the file's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As written, with a trailing `+` where it appends.
    pub key: String,
    /// Text as written; one for a scalar.
    pub values: Vec<String>,
    /// 1-based.
    pub line: u32,
}

/// The line at which a file stops being a flat map of flags. Never the text: it may be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a flat YAML map at line {line}")]
pub(crate) struct NotFlat {
    pub line: usize,
}

/// Where in the file the reader is.
enum State {
    /// Before, between or after documents.
    Outside,
    Key,
    Value {
        key: String,
        line: u32,
    },
    List {
        key: String,
        line: u32,
        values: Vec<String>,
        anchor: usize,
    },
}

/// Reads a file's entries.
///
/// # Errors
/// When it is not a flat map, or has a key twice.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, NotFlat> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut anchors: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut state = State::Outside;
    for event in Parser::new_from_str_with_options(text, Options::default()) {
        let (event, span) = event.map_err(|error| NotFlat { line: error.marker().line() })?;
        let odd = NotFlat { line: span.start.line() };
        let mut add = |key: String, line, values| {
            if entries.iter().any(|entry| entry.key == key) {
                return Err(odd);
            }
            entries.push(Entry { key, values, line });
            Ok(State::Key)
        };
        state = match (state, event) {
            (state, Event::Comment(..)) => state,
            (State::Outside, Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd) => {
                State::Outside
            }
            // A document of nothing but comments is one empty value.
            (State::Outside, Event::Scalar(value, ScalarStyle::Plain, ..))
                if written(&value, ScalarStyle::Plain).is_empty() =>
            {
                State::Outside
            }
            (State::Outside, Event::MappingStart(..)) => State::Key,
            (State::Key, Event::MappingEnd) => State::Outside,
            (State::Key, Event::Scalar(key, ..)) => {
                State::Value { key: key.into_owned(), line: u32::try_from(odd.line).unwrap_or_default() }
            }
            (State::Value { key, line }, Event::Scalar(value, style, anchor, _)) => {
                let values = vec![written(&value, style)];
                anchors.insert(anchor, values.clone());
                add(key, line, values)?
            }
            (State::Value { key, line }, Event::SequenceStart(_, anchor, _)) => {
                State::List { key, line, values: Vec::new(), anchor }
            }
            (State::Value { key, line }, Event::Alias(id)) => add(key, line, anchors.get(&id).cloned().ok_or(odd)?)?,
            (State::List { key, line, mut values, anchor }, Event::Scalar(value, style, ..)) => {
                values.push(written(&value, style));
                State::List { key, line, values, anchor }
            }
            (State::List { key, line, values, anchor }, Event::SequenceEnd) => {
                anchors.insert(anchor, values.clone());
                add(key, line, values)?
            }
            _ => return Err(odd),
        };
    }
    Ok(entries)
}

/// The texts of any document with the keys that lead to them, in the file's order; `-` is an element of a list. `None` when it is
/// no YAML. What an alias stands for is left out.
pub(crate) fn leaves(text: &str) -> Option<Vec<(Vec<String>, String)>> {
    let mut leaves = Vec::new();
    // Of each collection that is open: whether it is a list, and the key that waits for its value (none where a key is next).
    let mut open: Vec<(bool, Option<String>)> = Vec::new();
    for event in Parser::new_from_str_with_options(text, Options::default()) {
        let (event, _) = event.ok()?;
        match event {
            Event::MappingStart(..) => open.push((false, None)),
            Event::SequenceStart(..) => open.push((true, Some("-".to_owned()))),
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                answered(&mut open);
            }
            Event::Scalar(value, style, ..) => match open.last_mut() {
                Some((false, key @ None)) => *key = Some(value.into_owned()),
                _ => {
                    let path = open.iter().filter_map(|(_, key)| key.clone()).collect();
                    leaves.push((path, written(&value, style)));
                    answered(&mut open);
                }
            },
            Event::Alias(..) => answered(&mut open),
            _ => {}
        }
    }
    Some(leaves)
}

/// A value is complete: in a map a key comes next.
fn answered(open: &mut [(bool, Option<String>)]) {
    if let Some((false, key)) = open.last_mut() {
        *key = None;
    }
}

/// Text as written; YAML's plain nothing is an empty text.
fn written(value: &str, style: ScalarStyle) -> String {
    match (style, value) {
        (ScalarStyle::Plain, "~" | "null" | "Null" | "NULL") => String::new(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_as_written_and_lines_are_known() {
        let text = "# ours\nnode-ip: 10.77.0.11\nwrite-kubeconfig-mode: 0644\nselinux: yes\nbig: 1.20\nempty:\n\
            kubelet-arg: [\"fail-cgroupv1=false\", eviction-hard=nodefs.available<1%]\n\
            disable+:\n  - traefik\n  - 007\n";
        let read = entries(text).unwrap();
        let flat: Vec<(u32, &str, String)> =
            read.iter().map(|e| (e.line, e.key.as_str(), e.values.join("|"))).collect();
        let expected = [
            (2, "node-ip", "10.77.0.11"),
            (3, "write-kubeconfig-mode", "0644"),
            (4, "selinux", "yes"),
            (5, "big", "1.20"),
            (6, "empty", ""),
            (7, "kubelet-arg", "fail-cgroupv1=false|eviction-hard=nodefs.available<1%"),
            (8, "disable+", "traefik|007"),
        ];
        let expected: Vec<_> = expected.map(|(line, key, values)| (line, key, values.to_owned())).into();
        assert_eq!(flat, expected);
    }

    #[test]
    fn what_is_not_a_flat_map_is_an_error_and_an_empty_file_is_not() {
        assert_eq!(entries("").unwrap(), []);
        assert_eq!(entries("---\n# nothing\n").unwrap(), []);
        assert_eq!(entries("# nothing\n").unwrap(), []);
        assert_eq!(entries("a: &x [1, 2]\nb: *x\n").unwrap()[1].values, ["1", "2"]);
        assert_eq!(entries("ok: 1\nbad: {b: c}\n"), Err(NotFlat { line: 2 }));
        for bad in ["a: {b: c}", "- a", "a: [[b]]", "a: 'x", "a: 1\na: 2\n"] {
            assert!(entries(bad).is_err(), "{bad}");
        }
    }
}
