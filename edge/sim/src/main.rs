//! `belay-sim`: lives schedules, replays one, or shows which bugs the suite finds.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program's output is for the terminal")]

use std::process::ExitCode;
use std::time::Instant;

use belay_sim::{Campaign, Wish, kill_all};

const USAGE: &str = "\
usage: belay-sim [--schedules N] [--seed S]   live N schedules from seed S on; stop at 20 that fail, or --failures N
       belay-sim --replay S                   the whole trace of one
       belay-sim --mutants [--schedules N]    which of the written-down bugs are found (feature `mutants`)";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let place = words.iter().position(|word| word == name)?;
        words.get(place + 1)?.parse::<u64>().ok()
    };
    let flag = |name: &str| words.iter().any(|word| word == name);
    if flag("--help") || words.iter().any(|word| word.starts_with('-') && !known(word)) {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let seed = value("--seed").unwrap_or(1);
    match value("--replay") {
        Some(seed) => replay(seed),
        None if flag("--mutants") => mutants(seed, value("--schedules").unwrap_or(20_000)),
        None => campaign(seed, value("--schedules").unwrap_or(50_000), value("--failures").unwrap_or(20)),
    }
}

fn known(word: &str) -> bool {
    ["--schedules", "--seed", "--failures", "--replay", "--mutants", "--help"].contains(&word)
}

fn replay(seed: u64) -> ExitCode {
    let lived = Campaign::new().live(seed, Wish { traced: true, undisturbed: false });
    lived.trace.iter().for_each(|line| println!("{line}"));
    match lived.violation {
        None => {
            println!("every invariant held; {}", lived.end.map_or("no end", belay_engine::EndState::name));
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("{}: {} ({})", violation.invariant, violation.what, violation.invariant.what());
            ExitCode::FAILURE
        }
    }
}

fn campaign(seed: u64, schedules: u64, failures: u64) -> ExitCode {
    let mut campaign = Campaign::new();
    let began = Instant::now();
    let next = campaign.run(seed, schedules, usize::try_from(failures).unwrap_or(usize::MAX));
    let seconds = began.elapsed().as_secs_f64();
    let coverage = &campaign.coverage;
    let points = campaign.points().len();
    println!(
        "{} schedules with {} faults in {seconds:.1} s ({:.0} a second); {} shapes of plans; seeds {seed} to {} ({} met no fault)",
        coverage.schedules,
        coverage.faults,
        coverage.schedules as f64 / seconds.max(0.001),
        campaign.shapes().len(),
        next - 1,
        coverage.lived - coverage.schedules,
    );
    println!("{} of {points} (crash point × fault) reached", points - campaign.missed().len());
    let ends: Vec<String> = coverage.ends.iter().map(|(name, count)| format!("{count} {name}")).collect();
    println!("ends: {}", ends.join(", "));
    for (seed, violation) in &coverage.violations {
        println!("seed {seed}: {}: {}", violation.invariant, violation.what);
    }
    if !coverage.violations.is_empty() {
        println!("`belay-sim --replay SEED` shows the whole of it");
        return ExitCode::FAILURE;
    }
    let failures = 3.0 / coverage.schedules.max(1) as f64;
    println!(
        "no invariant was broken: fewer than {failures:.1e} of such schedules break one (95 %, for this fault model)"
    );
    if coverage.schedules < schedules {
        println!("but fewer schedules ran than were asked for");
        return ExitCode::FAILURE;
    }
    let missed = campaign.missed();
    // Fewer schedules than these cannot reach every point.
    if schedules >= 50_000 && !missed.is_empty() {
        let names: Vec<String> = missed.iter().map(|(station, fault)| format!("{station} × {fault:?}")).collect();
        println!("but these points were not reached: {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn mutants(seed: u64, most: u64) -> ExitCode {
    if !cfg!(feature = "mutants") {
        eprintln!(
            "no bug can be switched on in this build; type: cargo run --release -p belay-sim --features mutants -- --mutants"
        );
        return ExitCode::from(2);
    }
    println!("| mutant | killed by | after schedules | seed |\n|---|---|---|---|");
    let killed = kill_all(seed, most, |killed| match &killed.by {
        Some((invariant, schedules, seed)) => println!("| `{}` | {invariant} | {schedules} | {seed} |", killed.mutant),
        None => println!("| `{}` | **lived** | {most} | |", killed.mutant),
    });
    let lived = killed.iter().filter(|killed| killed.by.is_none()).count();
    println!("\n{} of {} killed", killed.len() - lived, killed.len());
    if lived == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
