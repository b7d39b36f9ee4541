//! What journalling costs in a run: `./dev bench journal`.
//!
//! Takes the two journals of a real run, the coordinator's and the node's, and appends their records one by one to new journals
//! on the file system where state lies, as a run does: one write and one fsync a record. The time of all of them is held
//! against the time of that run. What a run does at the same time is not imitated: a busy disk is slower for both.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for a terminal")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use belay_engine::{Event, Record, RunState};
use belay_facts::Span;
use belay_journal::{Journal, durable, read};
use belay_plan::Plan;
use serde_json::{Value, json};

/// Of the time of a run, at most, without its soak.
const BOUND: f64 = 0.02;

const USAGE: &str = "usage: ./dev bench journal [--run DIR] [--node-journal FILE] [--runs N] [--state DIR] [--publish]

  --run DIR            the directory of a run that has ended: its plan.yaml and journal [default: the newest in the lab]
  --node-journal FILE  the node's journal of the same run
  --runs N             how often all records are written [default: 100]
  --state DIR          where state lies: the disk to measure [default: /var/lib/belay]
  --publish            write bench/journal.json and the table in docs/performance.md";

struct Options {
    run: PathBuf,
    node_journal: Option<PathBuf>,
    runs: usize,
    state: PathBuf,
    publish: bool,
}

fn main() -> ExitCode {
    match options().and_then(|options| measured(&options)) {
        Ok(within) => ExitCode::from(u8::from(!within)),
        Err(error) => {
            eprintln!("bench journal: {error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let (mut run, mut node_journal, mut runs) = (None, None, 100);
    let (mut state, mut publish) = (PathBuf::from("/var/lib/belay"), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--publish" {
            publish = true;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{argument} lacks its value"))?;
        match argument.as_str() {
            "--run" => run = Some(PathBuf::from(value)),
            "--node-journal" => node_journal = Some(PathBuf::from(value)),
            "--runs" => runs = value.parse()?,
            "--state" => state = value.into(),
            other => return Err(format!("`{other}` is unknown").into()),
        }
    }
    let run = run.ok_or("no run is named, and none was found")?;
    if runs == 0 {
        return Err("--runs 0 measures nothing".into());
    }
    Ok(Options { run, node_journal, runs, state, publish })
}

/// What one pass over all records took, side by side.
struct Pass {
    coordinator: Duration,
    node: Duration,
}

fn measured(options: &Options) -> Result<bool, Box<dyn Error>> {
    let journal = options.run.join("journal");
    let (records, _) = read::<Record>(&journal)?;
    let records: Vec<Record> = records.into_iter().map(|record| record.body).collect();
    let plan = Plan::from_yaml(&std::fs::read_to_string(options.run.join("plan.yaml"))?)?;
    let (whole, soak) = length(&records)?;
    let coordinator = bodies(&journal)?;
    let node = options.node_journal.as_deref().map(bodies).transpose()?.unwrap_or_default();
    durable::create_dir(&options.state, 0o700)?;
    let scratch = options.state.join(format!("bench-journal-{}", std::process::id()));
    durable::create_dir(&scratch, 0o700)?;
    let passes = passes(options, &scratch, &coordinator, &node);
    durable::remove_tree(&scratch)?;
    let (passes, each) = passes?;
    let folds = folded(&journal, &plan, options.runs)?;

    let mut totals: Vec<f64> = passes.iter().map(|pass| millis(pass.coordinator + pass.node)).collect();
    totals.sort_by(f64::total_cmp);
    let (median, worst) = (at(&totals, 0.5), at(&totals, 1.0));
    let run = millis(whole.duration().saturating_sub(soak.duration()));
    let share = worst / run;
    let model = json!({
        "plan": plan.id,
        "runs": options.runs,
        "records": { "coordinator": coordinator.len(), "node": node.len() },
        "bytes": { "coordinator": size(&coordinator), "node": size(&node) },
        "run-ms": millis(whole.duration()),
        "run-without-soak-ms": run,
        "record-ms": { "median": at(&each, 0.5), "p99": at(&each, 0.99), "max": at(&each, 1.0) },
        "run-journal-ms": { "median": median, "max": worst },
        "share": { "median": median / run, "max": share, "bound": BOUND },
        "resume-fold-ms": { "median": at(&folds, 0.5), "max": at(&folds, 1.0) },
        "state": options.state,
    });
    println!("{model:#}");
    if options.publish {
        publish(&model)?;
    }
    Ok(share < BOUND)
}

/// The time from the first record to the last, and of the soak in it, which is waiting that somebody chose.
fn length(records: &[Record]) -> Result<(Span, Span), Box<dyn Error>> {
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Err("the journal is empty".into());
    };
    if first.boot != last.boot || records.iter().any(|record| matches!(record.event, Event::Resumed { .. })) {
        return Err("the run was interrupted, so its length says nothing".into());
    }
    if !matches!(last.event, Event::End { .. }) {
        return Err("the run has not ended".into());
    }
    let soak = records.iter().find_map(|record| match &record.event {
        Event::Outcome { step, took, .. } if step.ends_with(".soak") => Some(*took),
        _ => None,
    });
    Ok((Span::millis(last.up.saturating_sub(first.up)), soak.unwrap_or(Span::ZERO)))
}

fn bodies(path: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    Ok(read::<Value>(path)?.0.into_iter().map(|record| record.body).collect())
}

/// Every pass, and the time of each record in milliseconds, sorted.
fn passes(
    options: &Options,
    scratch: &Path,
    coordinator: &[Value],
    node: &[Value],
) -> Result<(Vec<Pass>, Vec<f64>), Box<dyn Error>> {
    let (mut passes, mut each) = (Vec::new(), Vec::new());
    for pass in 0..options.runs {
        let mut write = |side: &str, bodies: &[Value], anew: bool| -> Result<Duration, Box<dyn Error>> {
            let path = scratch.join(format!("{side}-{pass}"));
            let mut total = Duration::ZERO;
            let began = Instant::now();
            let mut journal = Journal::create(&path)?;
            total += began.elapsed();
            for body in bodies {
                let began = Instant::now();
                // The node opens its journal, and reads all of it, once for each request: an intent and its outcome.
                if anew {
                    drop(journal);
                    journal = Journal::open_exclusive(&path)?;
                }
                journal.append(body)?;
                let took = began.elapsed();
                total += took;
                each.push(millis(took));
            }
            drop(journal);
            durable::remove(&path)?;
            Ok(total)
        };
        let coordinator = write("coordinator", coordinator, false)?;
        passes.push(Pass { coordinator, node: write("node", node, true)? });
    }
    each.sort_by(f64::total_cmp);
    Ok((passes, each))
}

/// What `resume` does with the journal before it decides: read, verify, fold. In milliseconds, sorted.
fn folded(journal: &Path, plan: &Plan, times: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut folds = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        let (records, _) = read::<Record>(journal)?;
        let state = RunState::replay(plan, records.iter().map(|record| &record.body))?;
        let _ = std::hint::black_box(state.next(plan));
        folds.push(millis(began.elapsed()));
    }
    folds.sort_by(f64::total_cmp);
    Ok(folds)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn size(bodies: &[Value]) -> usize {
    bodies.iter().map(|body| body.to_string().len()).sum()
}

/// The value below which a share of the sorted ones lies.
fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

fn publish(model: &Value) -> Result<(), Box<dyn Error>> {
    durable::create_dir(Path::new("bench"), 0o755)?;
    durable::replace(Path::new("bench/journal.json"), format!("{model:#}\n").as_bytes(), 0o644)?;
    let page = Path::new("docs/performance.md");
    let text = std::fs::read_to_string(page)?;
    let (begin, end) = ("<!-- journal: written by ./dev bench journal --publish -->", "<!-- /journal -->");
    let (before, rest) = text.split_once(begin).ok_or("docs/performance.md has no place for the table")?;
    let (_, after) = rest.split_once(end).ok_or("the place of the table in docs/performance.md has no end")?;
    let text = format!("{before}{begin}\n{}{end}{after}", table(model));
    durable::replace(page, text.as_bytes(), 0o644)?;
    Ok(())
}

fn table(model: &Value) -> String {
    let number = |path: &str| model.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
    let percent = |path: &str| format!("{:.2} %", number(path) * 100.0);
    format!(
        "| | median | worst of {} |\n|---|---|---|\n\
         | one record: write and fsync | {:.2} ms | {:.2} ms |\n\
         | all {} records of the coordinator and {} of the node | {:.1} ms | {:.1} ms |\n\
         | of a run of {:.1} s without its soak | {} | {} (bound {}) |\n\
         | `resume`: read, verify and fold the journal, and decide | {:.2} ms | {:.2} ms |\n",
        number("/runs"),
        number("/record-ms/median"),
        number("/record-ms/max"),
        number("/records/coordinator"),
        number("/records/node"),
        number("/run-journal-ms/median"),
        number("/run-journal-ms/max"),
        number("/run-without-soak-ms") / 1000.0,
        percent("/share/median"),
        percent("/share/max"),
        percent("/share/bound"),
        number("/resume-fold-ms/median"),
        number("/resume-fold-ms/max"),
    )
}
