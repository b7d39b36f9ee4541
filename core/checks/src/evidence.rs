use std::sync::OnceLock;

use cel::Value;

use crate::KnowledgeError;
use crate::predicate::Predicate;
use crate::situation::Situation;

/// What a rule shows of the facts when it fires: a CEL expression. Half of all that is written in CEL is evidence, and a check
/// shows that of a few rules, so what this build carries is compiled when it is asked for.
#[derive(Debug)]
pub(crate) struct Evidence {
    source: String,
    compiled: OnceLock<Option<Predicate>>,
}

impl Evidence {
    /// Compiles what somebody else wrote.
    pub(crate) fn compile(file: &str, source: &str) -> Result<Self, KnowledgeError> {
        let compiled = Some(Predicate::compile(file, source)?).into();
        Ok(Self { source: source.to_owned(), compiled })
    }

    /// Takes what this build carries: a test has compiled it.
    pub(crate) fn tested(source: &str) -> Self {
        Self { source: source.to_owned(), compiled: OnceLock::new() }
    }

    /// The expression, where it was compiled.
    pub(crate) fn compiled(&self) -> Option<&Predicate> {
        self.compiled.get()?.as_ref()
    }

    /// Its value; `None` where a fact that it asks for is not known.
    pub(crate) fn value(&self, situation: &Situation) -> Option<Value> {
        let compiled = self.compiled.get_or_init(|| Predicate::compile("", &self.source).ok());
        compiled.as_ref()?.value(situation).ok()
    }
}
