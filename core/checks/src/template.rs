use cel::Value;

use crate::KnowledgeError;
use crate::predicate::Predicate;
use crate::situation::{Situation, words};

/// A sentence with places to fill: `{node.name}` holds a CEL expression over the same variables as the predicate.
#[derive(Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

/// What people call what a rule fills in. Anything else is called by the last name in its expression.
const WORDS: [(&str, &str); 18] = [
    ("node.name", "node"),
    ("node.unit.name", "unit"),
    ("node.unit.fragment", "unit file"),
    ("node.data_dir", "data directory"),
    ("node.binary.resolved", "k3s binary"),
    ("node.arch", "architecture"),
    ("node.datastore.path", "datastore"),
    ("edge.from.tag", "running version"),
    ("edge.from.minor", "running minor"),
    ("edge.from.minor + 1", "next minor"),
    ("edge.to.tag", "target"),
    ("edge.to.minor", "target's minor"),
    ("edge.to.latest", "release"),
    ("edge.minors", "so many"),
    ("edge.to.bad.map(b, b.problem)", "what is wrong with it"),
    ("edge.to.bad.map(b, b.fixed)", "releases"),
    ("edge.from.bad.map(b, b.problem)", "what is wrong with it"),
    ("edge.from.bad.map(b, b.fixed)", "releases"),
];

#[derive(Debug)]
enum Part {
    Text(String),
    Fill(Predicate),
}

impl Template {
    pub(crate) fn compile(file: &str, source: &str) -> Result<Self, KnowledgeError> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, after)) = rest.split_once('{') {
            let (expression, after) = after
                .split_once('}')
                .ok_or_else(|| KnowledgeError::rule(file, format!("a `{{` is not closed in `{source}`")))?;
            parts.push(Part::Text(text.to_owned()));
            parts.push(Part::Fill(Predicate::compile(file, expression)?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// For whoever reads about the rule, where there is no node yet: `<node>` for `{node.name}`.
    pub(crate) fn in_words(&self) -> String {
        let word = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Fill(expression) => format!("<{}>", called(expression.source())),
        };
        self.parts.iter().map(word).collect()
    }

    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Predicate> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Fill(expression) => Some(expression),
        })
    }

    /// What cannot be filled in stays visible as `(unknown)`.
    pub(crate) fn fill(&self, situation: &Situation) -> String {
        let fill = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Fill(expression) => {
                expression.value(situation).map_or_else(|_| "(unknown)".to_owned(), |value| sentence(&value))
            }
        };
        self.parts.iter().map(fill).collect()
    }
}

fn called(expression: &str) -> String {
    if let Some((_, word)) = WORDS.iter().find(|(known, _)| *known == expression) {
        return (*word).to_owned();
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let last = expression.split(|c| !is_name(c)).rfind(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
    last.unwrap_or("value").replace('_', " ")
}

fn sentence(value: &Value) -> String {
    words(value).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Knowledge;

    #[test]
    fn expressions_stood_in_the_texts_of_rules() {
        let words = |source: &str| Template::compile("test", source).unwrap().in_words();
        assert_eq!(words("Move {node.name} to {edge.to.tag}."), "Move <node> to <target>.");
        assert_eq!(words("1.{edge.from.minor + 1} in {human(node.datastore.size)}"), "1.<next minor> in <size>");
        assert_eq!(
            words("{edge.to.bad.map(b, b.problem)}; {node.unit.kill_mode}"),
            "<what is wrong with it>; <kill mode>"
        );
        for rule in crate::table(&Knowledge::embedded().unwrap()) {
            for text in [Some(rule.means), Some(rule.fix), rule.unknown].into_iter().flatten() {
                assert!(!text.contains(['{', '}']), "{}: {text}", rule.id);
            }
        }
    }
}
