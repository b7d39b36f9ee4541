//! `belay-helper serve` speaks the protocol on its standard input and output; `belay-helper recover` is the boot unit, and
//! `belay-helper guard` what its timer starts.

use std::io;
use std::process::ExitCode;

use belay_helper::{Link, Places, guard, recover, serve};

const USAGE: &str = "\
belay-helper: acts on the K3s of this node for Belay. It is started by `belay` and by units of ours.

  belay-helper serve       speak the protocol on standard input and output
  belay-helper recover     finish a way back that a power cut interrupted, then let K3s start
  belay-helper guard       go back when the coordinator is silent past its lease; started by belay-guard.timer
  belay-helper --version   print the version
";

fn main() -> ExitCode {
    #[cfg(feature = "mutants")]
    if let Ok(name) = std::env::var("BELAY_MUTANT") {
        match belay_facts::Mutant::named(&name) {
            Some(mutant) => belay_facts::mutate(Some(mutant)),
            None => return ExitCode::from(2),
        }
    }
    let argument = std::env::args().nth(1).unwrap_or_default();
    match argument.as_str() {
        "serve" => ended(serve(&Places::host(), Link::new(io::stdin(), io::stdout()))),
        // Always a success: a failed unit of ours must not look like a reason to keep K3s down.
        "recover" => told(recover(&Places::host())),
        "guard" => told(guard(&Places::host())),
        "--version" => {
            say(&mut io::stdout(), concat!("belay-helper ", env!("CARGO_PKG_VERSION"), "\n"));
            ExitCode::SUCCESS
        }
        "--help" | "-h" => {
            say(&mut io::stdout(), USAGE);
            ExitCode::SUCCESS
        }
        _ => {
            say(&mut io::stderr(), USAGE);
            ExitCode::from(2)
        }
    }
}

fn told(lines: Vec<String>) -> ExitCode {
    for line in lines {
        say(&mut io::stderr(), &format!("belay-helper: {line}\n"));
    }
    ExitCode::SUCCESS
}

fn ended<E: std::error::Error>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&mut io::stderr(), &format!("belay-helper: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Nobody may be listening any more; that is no reason to die of it.
fn say(to: &mut impl io::Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
