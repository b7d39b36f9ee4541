//! Objects as people and tools write them: YAML and JSON, read by the parser's events, so that lines are known and nothing is
//! built of what nobody asks for. An alias is not followed, so a file cannot grow while it is read.

use std::collections::BTreeMap;

use granit_parser::{Event, Options, Parser};

/// The longest text that is kept of an object; no name of Kubernetes is as long.
const LONGEST: usize = 512;

/// An object of a manifest, as far as it says what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    /// 1-based: where its `apiVersion` is.
    pub line: u32,
    pub api_version: String,
    pub kind: String,
    /// `default/web`, or `web` where it names no namespace; empty where it has no name.
    pub name: String,
}

/// The line at which a text stops being YAML. Never the text: a Secret may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYaml {
    pub line: u32,
}

impl Written {
    /// Every object of every document, those of lists one by one, in the order of their lines.
    ///
    /// # Errors
    /// When it is not YAML.
    pub fn all(text: &str) -> Result<Vec<Self>, NotYaml> {
        let mut walk = Walk::default();
        for event in Parser::new_from_str_with_options(text, Options::default()) {
            let (event, span) = event.map_err(|error| NotYaml { line: number(error.marker().line()) })?;
            walk.take(event, number(span.start.line()));
        }
        walk.found.sort_unstable();
        Ok(walk.found)
    }
}

fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// What a mapping or a sequence is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Object,
    Metadata,
    /// A list of objects.
    Items,
    Other,
}

/// A mapping or a sequence that is open.
#[derive(Debug)]
struct Open {
    role: Role,
    is_mapping: bool,
    /// Of a mapping: the key whose value is to come.
    key: Option<String>,
    line: u32,
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    has_items: bool,
}

#[derive(Debug, Default)]
struct Walk {
    open: Vec<Open>,
    /// Texts that are named, for those who only point at them.
    anchors: BTreeMap<usize, String>,
    found: Vec<Written>,
}

impl Walk {
    fn take(&mut self, event: Event<'_>, line: u32) {
        match event {
            Event::DocumentStart(..) | Event::DocumentEnd => self.open.clear(),
            Event::Scalar(text, _, anchor, _) => {
                let text: String = if text.len() > LONGEST { String::new() } else { text.into_owned() };
                if anchor > 0 {
                    self.anchors.insert(anchor, text.clone());
                }
                self.text(text, line);
            }
            Event::Alias(anchor) => {
                let text = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.text(text, line);
            }
            Event::MappingStart(..) => self.begin(true),
            Event::SequenceStart(..) => self.begin(false),
            Event::MappingEnd | Event::SequenceEnd => self.end(),
            _ => {}
        }
    }

    fn begin(&mut self, is_mapping: bool) {
        let role = match self.open.last_mut() {
            None if is_mapping => Role::Object,
            None => Role::Items,
            Some(parent) => match (parent.role, parent.key.as_deref(), is_mapping) {
                (Role::Object, Some("metadata"), true) => Role::Metadata,
                (Role::Object, Some("items"), false) => {
                    parent.has_items = true;
                    Role::Items
                }
                (Role::Items, None, true) => Role::Object,
                _ => Role::Other,
            },
        };
        let text = String::new;
        self.open.push(Open {
            role,
            is_mapping,
            key: None,
            line: 0,
            api_version: text(),
            kind: text(),
            namespace: text(),
            name: text(),
            has_items: false,
        });
    }

    fn text(&mut self, text: String, line: u32) {
        let Some(at) = self.open.last_mut().filter(|at| at.is_mapping) else { return };
        let Some(key) = at.key.take() else {
            at.key = Some(text);
            return;
        };
        match (at.role, key.as_str()) {
            (Role::Object, "apiVersion") => (at.api_version, at.line) = (text, line),
            (Role::Object, "kind") => at.kind = text,
            (Role::Metadata, "name") => at.name = text,
            (Role::Metadata, "namespace") => at.namespace = text,
            _ => {}
        }
    }

    fn end(&mut self) {
        let Some(done) = self.open.pop() else { return };
        if let Some(parent) = self.open.last_mut() {
            // What is no text was either a value or, oddly, a key.
            if parent.is_mapping && parent.key.take().is_none() {
                parent.key = Some(String::new());
            }
            if done.role == Role::Metadata {
                (parent.name, parent.namespace) = (done.name, done.namespace);
                return;
            }
        }
        let is_list = done.has_items && done.kind.ends_with("List");
        if done.role == Role::Object && !is_list && !done.api_version.is_empty() && !done.kind.is_empty() {
            let name = match (done.namespace.as_str(), done.name.as_str()) {
                ("", name) | (_, name @ "") => name.to_owned(),
                (namespace, name) => format!("{namespace}/{name}"),
            };
            self.found.push(Written { line: done.line, api_version: done.api_version, kind: done.kind, name });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let of = |one: Written| format!("{} {} {} {}", one.line, one.api_version, one.kind, one.name);
        Written::all(text).unwrap().into_iter().map(of).collect()
    }

    #[test]
    fn every_document_is_read_with_its_line() {
        let text = "# c\n---\napiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata:\n  name: web\n  kind: no\nspec:\n  apiVersion: x/v1\n---\nkind: \"Service\"\nmetadata: { namespace: a, name: b }\napiVersion: v1 # core\n---\nvalues: 1\n---\n";
        assert_eq!(told(text), ["3 policy/v1beta1 PodDisruptionBudget web", "13 v1 Service a/b"]);
        assert!(told("").is_empty() && told("just text").is_empty() && told("- 1\n- [a]\n").is_empty());
    }

    #[test]
    fn lists_are_opened_and_what_only_looks_like_one_is_not() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: batch/v1beta1\n  kind: CronJob\n  metadata: {name: c}\n- kind: Role\n  apiVersion: rbac.authorization.k8s.io/v1beta1\n";
        assert_eq!(told(list), ["4 batch/v1beta1 CronJob c", "8 rbac.authorization.k8s.io/v1beta1 Role "]);
        let owned = "apiVersion: autoscaling/v2beta2\nkind: HorizontalPodAutoscaler\nspec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    items: [{apiVersion: a/v1, kind: B}]\n";
        assert_eq!(told(owned), ["1 autoscaling/v2beta2 HorizontalPodAutoscaler "]);
        assert_eq!(told("apiVersion: e/v1\nkind: AllowList\nspec: {}\n"), ["1 e/v1 AllowList "]);
        assert_eq!(told("[{\"apiVersion\":\"a/v1\",\"kind\":\"B\"}]"), ["1 a/v1 B "]);
    }

    #[test]
    fn names_that_are_pointed_at_are_found_and_bombs_do_not_grow() {
        assert_eq!(told("apiVersion: &v batch/v1beta1\nkind: CronJob\n---\n"), ["1 batch/v1beta1 CronJob "]);
        let pointed = "x: &v batch/v1beta1\napiVersion: *v\nkind: CronJob\n";
        assert_eq!(told(pointed), ["2 batch/v1beta1 CronJob "]);
        let mut bomb = "a0: &a0 [x]\n".to_owned();
        for n in 1..60 {
            let (at, of) = (n, n - 1);
            bomb +=
                &format!("a{at}: &a{at} [*a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}]\n");
        }
        assert_eq!(told(&format!("{bomb}apiVersion: v1\nkind: Bomb\n")), ["61 v1 Bomb "]);
    }

    #[test]
    fn keys_that_are_no_texts_do_not_shift_the_others() {
        let odd = "? {a: b}\n: c\n? [apiVersion]\n: kind\napiVersion: v1\nkind: Odd\n";
        assert_eq!(told(odd), ["5 v1 Odd "]);
    }

    #[test]
    fn what_is_not_yaml_says_where() {
        assert_eq!(Written::all("a: b\nc: [d\n").map_err(|error| error.line > 0), Err(true));
        let template = "apiVersion: v1\nkind: A\nmetadata:\n  {{- include \"x\" . | nindent 2 }}\n";
        assert!(Written::all(template).is_err());
        let deep = format!("a: {}", "[".repeat(100_000));
        assert!(Written::all(&deep).is_err());
    }
}
