//! What will happen: plans as immutable data, the planner that makes them, and the way back.
//!
//! Owns the plan's file format, its digest, its lint, its inverse, the judgement whether it is still valid, and the preview of
//! what it does to workloads.
//! A plan leaves no meaningful choice to whoever carries it out.

mod expect;
mod gate;
mod goal;
mod inverse;
mod lease;
mod lint;
mod material;
mod part;
mod plan;
mod planner;
mod preview;
mod restore_planner;
mod restore_source;
mod step;
mod way_back;

pub use belay_facts::WayClass;
pub use expect::{Expect, Mebibytes};
pub use gate::GateName;
pub use goal::Goal;
pub use inverse::Reached;
pub use lint::Lint;
pub use material::{Changed, Material, NodeMaterial};
pub use part::Part;
pub use plan::{Artifact, ClusterRef, FORMAT, Plan, PlanError, Wave};
pub use planner::{PlanRequest, Refusal, backup_plan, plan};
pub use preview::{
    Basis, Expected, Fate, Hold, MeasuredRun, MeasuredStep, Preview, PreviewRequest, Range, ToldBy, WorkloadPreview,
};
pub use restore_planner::restore_plan;
pub use restore_source::RestoreSource;
pub use step::{Step, StepKind};
pub use way_back::WayBack;
