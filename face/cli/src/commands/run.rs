use std::io::IsTerminal;
use std::path::PathBuf;

use belay_checks::Finding;
use belay_facts::{Coordinator, Destination, Facts, Life};
use belay_node::Link;
use belay_plan::{Plan, Preview};
use belay_report::Report;
use belay_runner::vault::cached;
use belay_runner::{Holding, Interrupt, RunDir, RunError, Runner, Sink};

use super::{Context, check::take};
use crate::args::OutputFormat;
use crate::display::Display;
use crate::error::{CommandError, Kind};
use crate::output;

/// Everything that a run is begun with.
pub struct Prepared {
    pub plan: Plan,
    pub facts: Facts,
    pub findings: Vec<Finding>,
    /// What was foretold for workloads, for the report.
    pub preview: Option<Preview>,
    pub artifact: PathBuf,
}

/// A run changes units, binaries and data: only root can. Over SSH it is there that somebody must be root.
pub fn ensure_root(node: Option<&Destination>) -> Result<(), CommandError> {
    if node.is_some() || is_root() {
        Ok(())
    } else {
        Err(CommandError::refused("this changes K3s on this node, which only root can")
            .hinted("the same command with sudo in front, or reach the node over SSH: --node root@HOST"))
    }
}

/// The run that was named, its plan, and how its node is reached.
pub fn found(context: &Context, run: Option<&str>) -> Result<(RunDir, Plan, Option<Destination>), CommandError> {
    let found = context.state.find(run).and_then(|dir| Ok((dir.plan()?, dir)));
    let node = context.node_of(found.as_ref().ok().map(|(plan, _)| plan));
    // Who cannot act here is told that first: for anybody but root there may seem to be no run.
    ensure_root(node.as_ref())?;
    let (plan, dir) = found?;
    Ok((dir, plan, node))
}

pub fn is_root() -> bool {
    // /proc/self belongs to the effective user; no crate is needed to ask for a number.
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// plan → steps → events → report.
pub async fn carry_out(context: &Context, prepared: Prepared) -> Result<u8, CommandError> {
    let Prepared { plan, facts, findings, preview, artifact } = prepared;
    let dir = context.state.run(&plan.id);
    refuse_open_run(context, &plan)?;
    if dir.plan_path().exists() {
        return Err(CommandError::refused(format!("run {} was made before; a plan is carried out once", plan.id))
            .hinted("make a new plan: belay plan --to TAG -o plan.yaml"));
    }
    let interrupt = listen();
    let sinks = sinks(context, &plan);
    let node = context.node_of(Some(&plan));
    let runner = Runner::open(plan, node, facts, &dir, artifact, sinks, interrupt).await?;
    // Findings and what was foretold belong to the report; they are kept where the run is.
    let text = serde_json::to_vec_pretty(&findings).map_err(CommandError::internal)?;
    dir.write("findings.json", &text)?;
    let text = serde_json::to_vec_pretty(&preview).map_err(CommandError::internal)?;
    dir.write("preview.json", &text)?;
    finish(context, &dir, runner).await
}

/// Runs to the end, takes the facts again, writes the reports, prints one, and gives the exit code.
pub async fn finish(context: &Context, dir: &RunDir, runner: Runner) -> Result<u8, CommandError> {
    let outcome = runner.run().await.map_err(|error| {
        // From here on the node may be in the middle of something.
        let hint = matches!(error, RunError::Journal(_) | RunError::File { .. })
            .then(|| format!("free the disk or mend it, then: belay resume {}", dir.id()));
        let mut failed = CommandError::from(error);
        failed.kind = Kind::NeedsHuman;
        hint.into_iter().fold(failed, CommandError::hinted)
    })?;
    if let Ok(after) = take(context.node_of(Some(&dir.plan()?)).as_ref()).await {
        let text = serde_json::to_vec_pretty(&after.facts).map_err(CommandError::internal)?;
        dir.write("facts-after.json", &text)?;
    }
    let report = write_reports(dir)?;
    match context.format {
        OutputFormat::Json => output::json(&report)?,
        OutputFormat::Text => output::print(&belay_report::text(
            &report,
            output::style(),
            Some(&dir.report_path("html").display().to_string()),
        )),
    }
    Ok(outcome.exit_code())
}

/// The report of a run, from its journal and facts; also written beside them.
pub fn write_reports(dir: &RunDir) -> Result<Report, CommandError> {
    let report = read_report(dir)?;
    let json = serde_json::to_vec_pretty(&report).map_err(CommandError::internal)?;
    dir.write("report.json", &json)?;
    dir.write("report.html", belay_report::html(&report).as_bytes())?;
    Ok(report)
}

/// The report of a run as its journal tells it now.
pub fn read_report(dir: &RunDir) -> Result<Report, CommandError> {
    let plan = dir.plan()?;
    let records = dir.records()?;
    let findings: Vec<Finding> = kept(dir, "findings.json").unwrap_or_default();
    let preview: Option<Preview> = kept(dir, "preview.json").unwrap_or_default();
    let (before, after) = (dir.facts("facts.json"), dir.facts("facts-after.json"));
    let report = Report::of(&plan, &records, before.as_ref(), after.as_ref(), &findings).foretold(preview);
    let holding = dir.holding();
    let another = |by: &&Coordinator| holding.life == Life::Lives && by.pid != std::process::id();
    Ok(match holding.by.as_ref().filter(another) {
        Some(by) => report.under_way(&format!("process {} on {}", by.pid, by.host)),
        None => report,
    })
}

/// What was kept beside the journal of a run; `None` where that is not there, or is of another build.
fn kept<T: serde::de::DeserializeOwned>(dir: &RunDir, name: &str) -> Option<T> {
    serde_json::from_slice(&std::fs::read(dir.path().join(name)).ok()?).ok()
}

/// Where the artifact of a plan was cached; `stage` says so if it is not there any more.
pub fn cached_artifact(context: &Context, plan: &Plan) -> PathBuf {
    let arch = plan.artifacts.first().map_or("", |artifact| artifact.arch.as_str());
    cached(&context.state.releases(), &plan.to, arch).unwrap_or_default()
}

/// One run of a cluster at a time: an open one is finished first.
fn refuse_open_run(context: &Context, wanted: &Plan) -> Result<(), CommandError> {
    for run in context.state.runs()? {
        let (Ok(plan), Ok(records)) = (run.plan(), run.records()) else { continue };
        if plan.cluster.id != wanted.cluster.id {
            continue;
        }
        let ended = belay_engine::RunState::replay(&plan, &records).is_ok_and(|state| state.end().is_some());
        if !ended {
            return Err(RunError::OpenRun(Box::new(run.holding())).into());
        }
    }
    Ok(())
}

/// One run a cluster, whoever carries it out and from where: whoever comes second is told about the first before anything
/// else is read. A node that cannot be asked says so to whoever asks next.
pub async fn refuse_held(context: &Context, node: Option<&Destination>) -> Result<(), CommandError> {
    let name = node.map_or_else(|| "this node".to_owned(), ToString::to_string);
    let Ok(mut link) = Link::open(&name, node).await else { return Ok(()) };
    match holding(context, &mut link).await {
        Some(holding) => Err(RunError::OpenRun(Box::new(holding)).into()),
        None => Ok(()),
    }
}

/// Who holds the run that has not ended on a node. Its directory tells more than the node, where it is here.
pub async fn holding(context: &Context, link: &mut Link) -> Option<Holding> {
    let held = link.held().await.ok().flatten()?;
    let here = context.state.run(&held.run);
    Some(if here.plan_path().is_file() { here.holding() } else { Holding::of_node(held) })
}

/// A screen for people; for machines only the report at the end.
pub fn sinks(context: &Context, plan: &Plan) -> Vec<Box<dyn Sink>> {
    match context.format {
        OutputFormat::Json => Vec::new(),
        OutputFormat::Text => vec![Box::new(Display::new(plan, std::io::stderr().is_terminal()))],
    }
}

/// Ctrl-C once: the current step is finished, then the run goes back. Twice: leave at once, a resume goes on. A closed
/// terminal (SIGHUP) stops nothing: whoever is on site may have lost only the connection.
pub fn listen() -> Interrupt {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    tokio::spawn(async move {
        let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
            return;
        };
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut times = 0;
        loop {
            let hung_up = async {
                match hangup.as_mut() {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = int.recv() => times += 1,
                _ = term.recv() => times += 1,
                _ = hung_up => continue,
            }
            if times == 1 {
                asked.ask();
                output::say(
                    "\nStopping: the current step is finished, then the run goes back. Ctrl-C again leaves it as it is.",
                );
            } else {
                output::say("\nLeft in the middle. Go on with: belay resume    Go back with: belay rollback");
                std::process::exit(130);
            }
        }
    });
    interrupt
}
