//! The real coordinator as a process of its own, over a pipe to a helper that only writes down what it is asked: what a halt,
//! a lost node, a broken disk and a resume make it do, and in which order. No node, no cluster, no clock is waited for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where it fails, and this one is its own harness"
)]

mod gather;
mod made;
mod node;
mod run;

use std::panic::catch_unwind;
use std::process::ExitCode;

const TESTS: [(&str, fn()); 14] = [
    ("a_wish_to_halt_ends_the_run_as_ctrl_c_does_and_says_who", run::a_wish_to_halt_ends_the_run_as_ctrl_c_does),
    ("a_wish_for_a_process_that_is_gone_halts_nobody", run::a_wish_for_a_process_that_is_gone_halts_nobody),
    ("a_superseded_coordinator_leaves_the_node_alone", run::a_superseded_coordinator_leaves_the_node_alone),
    ("a_probe_that_is_refused_ends_it_as_well", run::a_probe_that_is_refused_ends_it_as_well),
    (
        "whoever_is_superseded_while_a_gate_is_asked_asks_nothing_more",
        run::whoever_is_superseded_in_a_gate_asks_nothing_more,
    ),
    ("a_turn_is_told_before_anything_is_done_back", run::a_turn_is_told_before_anything_is_done_back),
    ("a_broken_journal_never_leaves_k3s_down", run::a_broken_journal_never_leaves_k3s_down),
    ("a_broken_journal_with_k3s_up_stops_everything", run::a_broken_journal_with_k3s_up_stops_everything),
    ("a_resume_decides_before_the_api_says_anything", run::a_resume_decides_before_the_api_says_anything),
    ("a_resume_goes_on_only_with_what_the_node_tells", run::a_resume_goes_on_only_with_what_the_node_tells),
    (
        "a_resume_whose_first_word_got_no_answer_says_it_again",
        run::a_resume_whose_first_word_got_no_answer_says_it_again,
    ),
    ("a_kubeconfig_of_another_cluster_is_refused", gather::a_kubeconfig_of_another_cluster_is_refused),
    ("with_a_kubeconfig_nobody_asks_as_administrator", gather::with_a_kubeconfig_nobody_asks_as_administrator),
    ("without_root_the_api_is_unknown_and_says_what_to_type", gather::without_root_the_api_is_unknown),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(dir) = std::env::var_os(node::DIRECTORY) {
        let dir = std::path::PathBuf::from(dir);
        return match arguments.first().map(String::as_str) {
            Some("serve") => node::serve(&dir),
            Some(gather::CHECK) => gather::act(&dir),
            Some(what) => run::act(&dir, what),
            None => ExitCode::FAILURE,
        };
    }
    let wanted = |name: &str| arguments.iter().all(|filter| filter.starts_with('-') || name.contains(filter.as_str()));
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        let ok = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        if ok { passed += 1 } else { failed += 1 }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
