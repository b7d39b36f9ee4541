use std::path::Path;

use belay_checks::Policy;
use belay_plan::Plan;
use belay_runner::vault::{GITHUB, Origin, fetch};

use super::policy::{judge, today};
use super::preview::{preview, show_preview};
use super::run::{Prepared, carry_out, ensure_root, refuse_held};
use super::{Context, check::take_with};
use crate::args::ApplyArgs;
use crate::error::CommandError;
use crate::output;

/// plan → facts → findings → still valid? → steps → events → report.
pub async fn apply(context: &Context, args: &ApplyArgs) -> Result<u8, CommandError> {
    let plan = read(&args.plan);
    let node = context.node_of(plan.as_ref().ok());
    ensure_root(node.as_ref())?;
    let plan = plan?;
    if !args.dry_run {
        refuse_held(context, node.as_ref()).await?;
    }
    // As deep as for the plan: what blocked that, or was accepted in it, is looked at again.
    let facts = take_with(node.as_ref(), None, true).await?.facts;
    let policy = Policy { accepted: plan.accepted.clone(), today: today() };
    let findings = judge(&facts, Some(plan.to.clone()), &policy, &context.known()?.knowledge)?;
    plan.ensure_still_valid(&facts, &findings)?;
    let preview = preview(context, &facts, &findings, &plan.to, Some(&plan))?;
    let artifact = plan.artifacts.first().ok_or_else(|| CommandError::refused("the plan has no artifact"))?;
    let default = || GITHUB.parse::<Origin>().map_err(CommandError::internal);
    let origin = match &args.mirror {
        Some(mirror) => mirror.clone(),
        None => origin_of(&artifact.source, &plan).map_or_else(default, Ok)?,
    };
    // The plan's digest is the pin: wherever the file comes from, it is the one that was reviewed.
    let pin = Some(artifact.sha256);
    let release = fetch(&plan.to, &artifact.arch, &origin, pin, &context.state.releases(), |_, _| {}).await?;
    if args.dry_run {
        output::print(&belay_report::plan_text(&plan, output::style()));
        show_preview(preview.as_ref());
        output::print("\nThe plan is valid and its release is here, verified. Nothing was changed (--dry-run).\n");
        return Ok(0);
    }
    carry_out(context, Prepared { plan, facts, findings, preview, artifact: release.path }).await
}

fn read(path: &Path) -> Result<Plan, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CommandError::refused(format!("could not read the plan {}: {error}", path.display()))
            .hinted("write one with: belay plan --to TAG -o plan.yaml")
    })?;
    Plan::from_yaml(&text).map_err(|error| CommandError::from(error).about(path))
}

/// The mirror that a plan's source lies under: everything before `/<tag>/k3s`.
fn origin_of(source: &str, plan: &Plan) -> Option<Origin> {
    let tag = plan.to.tag();
    let places = [format!("/{}/", tag.replace('+', "%2B")), format!("/{tag}/")];
    let base = places.iter().find_map(|place| source.rfind(place.as_str()).and_then(|at| source.get(..at)))?;
    base.parse().ok()
}
