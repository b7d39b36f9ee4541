use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize};

use crate::evidence::Evidence;
use crate::predicate::Predicate;
use crate::template::Template;
use crate::{KnowledgeError, Severity};

/// One risk: a file `knowledge/rules/<name>.toml`, compiled.
#[derive(Debug)]
pub struct Rule {
    /// `belay-<name>`.
    pub id: String,
    pub title: String,
    pub severity: Severity,
    pub scope: Scope,
    /// It asks about the target (`edge.to`, `edge.minors`, …); without a target it is not evaluated.
    pub needs_target: bool,
    /// It asks about `objects`; where nobody asked for them it is not evaluated.
    pub needs_objects: bool,
    /// It asks about folders of manifests; where nobody named one it is not evaluated.
    pub needs_manifests: bool,
    /// It asks what only a deep look at a node reads.
    pub needs_deep: bool,
    /// `false` for what Belay cannot do rather than what is risky: no acceptance makes it possible.
    pub acceptable: bool,
    /// What it warns of restarts every container of the node, or of each node: what becomes of workloads is told by it.
    pub restarts_pods: bool,
    pub cases: Vec<String>,
    pub sources: Vec<String>,
    pub as_of: Date,
    /// Facts on which it fires, relative to `core/checks`; empty where it came with a bundle.
    pub red: String,
    /// Facts on which it does not.
    pub green: String,
    pub(crate) when: Predicate,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) means: Template,
    pub(crate) fix: Template,
    /// What to do instead when it could not be judged, where `fix` would ask for what nobody knows to be needed.
    pub(crate) unknown: Option<Template>,
}

/// What a rule is asked about: once, once per node, or once per edge (from → to).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    Cluster,
    Node,
    Edge,
}

/// Users of APIs (the variable `users`) that are known only with objects, or with folders.
const OF_OBJECTS: &[&str] = &["releases", "managers"];
const OF_FOLDERS: &[&str] = &["files", "templates"];
/// What is read of a node for `check --deep` and for a plan.
const DEEP: [&str; 2] = ["node", "userland"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleFile {
    pub(crate) id: String,
    title: String,
    severity: Severity,
    scope: Scope,
    needs: Option<Need>,
    #[serde(default = "yes")]
    acceptable: bool,
    #[serde(default)]
    restarts_pods: bool,
    when: String,
    evidence: Option<String>,
    means: String,
    fix: String,
    unknown: Option<String>,
    #[serde(default)]
    cases: Vec<String>,
    sources: Vec<String>,
    #[serde(deserialize_with = "date")]
    as_of: Date,
    #[serde(default)]
    red: String,
    #[serde(default)]
    green: String,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Need {
    Target,
}

/// How the evidence of a rule is read, from its file's name and its text.
type ReadEvidence = fn(&str, &str) -> Result<Evidence, KnowledgeError>;

const fn yes() -> bool {
    true
}

/// TOML's own date (`as_of = 2026-11-23`).
pub(crate) fn date<'de, D: Deserializer<'de>>(d: D) -> Result<Date, D::Error> {
    toml::value::Datetime::deserialize(d)?.to_string().parse().map_err(serde::de::Error::custom)
}

/// As [`date`], where there may be none.
pub(crate) fn maybe_date<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Date>, D::Error> {
    date(d).map(Some)
}

impl Rule {
    /// Reads `knowledge/rules/<name>.toml`.
    ///
    /// # Errors
    /// When it is not TOML of this shape, an expression does not parse, it asks for variables that its scope does not
    /// have, or it names a target without saying so (it would then be unknown instead of not asked).
    pub fn parse(name: &str, text: &str) -> Result<Self, KnowledgeError> {
        Self::read(name, text, Evidence::compile)
    }

    /// The same of a rule that this build carries, without what a test of this crate has compiled.
    pub(crate) fn tested(name: &str, text: &str) -> Result<Self, KnowledgeError> {
        Self::read(name, text, |_, source| Ok(Evidence::tested(source)))
    }

    fn read(name: &str, text: &str, evidence: ReadEvidence) -> Result<Self, KnowledgeError> {
        let file = format!("rules/{name}.toml");
        let raw: RuleFile = toml::from_str(text)
            .map_err(|source| KnowledgeError::Toml { file: file.clone(), source: Box::new(source) })?;
        if raw.id != format!("belay-{name}") {
            return Err(KnowledgeError::rule(&file, format!("its id is `{}`, expected `belay-{name}`", raw.id)));
        }
        if raw.red.is_empty() || raw.green.is_empty() {
            return Err(KnowledgeError::rule(&file, "it names no red and green facts"));
        }
        Self::made(&file, raw, evidence)
    }

    /// Compiles what was read from `file`.
    pub(crate) fn compile(file: &str, raw: RuleFile) -> Result<Self, KnowledgeError> {
        Self::made(file, raw, Evidence::compile)
    }

    fn made(file: &str, raw: RuleFile, evidence: ReadEvidence) -> Result<Self, KnowledgeError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if raw.id.is_empty() || !raw.id.chars().all(plain) {
            return Err(KnowledgeError::rule(
                file,
                format!("the id {:?} is not of small letters, digits and -", raw.id),
            ));
        }
        if raw.sources.is_empty() {
            return Err(KnowledgeError::rule(file, "it names no source"));
        }
        let when = Predicate::compile(file, &raw.when)?;
        let evidence = raw.evidence.as_deref().map(|text| evidence(file, text)).transpose()?;
        let means = Template::compile(file, &raw.means)?;
        let fix = Template::compile(file, &raw.fix)?;
        let unknown = raw.unknown.as_deref().map(|text| Template::compile(file, text)).transpose()?;
        let mut rule = Self {
            id: raw.id,
            title: raw.title,
            severity: raw.severity,
            scope: raw.scope,
            needs_target: raw.needs == Some(Need::Target),
            needs_objects: false,
            needs_manifests: false,
            needs_deep: false,
            acceptable: raw.acceptable,
            restarts_pods: raw.restarts_pods,
            cases: raw.cases,
            sources: raw.sources,
            as_of: raw.as_of,
            red: raw.red,
            green: raw.green,
            when,
            evidence,
            means,
            fix,
            unknown,
        };
        rule.lint(file)?;
        (rule.needs_objects, rule.needs_manifests) =
            (rule.asks_for("objects", OF_OBJECTS), rule.asks_for("manifests", OF_FOLDERS));
        let needs_deep = rule.expressions().flat_map(Predicate::paths).any(|path| path.iter().take(2).eq(DEEP));
        rule.needs_deep = needs_deep;
        Ok(rule)
    }

    /// Whether it asks for a variable, or for one of these users of APIs.
    fn asks_for(&self, variable: &str, users: &[&str]) -> bool {
        self.expressions().flat_map(Predicate::paths).any(|path| match path.as_slice() {
            [first, second, ..] if first == "users" => users.contains(&second.as_str()),
            [first, ..] => first == variable,
            [] => false,
        })
    }

    /// Everything that is asked and compiled.
    fn expressions(&self) -> impl Iterator<Item = &Predicate> {
        let unknown = self.unknown.iter().flat_map(Template::expressions);
        let texts = self.means.expressions().chain(self.fix.expressions()).chain(unknown);
        let evidence = self.evidence.as_ref().and_then(Evidence::compiled);
        std::iter::once(&self.when).chain(evidence).chain(texts)
    }

    fn lint(&self, file: &str) -> Result<(), KnowledgeError> {
        for variable in self.expressions().flat_map(Predicate::variables) {
            let there = match variable.as_str() {
                "node" => self.scope == Scope::Node,
                "objects" | "manifests" | "users" => self.scope != Scope::Node,
                "nodes" | "cluster" | "edge" | "now" => true,
                _ => false,
            };
            if !there {
                return Err(KnowledgeError::rule(file, format!("its scope has no variable `{variable}`")));
            }
        }
        // A mention of `edge` that stays on `edge.from` needs no target; every other one does, and so do users of what ends there.
        let targets =
            self.expressions().flat_map(Predicate::paths).any(|path| match path.first().map(String::as_str) {
                Some("edge") => path.get(1).is_none_or(|p| p != "from"),
                first => first == Some("users"),
            });
        if targets != self.needs_target {
            let why = if targets { "it asks about the target: say `needs = \"target\"`" } else { "it needs no target" };
            return Err(KnowledgeError::rule(file, why));
        }
        Ok(())
    }

    /// The predicate as written.
    #[must_use]
    pub fn when(&self) -> &str {
        self.when.source()
    }

    /// What it means, with words in the places that a check fills.
    #[must_use]
    pub fn means(&self) -> String {
        self.means.in_words()
    }

    /// What to do, in such words.
    #[must_use]
    pub fn fix(&self) -> String {
        self.fix.in_words()
    }

    /// What to do when it could not be judged, where that is something else than the fix.
    #[must_use]
    pub fn unknown(&self) -> Option<String> {
        self.unknown.as_ref().map(Template::in_words)
    }
}
