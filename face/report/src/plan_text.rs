use std::fmt::Write as _;

use belay_plan::{GateName, Goal, Plan, StepKind, WayClass};

use crate::quantity::{planned, short_digest};
use crate::{Style, size, title};

/// A plan on one screen, before somebody says yes to it.
#[must_use]
pub fn plan_text(plan: &Plan, style: Style) -> String {
    let nodes: Vec<&str> = plan.waves.iter().flat_map(|wave| wave.nodes.iter().map(String::as_str)).collect();
    let title = title(plan.goal, &plan.from, &plan.to, &nodes.join(", "));
    let mut out = format!("{}{}\n\n", style.bold(&title), style.dim(&format!(" · plan {}", plan.id)));
    let mut sheet = Sheet { out: &mut out, style };
    sheet.row("steps", &steps(plan));
    sheet.row("way back", &way_back(plan));
    sheet.row("loses", &plan.way_back.loses);
    if let Some(restore) = &plan.restore {
        let what =
            format!("{} of run {} · revision {} · {}", restore.what, restore.run, restore.revision, restore.path);
        sheet.row("restores", &what);
        sheet.row("gives up", &format!("what was written since {}; it is backed up first, and kept", restore.taken_at));
    }
    if plan.goal != Goal::Backup {
        sheet.row("goes back", &turns(plan));
    }
    sheet.row(
        "expect",
        &format!(
            "API gap about {} · {} in all · {} of disk",
            planned(plan.expect.api_gap),
            planned(plan.expect.duration),
            size(plan.expect.disk.bytes())
        )
        .replace("about ", "about\u{a0}"),
    );
    let (asked, not_asked) = gates(plan);
    sheet.row("gates", &asked.join(", "));
    if !not_asked.is_empty() {
        let why = match plan.goal {
            Goal::Restore => "there is nothing to compare with",
            Goal::Upgrade | Goal::Backup => "gave no answer when the plan was made",
        };
        sheet.row("not asked", &format!("{}: {why}", not_asked.join(", ")));
    }
    for artifact in &plan.artifacts {
        let what = format!(
            "{} {}, {}, {}",
            artifact.name,
            artifact.arch,
            size(artifact.size),
            short_digest(&artifact.sha256.to_string())
        );
        sheet.row("artifact", &what);
        sheet.row("", &format!("from {} ({})", artifact.source, artifact.trust));
    }
    if let Some(to) = &plan.backup_to {
        sheet.row("backup to", &format!("{to}, on the machine that carries this out"));
    }
    if plan.accepted.is_empty() {
        sheet.row("accepted", "no risks");
    }
    for (index, risk) in plan.accepted.iter().enumerate() {
        let label = if index == 0 { "accepted" } else { "" };
        sheet.row(label, &format!("{}: {} ({}, until {})", risk.rule, risk.reason, risk.by, risk.until));
    }
    sheet.row(
        "pinned",
        &format!(
            "cluster {} · facts {} · plan {}",
            plan.cluster.id,
            short_digest(&plan.parent.to_string()),
            short_digest(&plan.digest.to_string())
        ),
    );
    out
}

struct Sheet<'a> {
    out: &'a mut String,
    style: Style,
}

impl Sheet<'_> {
    const LABEL: usize = 11;

    fn row(&mut self, label: &str, text: &str) {
        let width = self.style.width.saturating_sub(Self::LABEL + 2);
        for (index, line) in self.style.wrap(text, width).iter().enumerate() {
            let label = format!("{:1$}", if index == 0 { label } else { "" }, Self::LABEL);
            // Writing to a String cannot fail.
            let _ = writeln!(self.out, "  {}{line}", self.style.dim(&label));
        }
    }
}

fn steps(plan: &Plan) -> String {
    let step = |step: &belay_plan::Step| match step.length {
        Some(length) => format!("{} {}", step.kind, planned(length)).replace(' ', "\u{a0}"),
        None => step.kind.name().to_owned(),
    };
    let waves = plan.waves.iter().map(|wave| {
        let steps: Vec<String> = wave.steps.iter().map(step).collect();
        let steps = steps.join(" · ");
        if plan.waves.len() > 1 { format!("{} ({}): {steps}", wave.name, wave.nodes.join(", ")) } else { steps }
    });
    waves.collect::<Vec<_>>().join(" | ")
}

fn way_back(plan: &Plan) -> String {
    let class = match plan.way_back.class {
        WayClass::Keep => "keep (the stopped copy is put back)",
        WayClass::Binary => "binary (the binary is swapped back, the data stay)",
        WayClass::Untouched => return plan.way_back.why.clone(),
    };
    format!("{class}, about {}. Why: {}", planned(plan.way_back.estimate).replace(' ', "\u{a0}"), plan.way_back.why)
}

fn turns(plan: &Plan) -> String {
    let last = match &plan.way_back.point_of_no_return {
        Some(step) => format!("after {step} there is no return: going back means restoring data"),
        None => "no point of no return before the commit".to_owned(),
    };
    let soak = plan.steps().find(|step| step.kind == StepKind::Soak);
    match soak {
        Some(_) => format!("by itself on the first no of a gate, through the soak; {last}"),
        None => format!("by itself on the first no of a gate; {last}"),
    }
}

fn gates(plan: &Plan) -> (Vec<&'static str>, Vec<&'static str>) {
    let any =
        |of: fn(&belay_plan::Step) -> &Vec<GateName>, gate: GateName| plan.steps().any(|step| of(step).contains(&gate));
    let named = |of: fn(&belay_plan::Step) -> &Vec<GateName>| {
        GateName::ALL.into_iter().filter(|gate| any(of, *gate)).map(GateName::name).collect()
    };
    (named(|step| &step.gates), named(|step| &step.not_asked))
}
