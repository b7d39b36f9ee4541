//! How fast the objects of a big cluster are read from its datastore, and in how much memory; with what else a check promises,
//! measured by others, it is published: `./dev bench check`.
//!
//! Makes a database of kine and a snapshot of etcd with the same objects, and reads each in a process of its own, with the
//! code and the profile of the helper. The rate is per second of processor time: the reader has one thread.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for a terminal")]

mod bbolt;
mod made;
mod publish;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use belay_facts::{InventoryKind, InventorySource};
use belay_helper::{Database, Store};
use belay_objects::Tally;
use serde_json::{Value, json};

/// Objects per second and core, at least, and bytes of memory, at most.
const RATE: f64 = 500_000.0;
const MEMORY: u64 = 256 * 1024 * 1024;
/// What a node of the lab has to show: seconds from a cold start, requests a second over a minute, and in any one.
const SHOWN: [(&str, f64); 3] = [("cold-start-s", 2.0), ("requests-per-s", 10.0), ("burst", 40.0)];
/// Milliseconds that all rules over five nodes may take.
const RULES_MS: f64 = 100.0;

const USAGE: &str = "usage: ./dev bench check [--objects N] [--runs N] [--dir DIR] [--lab FILE] [--publish]

  --objects N  how many objects [default: 200000]
  --runs N     how often each file is read; the median counts [default: 5]
  --dir DIR    where the files are made, 2 GB; removed at the end [default: /tmp]
  --rules FILE what all rules take over five nodes, from the example five_nodes (./dev gives it)
  --lab FILE   what a node of the lab shows: the program `check` of lab/bench (./dev gives it)
  --publish    write bench/check.json and the table in docs/performance.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", dir, objects] => {
            objects.parse().map_err(Into::into).and_then(|objects| made::make(Path::new(dir), objects))
        }
        ["read", file] => read(Path::new(file)),
        options => measured(options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("objects: {error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Reads one file as the helper does, and says as JSON what it took.
fn read(file: &Path) -> Result<bool, Box<dyn Error>> {
    let source = InventorySource { kind: InventoryKind::Backup, path: file.display().to_string(), taken_at_unix: 0 };
    let (began, before) = (Instant::now(), processor_time()?);
    let mut tally = Tally::default();
    let mut each = |key: &[u8], value: &[u8]| tally.add(key, value);
    if file.ends_with("state.db") {
        Database::read_only(file)?.each_newest(&mut each)?;
    } else {
        Store::open(file)?.each_live(&mut each)?;
    }
    let inventory = tally.finish(source);
    let (wall, processor) = (began.elapsed().as_secs_f64(), processor_time()? - before);
    let sent = serde_json::to_vec(&inventory)?.len();
    let kinds = inventory.kinds.len();
    println!(
        "{}",
        json!({"objects": inventory.objects, "undecoded": inventory.undecoded, "kinds": kinds, "wall-s": wall,
            "processor-s": processor, "rss": peak_memory()?, "inventory": sent})
    );
    Ok(true)
}

/// Seconds that this thread was on a processor.
fn processor_time() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse::<f64>()? / 1e9)
}

fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

fn measured(options: &[&str]) -> Result<bool, Box<dyn Error>> {
    let (mut objects, mut runs, mut dir) = (200_000_u64, 5_usize, PathBuf::from("/tmp"));
    let (mut others, mut is_published) = (Vec::new(), false);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if *option == "--publish" {
            is_published = true;
            continue;
        }
        let value = options.next().ok_or_else(|| format!("{option} lacks its value"))?;
        match *option {
            "--objects" => objects = value.parse()?,
            "--runs" => runs = value.parse()?,
            "--dir" => dir = value.into(),
            "--rules" | "--lab" => {
                let told: Value = serde_json::from_str(&std::fs::read_to_string(value)?)?;
                others.push((option.trim_start_matches('-').to_owned(), told));
            }
            other => return Err(format!("`{other}` is unknown").into()),
        }
    }
    let dir = dir.join(format!("belay-objects-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let result = both(&dir, objects, runs.max(1));
    std::fs::remove_dir_all(&dir)?;
    let (mut model, mut within) = result?;
    for (name, told) in &others {
        let number = |key: &str| told.get(key).and_then(Value::as_f64);
        within &= match name.as_str() {
            "rules" => number("p95-ms").is_some_and(|is| is <= RULES_MS),
            _ => SHOWN.iter().all(|(key, most)| number(key).is_some_and(|is| is <= *most)),
        };
    }
    if let Some(members) = model.as_object_mut() {
        members.extend(others);
    }
    println!("{model:#}");
    if is_published {
        publish::publish(&model)?;
    }
    Ok(within)
}

fn both(dir: &Path, objects: u64, runs: usize) -> Result<(Value, bool), Box<dyn Error>> {
    let me = std::env::current_exe()?;
    let dir_name = dir.to_str().ok_or("the directory's name is no text")?;
    if !Command::new(&me).args(["make", dir_name, &objects.to_string()]).status()?.success() {
        return Err("the files could not be made".into());
    }
    let mut model = json!({"objects": objects, "runs": runs, "bound": {"rate": RATE, "rss": MEMORY}});
    let mut within = true;
    for (name, file) in [("etcd", "snapshot.db"), ("sqlite", "state.db")] {
        let path = dir.join(file);
        let mut seen: Vec<Value> = Vec::new();
        // The first brings the file into the page cache.
        for _ in 0..=runs {
            let output = Command::new(&me).arg("read").arg(&path).output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            seen.push(serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {said}"))?);
        }
        let of = |key: &str| {
            let mut all: Vec<f64> = seen.iter().skip(1).filter_map(|run| run.get(key)?.as_f64()).collect();
            all.sort_by(f64::total_cmp);
            let middle = all.get(all.len() / 2).copied().unwrap_or(f64::NAN);
            (middle, all.last().copied().unwrap_or(f64::NAN))
        };
        let read = of("objects").0;
        let ((processor, slowest), (wall, _), (_, rss)) = (of("processor-s"), of("wall-s"), of("rss"));
        let rate = read / processor;
        #[expect(clippy::cast_precision_loss, reason = "numbers of objects and bytes")]
        let met = read >= objects as f64 && rate >= RATE && rss <= MEMORY as f64;
        within &= met;
        if let Some(members) = model.as_object_mut() {
            members.insert(name.to_owned(), json!({
                "file": std::fs::metadata(&path)?.len(), "objects": read, "rate": rate, "slowest-rate": read / slowest,
                "wall-s": wall, "rss": rss, "inventory": of("inventory").1, "met": met,
            }));
        }
    }
    Ok((model, within))
}
