use std::path::Path;

use belay_checks::{Finding, Knowledge};
use belay_facts::Facts;
use belay_plan::{Artifact, Plan, PlanRequest, Preview, Refusal};
use belay_runner::vault::{Release, fetch};

use super::Context;
use super::backup::place;
use super::check::{show, take_with};
use super::policy::{judge, ladder_hints, name_holder, parts, policy, target, today, wants_root};
use super::preview::{preview, show_preview};
use crate::args::{OutputFormat, PlanArgs, PlanCommand, PlanVerb};
use crate::error::CommandError;
use crate::output;

/// Makes a plan, or shows one.
pub async fn plan(context: &Context, args: PlanVerb) -> Result<u8, CommandError> {
    match args.verb {
        Some(PlanCommand::Show { plan }) => show_plan(context, &plan),
        None => make_and_write(context, &args.make).await,
    }
}

/// A plan that was made. Its digest is checked as it is read: what is shown is what would be carried out.
fn show_plan(context: &Context, name: &str) -> Result<u8, CommandError> {
    let file = Path::new(name);
    let plan = if file.is_file() {
        let text = std::fs::read_to_string(file)
            .map_err(|error| CommandError::refused(format!("could not read the plan {name}: {error}")))?;
        Plan::from_yaml(&text).map_err(|error| CommandError::from(error).about(file))?
    } else if name.contains(['/', '.']) {
        return Err(CommandError::refused(format!("there is no plan file {name}"))
            .hinted("write one with: belay plan --to TAG -o plan.yaml"));
    } else {
        let found = context.state.find(Some(name)).map_err(|error| {
            CommandError::from(error).hinted("a plan is named by its run, or by the file that `belay plan -o` wrote")
        })?;
        found.plan()?
    };
    match context.format {
        OutputFormat::Json => output::json(&plan)?,
        OutputFormat::Text => {
            let style = output::style();
            output::print(&belay_report::plan_text(&plan, style));
            output::print(&format!("{}\n", style.dim("  The digest is that of its content: nobody edited it.")));
        }
    }
    Ok(0)
}

/// facts → findings → plan → screen and file.
async fn make_and_write(context: &Context, args: &PlanArgs) -> Result<u8, CommandError> {
    let Planned { plan, preview, .. } = make(context, args).await?;
    let yaml = plan.to_yaml()?;
    write_out(args, &yaml)?;
    match (context.format, &args.out) {
        (OutputFormat::Json, _) => output::json(&plan)?,
        (OutputFormat::Text, Some(file)) => {
            output::print(&belay_report::plan_text(&plan, output::style()));
            show_preview(preview.as_ref());
            output::print(&format!("\nWritten to {0}. Review it, then: belay apply {0}\n", file.display()));
        }
        (OutputFormat::Text, None) => {
            // Beside the plan: what is foretold is no part of it.
            if let Some(preview) = &preview {
                output::say(&belay_report::preview_text(preview, output::style()));
            }
            output::print(&yaml);
        }
    }
    Ok(0)
}

/// Writes the plan to the file that was asked for, if any.
pub fn write_out(args: &PlanArgs, yaml: &str) -> Result<(), CommandError> {
    let Some(file) = &args.out else { return Ok(()) };
    std::fs::write(file, yaml).map_err(|error| unwritten(file, &error))
}

fn unwritten(file: &Path, why: &dyn std::fmt::Display) -> CommandError {
    CommandError::refused(format!("could not write the plan to {}: {why}", file.display()))
        .hinted("name a file that you may write, in a directory that is there: -o plan.yaml")
}

/// A plan is written at its end, when a release was fetched for it: that its directory is not there is told at once.
fn ensure_place(args: &PlanArgs) -> Result<(), CommandError> {
    let Some(file) = &args.out else { return Ok(()) };
    match file.parent().filter(|dir| !dir.as_os_str().is_empty() && !dir.is_dir()) {
        Some(dir) => Err(unwritten(file, &format!("there is no directory {}", dir.display()))),
        None => Ok(()),
    }
}

/// A plan, and what it was made from.
pub struct Planned {
    pub plan: Plan,
    pub facts: Facts,
    pub findings: Vec<Finding>,
    /// What happens to workloads; no part of the plan.
    pub preview: Option<Preview>,
    pub release: Release,
}

/// Makes the plan. A refusal shows what stands in the way.
pub async fn make(context: &Context, args: &PlanArgs) -> Result<Planned, CommandError> {
    let knowledge = &context.known()?.knowledge;
    let policy = policy(&args.accept.accept, knowledge)?;
    let to = args.to.as_deref().ok_or_else(|| CommandError::usage("it needs a target: --to TAG"))?;
    let to = target(to, &args.source.channels).await?;
    let backup_to = place(&args.backup)?;
    ensure_place(args)?;
    let gathered = take_with(context.node(), args.objects, true).await?;
    let facts = gathered.facts;
    let mut findings = judge(&facts, Some(to.clone()), &policy, knowledge)?;
    name_holder(&mut findings, gathered.holding.as_ref());
    if belay_checks::blocks(&findings) {
        if context.format == OutputFormat::Text {
            show(Some(&to), &findings, &gathered.notes);
        }
        let blocking: Vec<Finding> =
            findings.into_iter().filter(|f| belay_checks::blocks(std::slice::from_ref(f))).collect();
        let hint = what_next(&blocking, knowledge);
        let refused = CommandError::refused(Refusal::Blocked(blocking));
        let refused = wants_root(&facts).into_iter().fold(refused, CommandError::hinted).hinted(hint);
        return Err(ladder_hints(&facts, &to, knowledge).into_iter().flatten().fold(refused, CommandError::hinted));
    }
    // What does not stand in the way is still to be known before anybody says yes. Beside the output, which may be YAML.
    if context.format == OutputFormat::Text && belay_checks::worst(&findings).is_some() {
        output::say(&belay_report::findings_text(&findings, output::style()));
    }
    let arch = facts.nodes.first().map(|node| node.arch.clone()).unwrap_or_default();
    args.source.mirror.ensure_trustworthy(args.source.sha256.is_some(), args.source.allow_plain_http)?;
    let cache = context.state.releases();
    let release = fetch(&to, &arch, &args.source.mirror, args.source.sha256, &cache, |_, _| {}).await?;
    let request = PlanRequest {
        parts: parts(&facts, &to, knowledge),
        class: args.way_back.into(),
        to,
        artifacts: vec![artifact(&release)],
        soak: args.soak,
        accepted: policy.accepted,
        backup_to,
        ssh: context.node().cloned(),
        date: today(),
    };
    let plan = belay_plan::plan(&facts, &findings, &request)?;
    let preview = preview(context, &facts, &findings, &plan.to, Some(&plan))?;
    Ok(Planned { plan, facts, findings, preview, release })
}

/// What can be done about what blocks: not all of it is a risk that somebody could take.
fn what_next(blocking: &[Finding], knowledge: &Knowledge) -> &'static str {
    let acceptable = |f: &&Finding| knowledge.rule(&f.rule).is_some_and(|rule| rule.acceptable);
    match blocking.iter().filter(acceptable).count() {
        0 => "fix them; none of them can be accepted, and `belay explain RULE` says why",
        n if n < blocking.len() => {
            "fix them; `belay explain RULE` says which of them can be accepted by name: --accept 'RULE=REASON@DATE'"
        }
        _ => "fix them, or accept a risk by name: --accept 'RULE=REASON@DATE'",
    }
}

fn artifact(release: &Release) -> Artifact {
    Artifact {
        name: "k3s".to_owned(),
        arch: release.arch.clone(),
        sha256: release.digest,
        size: release.size,
        source: release.source.clone(),
        trust: release.trust.clone(),
    }
}

#[cfg(test)]
mod tests {
    use belay_checks::{Policy, check};

    use super::*;

    #[test]
    fn a_refusal_told_to_accept_what_cannot_be_accepted() {
        let knowledge = Knowledge::embedded().unwrap();
        let base = include_str!("../../../../core/checks/fixtures/base.json");
        let blocking = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut facts = serde_json::from_str::<serde_json::Value>(base).unwrap()["facts"].take();
            change(&mut facts["nodes"][0]);
            let facts = Facts::from_json(&facts.to_string()).unwrap();
            let edge = belay_checks::Edge {
                from: super::super::policy::running(&facts).unwrap(),
                to: "v1.36.3+k3s1".parse().ok(),
            };
            let policy = Policy { accepted: Vec::new(), today: today() };
            let mut found = check(&facts, &edge, &knowledge, &policy);
            found.retain(|finding| belay_checks::blocks(std::slice::from_ref(finding)));
            what_next(&found, &knowledge)
        };
        let openrc = |node: &mut serde_json::Value| node["init"] = "openrc-init".into();
        let old_host = |node: &mut serde_json::Value| node["cgroup"] = "v1".into();
        assert!(blocking(&openrc).contains("none of them can be accepted"), "{}", blocking(&openrc));
        assert!(blocking(&old_host).contains("or accept a risk"), "{}", blocking(&old_host));
        let both = |node: &mut serde_json::Value| {
            openrc(node);
            old_host(node);
        };
        assert!(blocking(&both).contains("which of them"), "{}", blocking(&both));
    }
}
