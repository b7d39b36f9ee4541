use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{ExecutionError, Program, Value};

use crate::KnowledgeError;
use crate::situation::Situation;

/// A CEL expression, compiled.
#[derive(Debug)]
pub(crate) struct Predicate {
    source: String,
    program: Program,
    /// Every fact that it asks for from outside, such as `["node", "disks", "data", "free"]`.
    paths: BTreeSet<Vec<String>>,
}

/// What a predicate says about a situation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// Not answered, with the reason in words.
    Unknown(String),
}

impl Predicate {
    pub(crate) fn compile(file: &str, source: &str) -> Result<Self, KnowledgeError> {
        let program = Program::compile(source).map_err(|errors| KnowledgeError::Cel {
            file: file.to_owned(),
            expression: source.to_owned(),
            why: errors.to_string(),
        })?;
        let mut paths = BTreeSet::new();
        collect(program.expression(), &mut Vec::new(), &mut paths);
        Ok(Self { source: source.to_owned(), program, paths })
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Vec<String>> {
        self.paths.iter()
    }

    /// Names that must be given from outside.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &String> {
        self.paths.iter().filter_map(|path| path.first())
    }

    /// The value of the expression.
    pub(crate) fn value(&self, situation: &Situation) -> Result<Value, ExecutionError> {
        self.program.execute(situation.context())
    }

    /// Asks the predicate. An error of any kind is unknown, never no: a missing fact (`NoSuchKey`) is the usual one.
    pub(crate) fn ask(&self, situation: &Situation) -> Answer {
        match self.value(situation) {
            Ok(Value::Bool(true)) => Answer::Yes,
            Ok(Value::Bool(false)) => Answer::No,
            Ok(other) => Answer::Unknown(format!("the rule answered `{other:?}` instead of yes or no")),
            Err(ExecutionError::NoSuchKey(key)) => {
                let missing: Vec<String> = self
                    .paths()
                    .filter_map(|path| situation.missing(path))
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect();
                let missing = if missing.is_empty() { key.to_string() } else { missing.join(", ") };
                Answer::Unknown(format!("not known: {missing}"))
            }
            Err(error) => Answer::Unknown(format!("the rule could not be evaluated: {error}")),
        }
    }
}

/// Collects the longest selections that begin at a name from outside. A presence test (`has(a.b)`) asks for `a` only.
fn collect(expression: &IdedExpr, bound: &mut Vec<String>, paths: &mut BTreeSet<Vec<String>>) {
    match &expression.expr {
        Expr::Ident(_) | Expr::Select(_) => {
            let mut path = Vec::new();
            let mut at = expression;
            loop {
                match &at.expr {
                    Expr::Select(select) => {
                        if select.test {
                            path.clear();
                        } else {
                            path.push(select.field.clone());
                        }
                        at = &select.operand;
                    }
                    Expr::Ident(name) => {
                        // Names with `@` are the macros' own accumulators.
                        if !name.starts_with('@') && !bound.contains(name) {
                            path.push(name.clone());
                            path.reverse();
                            paths.insert(path);
                        }
                        return;
                    }
                    _ => return collect(at, bound, paths),
                }
            }
        }
        Expr::Call(call) => {
            for part in call.target.as_deref().into_iter().chain(&call.args) {
                collect(part, bound, paths);
            }
        }
        Expr::Comprehension(comprehension) => {
            collect(&comprehension.iter_range, bound, paths);
            collect(&comprehension.accu_init, bound, paths);
            let before = bound.len();
            bound.extend([comprehension.iter_var.clone(), comprehension.accu_var.clone()]);
            bound.extend(comprehension.iter_var2.clone());
            for part in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
                collect(part, bound, paths);
            }
            bound.truncate(before);
        }
        Expr::List(list) => list.elements.iter().for_each(|element| collect(element, bound, paths)),
        Expr::Map(map) => collect_entries(map.entries.iter().map(|entry| &entry.expr), bound, paths),
        Expr::Struct(parts) => collect_entries(parts.entries.iter().map(|entry| &entry.expr), bound, paths),
        Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn collect_entries<'a>(
    entries: impl Iterator<Item = &'a EntryExpr>,
    bound: &mut Vec<String>,
    paths: &mut BTreeSet<Vec<String>>,
) {
    for entry in entries {
        match entry {
            EntryExpr::StructField(field) => collect(&field.value, bound, paths),
            EntryExpr::MapEntry(entry) => {
                collect(&entry.key, bound, paths);
                collect(&entry.value, bound, paths);
            }
        }
    }
}
