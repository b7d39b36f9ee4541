use belay_checks::Finding;
use belay_facts::{Facts, K3sVersion};
use belay_plan::{Goal, MeasuredRun, Plan, Preview, PreviewRequest};

use super::Context;
use super::run::read_report;
use crate::error::CommandError;
use crate::output;

/// How many earlier upgrades of the node a preview stands on, and among how many of the latest runs they are looked for.
const RUNS: usize = 5;
const LOOKED_AT: usize = 50;

/// facts and findings → what happens to workloads.
pub fn preview(
    context: &Context,
    facts: &Facts,
    findings: &[Finding],
    to: &K3sVersion,
    plan: Option<&Plan>,
) -> Result<Option<Preview>, CommandError> {
    let knowledge = &context.known()?.knowledge;
    let measured = measured(context, facts);
    Ok(Preview::of(PreviewRequest { facts, findings, knowledge, to, plan, measured: &measured }))
}

/// The same for people, below what it belongs to.
pub fn show_preview(preview: Option<&Preview>) {
    if let Some(preview) = preview {
        output::print(&format!("\n{}", belay_report::preview_text(preview, output::style())));
    }
}

/// Upgrades of this node that this machine carried out, the latest first. What cannot be read measures nothing.
fn measured(context: &Context, facts: &Facts) -> Vec<MeasuredRun> {
    let (Some(cluster), [node]) = (&facts.cluster, facts.nodes.as_slice()) else { return Vec::new() };
    let of_this_node = |plan: &Plan| {
        let mut nodes = plan.waves.iter().flat_map(|wave| &wave.nodes);
        plan.goal == Goal::Upgrade && plan.cluster.id == cluster.id && nodes.all(|name| *name == node.name)
    };
    let runs = context.state.runs().unwrap_or_default();
    let runs = runs.into_iter().rev().take(LOOKED_AT).filter(|run| run.plan().is_ok_and(|plan| of_this_node(&plan)));
    runs.filter_map(|run| belay_report::measured_run(&read_report(&run).ok()?)).take(RUNS).collect()
}

#[cfg(test)]
mod tests;
