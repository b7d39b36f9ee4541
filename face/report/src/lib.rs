//! A run for people and machines: one model, and what is made from it.
//!
//! Owns the report (a fold of a plan, its journal and the facts around it), its one-screen text, its HTML page, and how a
//! plan and findings look on one screen. Decides nothing and reads nothing: everything shown was journalled or planned.

mod api_users_text;
mod check;
mod config_fix_text;
mod config_text;
mod findings_text;
mod html;
mod junit;
mod knowledge_report;
mod knowledge_text;
mod markdown;
mod measured_run;
mod model;
mod objects_text;
mod plan_text;
mod preview_text;
mod proof;
mod quantity;
mod route_dot;
mod route_text;
mod rule_text;
mod rules_text;
mod run_list;
mod style;
mod text;
mod verdict;
mod versions_text;

pub use api_users_text::{api_users_text, folder_text};
pub use check::{CheckReport, check_junit, check_markdown, check_sarif};
pub use config_fix_text::config_fix_text;
pub use config_text::config_text;
pub use findings_text::{findings_text, known_text};
pub use html::html;
pub use junit::junit;
pub use knowledge_report::{BundleReport, KnowledgeReport};
pub use knowledge_text::knowledge_text;
pub use markdown::markdown;
pub use measured_run::measured_run;
pub use model::{
    ApiGap, Attempt, Direction, Disturbed, EndReport, FactRow, FactsReport, Found, GateReport, JournalReport, Lost,
    LostObject, Noted, OutageReport, Receipt, Report, ResumeReport, StepOutcome, StepReport, TurnReport, people_first,
};
pub use objects_text::objects_text;
pub use plan_text::plan_text;
pub use preview_text::preview_text;
pub use proof::proof_summary;
pub use quantity::{clock, count, duration, moment, planned, size, title};
pub use route_dot::route_dot;
pub use route_text::{no_route_text, route_text};
pub use rule_text::rule_text;
pub use rules_text::rules_text;
pub use run_list::{RunAbout, RunLine, RunResult, runs_text};
pub use style::{Mark, Style};
pub use text::text;
pub use versions_text::{hazards_text, versions_text};
