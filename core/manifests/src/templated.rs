use crate::written::Written;

/// What the lines of a template say. It is no YAML before it is rendered, and only the chart knows what is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templated {
    /// Each version with each kind of the same document: a template may choose between some.
    pub objects: Vec<Written>,
    /// 1-based: lines whose version or kind the template computes.
    pub computed: Vec<u32>,
}

/// More of one document than this is no choice.
const MOST: usize = 16;

#[derive(Default)]
struct Document {
    versions: Vec<(u32, String)>,
    kinds: Vec<String>,
    name: String,
    in_metadata: bool,
}

impl Templated {
    /// Reads a text of Helm's templates, or of another template with `{{`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut read = Self::default();
        let mut document = Document::default();
        let mut last = "";
        for (number, line) in (1_u32..).zip(text.lines()) {
            if line.starts_with("---") {
                read.take(&std::mem::take(&mut document));
                last = "";
                continue;
            }
            let trimmed = line.trim();
            // An object's own keys are at the margin, or right below an action that chooses between them.
            let is_own = line.trim_start().len() == line.len() || last.starts_with("{{");
            if let Some(value) = trimmed.strip_prefix("apiVersion:").filter(|_| is_own) {
                match plain(value) {
                    Some(version) if document.versions.len() < MOST => document.versions.push((number, version)),
                    Some(_) => {}
                    None => read.computed.push(number),
                }
            } else if let Some(value) = trimmed.strip_prefix("kind:").filter(|_| is_own) {
                match plain(value) {
                    Some(kind) if document.kinds.len() < MOST => document.kinds.push(kind),
                    Some(_) => {}
                    None => read.computed.push(number),
                }
            } else if line.starts_with("metadata:") {
                document.in_metadata = true;
            } else if let Some(value) = line.strip_prefix("  name:").filter(|_| document.in_metadata) {
                document.in_metadata = false;
                document.name = plain(value).unwrap_or_default();
            }
            if !trimmed.is_empty() && !trimmed.starts_with('#') {
                last = trimmed;
            }
        }
        read.take(&document);
        read.objects.sort_unstable();
        read.objects.dedup();
        read
    }

    fn take(&mut self, document: &Document) {
        for (line, api_version) in &document.versions {
            for kind in &document.kinds {
                let (api_version, kind, name) = (api_version.clone(), kind.clone(), document.name.clone());
                self.objects.push(Written { line: *line, api_version, kind, name });
            }
        }
    }
}

/// A value without quotes and comment; `None` for one that is computed.
fn plain(value: &str) -> Option<String> {
    let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    (!value.contains("{{") && !value.is_empty() && value.len() < 512).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (Vec<String>, Vec<u32>) {
        let read = Templated::read(text);
        let of = |one: Written| format!("{} {} {} {}", one.line, one.api_version, one.kind, one.name);
        (read.objects.into_iter().map(of).collect(), read.computed)
    }

    #[test]
    fn a_template_that_chooses_names_all_that_it_chooses_from() {
        let text = "{{- if .Values.on }}\n{{- if semverCompare \">=1.21\" .V }}\napiVersion: policy/v1\n{{- else }}\napiVersion: policy/v1beta1\n{{- end }}\nkind: PodDisruptionBudget\nmetadata:\n  name: {{ .Release.Name }}\n{{- end }}\n---\napiVersion: \"batch/v1beta1\"\nkind: CronJob # c\nmetadata:\n  name: nightly\n";
        let (objects, computed) = told(text);
        let all = [
            "3 policy/v1 PodDisruptionBudget ",
            "5 policy/v1beta1 PodDisruptionBudget ",
            "12 batch/v1beta1 CronJob nightly",
        ];
        assert_eq!(objects, all);
        assert!(computed.is_empty());
    }

    #[test]
    fn what_is_computed_is_said_and_what_is_nested_is_not_taken() {
        let text = "apiVersion: {{ include \"hpa.apiVersion\" . }}\nkind: HorizontalPodAutoscaler\nspec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n";
        assert_eq!(told(text), (vec![], vec![1]));
        let indented = "{{- if .a }}\n  apiVersion: apps/v1\n{{- end }}\nkind: Deployment\n";
        assert_eq!(told(indented).0, ["2 apps/v1 Deployment "]);
    }

    #[test]
    fn a_text_of_nothing_but_versions_stays_small() {
        let text = format!("{}{}", "apiVersion: a/v1\n".repeat(5000), "kind: B\n".repeat(5000));
        assert!(Templated::read(&text).objects.len() <= MOST * MOST);
        assert_eq!(Templated::read(""), Templated::default());
    }
}
