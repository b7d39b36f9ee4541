//! `belay`: upgrades K3s so that it is never left worse than it was found.

mod args;
mod commands;
mod display;
mod error;
mod output;

// The same told runs as the report's tests: what is watched and what is read afterwards is one story.
#[cfg(test)]
#[path = "../../report/tests/story/mod.rs"]
mod story;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

fn main() -> ExitCode {
    #[cfg(feature = "mutants")]
    if let Ok(name) = std::env::var("BELAY_MUTANT") {
        match belay_facts::Mutant::named(&name) {
            Some(mutant) => belay_facts::mutate(Some(mutant)),
            None => return ExitCode::from(2),
        }
    }
    // Two TLS providers in one program panic at the first connection: there is one, named here.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return output::fail(&error::CommandError::internal("a TLS provider was installed before main"), false);
    }
    let args = Args::parse();
    let json = args.wants_json();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&error::CommandError::internal(error), json),
    };
    let done = runtime.block_on(commands::run(args));
    // A helper in the middle of an exchange is left to finish by itself; nothing here waits for it.
    runtime.shutdown_background();
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => output::fail(&error, json),
    }
}
