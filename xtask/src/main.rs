//! Tasks of the workspace, run as `cargo xtask <task>`.

use std::process::ExitCode;

mod checks;
mod dist;
mod docs;
mod facts;
mod layers;
mod writes;

const HELP: &str = "\
usage: cargo xtask <task>

  layers   fail on a dependency between crates that the house does not allow (design: floors and arrows)
  writes   fail on a write to the file system that goes past belay_journal::durable (ADR 0011)
  checks   print the table of rules and which known failures they name; fail when a rule lacks a fixture
  docs     write the pages that are made from declarations: docs/steps.md, docs/facts.md, docs/risks.md, docs/checks/
  dist     build, prove and pack a release: tarball, deb, bill of materials, sums [--out DIR]
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let outcome = match task.as_str() {
        "layers" => layers::run(),
        "writes" => writes::run(),
        "checks" => checks::run(),
        "docs" => docs::run(),
        "dist" => dist::run(&arguments.collect::<Vec<_>>()),
        _ => Err(if task.is_empty() { HELP.to_owned() } else { format!("no task `{task}`\n\n{HELP}") }),
    };
    match outcome {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a task's result goes to its standard output")]
fn say(text: &str) {
    println!("{}", text.trim_end());
}

#[expect(clippy::print_stderr, reason = "a task's failure goes to its standard error")]
fn complain(why: &str) {
    eprintln!("{}", why.trim_end());
}
