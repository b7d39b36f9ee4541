use belay_checks::{Acceptance, Finding};
use belay_facts::{Destination, Digest, Facts, K3sVersion};
use serde::{Deserialize, Serialize};

use crate::{Changed, Expect, Goal, Lint, Material, RestoreSource, Step, WayBack};

/// The first line of a plan file.
pub const FORMAT: &str = "plan/v1";

/// What will happen, in which order, and how it goes back. Immutable: a changed plan is another plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plan {
    pub belay: String,
    /// The given date and the first 4 hex digits of the digest; also the id of its run.
    pub id: String,
    #[serde(default, skip_serializing_if = "Goal::is_upgrade")]
    pub goal: Goal,
    /// The facts that it was made from.
    pub parent: Digest,
    pub cluster: ClusterRef,
    /// How its node is reached; without it, it is the machine that the plan was made on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Destination>,
    pub from: K3sVersion,
    pub to: K3sVersion,
    pub artifacts: Vec<Artifact>,
    /// What is made live again; only, and always, in a plan that restores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreSource>,
    pub way_back: WayBack,
    pub expect: Expect,
    /// The directory on the coordinator that the proven backup is copied to, so that it is not lost with the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_to: Option<String>,
    pub accepted: Vec<Acceptance>,
    pub waves: Vec<Wave>,
    pub material: Material,
    /// SHA-256 of the canonical JSON of this plan without `id` and `digest`.
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClusterRef {
    /// UID of the namespace kube-system.
    pub id: String,
    pub ca: Digest,
}

/// A file that will be put on a node, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Artifact {
    pub name: String,
    pub arch: String,
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
    /// Where it came from, for people; what counts is the digest.
    pub source: String,
    /// How much its origin is worth: `sums over https`, `sums over plain http`, `sums in a directory`, `pinned by hand`.
    pub trust: String,
}

/// Nodes that are changed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wave {
    pub name: String,
    pub nodes: Vec<String>,
    pub steps: Vec<Step>,
}

/// Why a plan file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("the plan could not be read: {0}")]
    Yaml(String),
    #[error("the plan is of format `{0}`, this build reads `{FORMAT}`")]
    Format(String),
    #[error("the plan was edited after it was made: its digest says {said}, its content gives {is}")]
    Edited { said: Digest, is: Digest },
    #[error("the plan breaks a rule for plans: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Lint(Vec<Lint>),
    #[error("the plan is stale: {}", .0.iter().map(|c| format!("{} was {} and is {}", c.what, c.was, c.is)).collect::<Vec<_>>().join("; "))]
    Stale(Vec<Changed>),
    #[error("the plan is blocked by what is true now: {}", crate::planner::named(.0))]
    Blocked(Vec<Finding>),
    #[error("the facts lack what a plan stands on: the API, the unit, the binary or the datastore could not be read")]
    Facts,
}

impl PlanError {
    /// The parser's own words, without its mark of an error: they complete a sentence.
    fn yaml(error: &serde_saphyr::Error) -> Self {
        let said = error.to_string();
        Self::Yaml(said.strip_prefix("error: ").unwrap_or(&said).to_owned())
    }
}

impl Plan {
    /// Reads a plan file, and refuses one whose digest or lint does not hold.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn from_yaml(text: &str) -> Result<Self, PlanError> {
        let plan = Self::sealed(text)?;
        let lints = plan.lint();
        if lints.is_empty() { Ok(plan) } else { Err(PlanError::Lint(lints)) }
    }

    /// Reads the plan of a run that was begun, perhaps by an earlier build, whose plans have no guard: such a run is told
    /// of and gone on with all the same.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn of_run(text: &str) -> Result<Self, PlanError> {
        let plan = Self::sealed(text)?;
        let mut lints = plan.lint();
        lints.retain(|lint| !matches!(lint, Lint::Unguarded { .. }));
        if lints.is_empty() { Ok(plan) } else { Err(PlanError::Lint(lints)) }
    }

    /// Format and digest hold.
    fn sealed(text: &str) -> Result<Self, PlanError> {
        #[derive(Deserialize)]
        struct Head {
            belay: String,
        }
        let head: Head = serde_saphyr::from_str(text).map_err(|e| PlanError::yaml(&e))?;
        if head.belay != FORMAT {
            return Err(PlanError::Format(head.belay.chars().take(40).collect()));
        }
        let plan: Self = serde_saphyr::from_str(text).map_err(|e| PlanError::yaml(&e))?;
        let is = plan.content_digest();
        if is != plan.digest {
            return Err(PlanError::Edited { said: plan.digest, is });
        }
        Ok(plan)
    }

    /// The plan as a file that people review.
    ///
    /// # Errors
    /// Only when a value cannot be written as YAML, which would be a bug.
    pub fn to_yaml(&self) -> Result<String, PlanError> {
        serde_saphyr::to_string(self).map_err(|e| PlanError::Yaml(e.to_string()))
    }

    /// The digest of everything but `id` and `digest`.
    #[must_use]
    pub fn content_digest(&self) -> Digest {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(map) = value.as_object_mut() {
            map.remove("id");
            map.remove("digest");
        }
        Digest::of(value.to_string().as_bytes())
    }

    /// Asks whether the facts that the plan stands on still hold, and nothing blocks now.
    ///
    /// # Errors
    /// `Stale` names everything that changed; `Blocked` the findings.
    pub fn ensure_still_valid(&self, facts: &Facts, findings: &[Finding]) -> Result<(), PlanError> {
        let now = Material::of(facts).ok_or(PlanError::Facts)?;
        let changed = self.material.changed(&now);
        if !changed.is_empty() {
            return Err(PlanError::Stale(changed));
        }
        let blocking: Vec<Finding> =
            findings.iter().filter(|finding| belay_checks::blocks(std::slice::from_ref(*finding))).cloned().collect();
        if blocking.is_empty() { Ok(()) } else { Err(PlanError::Blocked(blocking)) }
    }

    /// Gives it the digest of its content, and the id that follows from that.
    pub(crate) fn sign(&mut self, date: jiff::civil::Date) {
        self.digest = self.content_digest();
        self.id = format!("{date}-{}", self.digest.short(4));
    }

    /// All steps forward, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.waves.iter().flat_map(|wave| &wave.steps)
    }

    /// The artifact for a node's architecture.
    #[must_use]
    pub fn artifact(&self, arch: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.arch == arch)
    }
}
