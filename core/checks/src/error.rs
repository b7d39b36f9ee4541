/// Why knowledge (a rule or a table) cannot be used. `file` is relative to `knowledge/`.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    #[error("{file} could not be read as TOML of the expected shape: {source}")]
    Toml { file: String, source: Box<toml::de::Error> },
    #[error("{file}: the CEL expression `{expression}` could not be parsed: {why}")]
    Cel { file: String, expression: String, why: String },
    #[error("{file}: {why}")]
    Rule { file: String, why: String },
}

impl KnowledgeError {
    pub(crate) fn rule(file: &str, why: impl Into<String>) -> Self {
        Self::Rule { file: file.to_owned(), why: why.into() }
    }
}
