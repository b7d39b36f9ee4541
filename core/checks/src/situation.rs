use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Value};
use serde_json::Value as Json;

/// The variables that a rule sees, for one cluster, node or edge.
///
/// A fact that is `null` (could not be read) is not there at all: CEL would answer `null == "v1"` with false, which is
/// silence about something that nobody looked at. A key that is not there is an error, and errors are unknown.
pub(crate) struct Situation {
    facts: Json,
    context: Context<'static, 'static>,
}

impl Situation {
    /// `facts` is an object; its members become variables.
    pub(crate) fn new(mut facts: Json) -> Self {
        drop_nulls(&mut facts);
        let mut context = Context::default();
        if let Json::Object(variables) = &facts {
            for (name, value) in variables {
                context.add_variable_from_value(name.as_str(), to_cel(value));
            }
        }
        // A name of our own cannot be taken already; if a later `cel` takes it, the rules' tests fail.
        let _ = context.add_function("human", human);
        Self { facts, context }
    }

    pub(crate) fn context(&self) -> &Context<'static, 'static> {
        &self.context
    }

    /// The shortest beginning of `path` that is not there, in the words of a rule: `node.datastore`.
    pub(crate) fn missing(&self, path: &[String]) -> Option<String> {
        let mut at = &self.facts;
        let mut seen = Vec::new();
        for part in path {
            seen.push(part.as_str());
            match at {
                Json::Object(members) => match members.get(part) {
                    Some(member) => at = member,
                    None => return Some(seen.join(".")),
                },
                _ => return None,
            }
        }
        None
    }
}

fn drop_nulls(value: &mut Json) {
    match value {
        Json::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Json::Array(elements) => elements.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Whole numbers become `int` (not `uint`, as the crate's own conversion would have it): CEL does not mix the two in
/// arithmetic, and rules are written with plain literals.
fn to_cel(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), _, _) => Value::Int(int),
            (None, Some(uint), _) => Value::UInt(uint),
            (None, None, float) => Value::Float(float.unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(elements) => Value::List(Arc::new(elements.iter().map(to_cel).collect())),
        Json::Object(members) => {
            let map: HashMap<Key, Value> =
                members.iter().map(|(name, member)| (Key::String(Arc::new(name.clone())), to_cel(member))).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

/// A value for people, one entry per element of a list.
pub(crate) fn words(value: &Value) -> Vec<String> {
    match value {
        Value::List(elements) => elements.iter().flat_map(words).collect(),
        Value::String(text) => vec![text.to_string()],
        Value::Bool(value) => vec![value.to_string()],
        Value::Int(value) => vec![value.to_string()],
        Value::UInt(value) => vec![value.to_string()],
        Value::Float(value) => vec![value.to_string()],
        Value::Null => Vec::new(),
        other => vec![other.json().map_or_else(|_| "(no words)".to_owned(), |json| json.to_string())],
    }
}

/// CEL function `human(int) string`: bytes as people write them, `1.2 GiB`.
fn human(bytes: i64) -> String {
    let mut size = bytes;
    let mut unit = "B";
    let mut rest = 0;
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024 {
            break;
        }
        (size, rest, unit) = (size / 1024, size % 1024, larger);
    }
    if unit == "B" || size >= 10 { format!("{size} {unit}") } else { format!("{size}.{} {unit}", rest * 10 / 1024) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predicate::{Answer, Predicate};
    use serde_json::json;

    fn ask(source: &str, facts: Json) -> Answer {
        Predicate::compile("test", source).unwrap().ask(&Situation::new(facts))
    }

    #[test]
    fn a_null_is_unknown_whatever_it_is_compared_with() {
        let facts = json!({"node": {"cgroup": null, "unit": {"name": "k3s.service"}}});
        for source in ["node.cgroup == 'v1'", "node.cgroup != 'v1'", "!(node.cgroup == 'v2')", "node.cgroup == null"] {
            assert_eq!(ask(source, facts.clone()), Answer::Unknown("not known: node.cgroup".into()), "{source}");
        }
        assert_eq!(ask("node.unit.main_pid == 0", facts), Answer::Unknown("not known: node.unit.main_pid".into()));
    }

    #[test]
    fn what_decides_without_the_missing_fact_decides() {
        let facts = json!({"node": {"kind": "sqlite"}});
        assert_eq!(ask("node.kind == 'etcd' && node.missing == 1", facts.clone()), Answer::No);
        assert_eq!(ask("node.missing == 1 && node.kind == 'etcd'", facts.clone()), Answer::No);
        assert_eq!(ask("node.missing == 1 || node.kind == 'sqlite'", facts.clone()), Answer::Yes);
        assert!(matches!(ask("node.missing == 1 || node.kind == 'etcd'", facts.clone()), Answer::Unknown(_)));
        assert!(matches!(ask("node.missing == 1 && node.kind == 'sqlite'", facts), Answer::Unknown(_)));
    }

    #[test]
    fn a_missing_member_of_an_element_is_unknown() {
        let facts = json!({"node": {"certificates": [{"days_left": 5}, {"days_left": null}]}});
        assert_eq!(ask("node.certificates.exists(c, c.days_left < 10)", facts.clone()), Answer::Yes);
        assert!(matches!(ask("node.certificates.exists(c, c.days_left < 0)", facts), Answer::Unknown(_)));
    }

    #[test]
    fn a_rule_that_is_wrong_is_unknown_and_says_so() {
        for source in ["node.name", "node.name > 3", "nobody.name == ''", "frobnicate(node.name)"] {
            let Answer::Unknown(why) = ask(source, json!({"node": {"name": "n1"}})) else { panic!("{source}") };
            assert!(why.starts_with("the rule"), "{source}: {why}");
        }
    }

    #[test]
    fn numbers_are_ints_so_that_arithmetic_works() {
        let facts = json!({"node": {"free": 12_884_901_888_u64, "device": u64::MAX}});
        assert_eq!(ask("node.free < 300 * 1048576 + node.free && node.free - 1 > 0", facts.clone()), Answer::Yes);
        assert_eq!(ask("human(node.free) == '12 GiB'", facts), Answer::Yes);
        let sizes = [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (20_480, "20 KiB"), (1_288_490_188, "1.1 GiB")];
        for (bytes, text) in sizes {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn paths_are_what_is_asked_from_outside() {
        let source = "node.a.b > 1 && has(node.c.d) && cluster.list.exists(x, x.y == edge.to.minor) && x.z";
        let predicate = Predicate::compile("test", source).unwrap();
        let paths: Vec<String> = predicate.paths().map(|path| path.join(".")).collect();
        assert_eq!(paths, ["cluster.list", "edge.to.minor", "node.a.b", "node.c", "x.z"]);
    }
}
