//! How long all rules take over the facts of five nodes, as JSON; fails above the bound. Part of `./dev bench check`; alone:
//! `cargo run --release -p belay-checks --example five_nodes [ROUNDS]`.

#![expect(
    clippy::indexing_slicing,
    reason = "the facts are a fixture of this crate; a bench may stop at what is not in them"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use belay_checks::{Edge, Knowledge, Policy, check};
use belay_facts::Facts;
use serde_json::{Value as Json, json};

const NODES: usize = 5;
/// For 95 of a hundred times, in milliseconds.
const BOUND: f64 = 100.0;

#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(20), |text| text.parse())?;
    let mut base: Json = serde_json::from_str(include_str!("../fixtures/base.json"))?;
    let edge: Edge = serde_json::from_value(base["edge"].take())?;
    let nodes = base["facts"]["nodes"].as_array_mut().ok_or("the facts have no nodes")?;
    let first = nodes.first().cloned().ok_or("the facts have no node")?;
    for number in nodes.len()..NODES {
        let mut node = first.clone();
        node["name"] = format!("n{}", number + 1).into();
        nodes.push(node);
    }
    let facts = Facts::from_json(&base["facts"].to_string())?;
    let began = Instant::now();
    let knowledge = Knowledge::embedded()?;
    let compiled = began.elapsed();
    let policy = Policy { accepted: Vec::new(), today: "2026-11-23".parse()? };
    let mut times: Vec<Duration> = (0..rounds.max(1))
        .map(|_| {
            let began = Instant::now();
            std::hint::black_box(check(&facts, &edge, &knowledge, &policy));
            began.elapsed()
        })
        .collect();
    times.sort();
    let at = |part: usize| times.get(times.len() * part / 100).or(times.last()).copied().unwrap_or_default();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let model = json!({
        "rules": knowledge.rules.len(), "nodes": NODES, "rounds": rounds, "compiled-ms": millis(compiled),
        "median-ms": millis(at(50)), "p95-ms": millis(at(95)), "bound-ms": BOUND,
    });
    println!("{model:#}");
    Ok(ExitCode::from(u8::from(millis(at(95)) > BOUND)))
}
