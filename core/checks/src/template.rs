use cel::Value;

use crate::KnowledgeError;
use crate::predicate::Predicate;
use crate::situation::{Situation, words};

/// A sentence with places to fill: `{node.name}` holds a CEL expression over the same variables as the predicate.
#[derive(Debug)]
pub(crate) struct Template {
    source: String,
    parts: Vec<Part>,
}

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
        Ok(Self { source: source.to_owned(), parts })
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
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

fn sentence(value: &Value) -> String {
    words(value).join(", ")
}
