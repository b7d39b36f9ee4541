//! What is risky: rules as data, evaluated over facts, an edge (from → to) and a policy.
//!
//! Owns the rules and release tables (`knowledge/`), how a predicate is evaluated, and findings. Does not own how facts
//! are read (edge) nor what is done about a finding (plan). Pure: the day and the facts' time are given.

mod accepted;
mod advisory;
mod age;
mod api_user;
mod api_users;
mod arguments;
mod baseline;
mod bundle;
mod bundle_mark;
mod changed;
mod check;
mod clash;
mod config_diff;
mod config_fix;
mod config_patch;
mod counts;
mod error;
mod evidence;
mod finding;
mod flags;
mod knowledge;
mod predicate;
mod release;
mod removed;
mod replacements;
mod route;
mod rule;
mod signer;
mod situation;
mod space;
mod survey;
mod table;
mod template;
mod unread;
mod variables;

pub use accepted::{Acceptance, Policy};
pub use advisory::{Advisories, Advisory, AdvisoryComponent};
pub use age::{Age, Aged};
pub use api_user::{ApiFate, ApiSource, ApiUser};
pub use api_users::api_users;
pub use baseline::{Baseline, BaselineError};
pub use bundle::Bundle;
pub use bundle_mark::BundleMark;
pub use changed::ChangedFlags;
pub use check::{Edge, check};
pub use clash::Clash;
pub use config_diff::{ConfigLine, Fate, config_diff};
pub use config_fix::{ConfigEdit, ConfigFix, DropIn, NeedsYou, Reason, config_fix};
pub use config_patch::{PatchError, config_patch};
pub use counts::Counts;
pub use error::KnowledgeError;
pub use finding::{Finding, Severity, Verdict, blocks, findings_over, worst};
pub use flags::K3sFlags;
pub use knowledge::{Knowledge, RULE_IDS};
pub use release::{Hazard, Release, Releases};
pub use removed::{EndingApi, Gone, GoneIn, Removed};
pub use replacements::{Replacement, Replacements};
pub use route::{Avoided, NoRoute, ReleaseGraph, Route, Rung, Standing};
pub use rule::{Rule, Scope};
pub use signer::Signer;
pub use space::Space;
pub use survey::{Channel, MinorLine, Support, Survey};
pub use table::{RuleRow, table};
