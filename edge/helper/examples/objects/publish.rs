use std::error::Error;
use std::path::Path;

use belay_journal::durable;
use serde_json::Value;

/// Writes the model and the table.
pub fn publish(model: &Value) -> Result<(), Box<dyn Error>> {
    durable::create_dir(Path::new("bench"), 0o755)?;
    durable::replace(Path::new("bench/check.json"), format!("{model:#}\n").as_bytes(), 0o644)?;
    let page = Path::new("docs/performance.md");
    let text = std::fs::read_to_string(page)?;
    let (begin, end) = ("<!-- check: written by ./dev bench check --publish -->", "<!-- /check -->");
    let (before, rest) = text.split_once(begin).ok_or("docs/performance.md has no place for the table")?;
    let (_, after) = rest.split_once(end).ok_or("the place of the table in docs/performance.md has no end")?;
    let text = format!("{before}{begin}\n{}{end}{after}", table(model));
    durable::replace(page, text.as_bytes(), 0o644)?;
    Ok(())
}

fn table(model: &Value) -> String {
    let number = |path: &str| model.pointer(path).and_then(Value::as_f64);
    let told = |path: &str, unit: &str, by: f64, places: usize| {
        number(path).map_or_else(|| "not measured yet".to_owned(), |value| format!("{:.places$}{unit}", value / by))
    };
    let mut out = String::from("| | measured | bound |\n|---|---|---|\n");
    for (name, what) in [("etcd", "a snapshot of etcd"), ("sqlite", "kine's SQLite")] {
        let objects = told(&format!("/{name}/objects"), "", 1.0, 0);
        let rate = told(&format!("/{name}/rate"), " k objects/s and core", 1e3, 0);
        let slowest = told(&format!("/{name}/slowest-rate"), "", 1e3, 0);
        let memory = told(&format!("/{name}/rss"), " MiB", 1_048_576.0, 0);
        let file = told(&format!("/{name}/file"), " MB", 1e6, 0);
        out.push_str(&format!(
            "| {objects} objects from {what} of {file} | {rate} (slowest run {slowest}) | ≥ 500 k |\n| | {memory} at most | ≤ 256 MiB |\n"
        ));
    }
    let rules = told("/rules/rules", " rules over five nodes", 1.0, 0);
    let time = told("/rules/p95-ms", " ms", 1.0, 1);
    out.push_str(&format!("| {rules}, 95 of 100 times | {time} | ≤ 100 ms |\n"));
    let of = told("/lab/objects", " objects", 1.0, 0);
    let (cold, warm) = (told("/lab/cold-start-s", " s", 1.0, 2), told("/lab/warm-s", " s", 1.0, 2));
    let (load, burst) = (told("/lab/requests-per-s", "", 1.0, 1), told("/lab/burst", "", 1.0, 0));
    out.push_str(&format!(
        "| `belay check` on one server ({of}), page cache dropped before, slowest; warm, median | {cold}; {warm} | ≤ 2 s; |\n"
    ));
    out.push_str(&format!(
        "| its requests to the API in a second, over a minute; at most in one | {load}; {burst} | ≤ 10; ≤ 40 |\n"
    ));
    out
}
