//! The protocol between coordinators, nodes and their guards, explored in every order by stateright.
//!
//! The engine in it is the real one; the nodes are a model of what design.md and the ADRs ask of the helper.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "for tests only")]

mod act;
mod flaw;
mod law;
#[path = "../model/mod.rs"]
mod model;
mod node;
mod property;
mod world;

use std::collections::BTreeSet;
use std::sync::Mutex;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use flaw::Flaw;
use law::{Law, Next};
use world::{Action, Protocol, State};

fn protocol(servers: u8, faults: u8, coarse: bool, flaw: Option<Flaw>) -> Protocol {
    Protocol { law: Law::of(model::made()), servers, faults, coarse, flaw, crashed_in: Mutex::default() }
}

/// Explores everything; every `always` must hold, and every `sometimes` be reached but those that need more.
fn holds(protocol: Protocol, beyond: &[&str]) -> BTreeSet<String> {
    let (servers, faults) = (protocol.servers, protocol.faults);
    let checker = protocol.checker().threads(1).spawn_bfs().join();
    let model = checker.model();
    println!(
        "{servers} server(s), up to {faults} fault(s): {} unique states, {} transitions, depth {}, {} states of the engine",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        model.law.folds(),
    );
    for property in model.properties() {
        let found = checker.discovery(property.name);
        match property.expectation {
            Expectation::Sometimes => {
                assert_eq!(found.is_some(), !beyond.contains(&property.name), "reached: {}", property.name);
            }
            _ => {
                if let Some(path) = found {
                    panic!("{}: broken by\n{}", property.name, story(&model.law, path.into_vec()));
                }
            }
        }
    }
    model.crashed_in.lock().unwrap().clone()
}

/// A counterexample, as one can read it.
fn story(law: &Law, path: Vec<(State, Option<Action>)>) -> String {
    let mut told = String::new();
    for (state, action) in path {
        let Some(action) = action else {
            told.push_str(&format!("{:?}", state.nodes));
            continue;
        };
        let about = match action {
            Action::Go(c) | Action::Judge(c, _) => {
                let c = &state.coordinators[usize::from(c)];
                let next = law.standing(c.folds[usize::from(c.at)]).next;
                let name = if let Next::Do(step) | Next::Probe(step) = next { law.name(step) } else { "" };
                format!("{next:?} {name}, generation {}", c.generation)
            }
            Action::Deliver(c) | Action::Repeat(c) | Action::Lose(c) | Action::LoseAnswer(c) | Action::HalfWay(c) => {
                format!("{:?}", state.coordinators[usize::from(c)].wire)
            }
            Action::Stray(n) => format!("{:?}", state.strays[usize::from(n)]),
            _ => String::new(),
        };
        told.push_str(&format!("  {action:?} {about}\n"));
    }
    told
}

/// What needs two coordinators at odds, and one of them to come back once more.
const NEED_MORE: [&str; 1] = ["a refused coordinator read how it ended"];

#[test]
fn one_server_with_a_fault_at_every_step() {
    let protocol = protocol(1, 1, false, None);
    let steps: BTreeSet<String> = protocol.law.names().map(str::to_owned).collect();
    let crashed = holds(protocol, &NEED_MORE);
    let at: BTreeSet<String> = crashed.iter().map(|phase| phase.trim_start_matches("before ").to_owned()).collect();
    println!("killed in {} phases: {crashed:?}", crashed.len());
    // To be killed in a swap-back, one other fault must have led there.
    let missed: Vec<&str> = steps.difference(&at).map(String::as_str).collect();
    assert_eq!(missed, ["n1.back.swap-back"], "never killed in these");
    assert!(["turn", "vouch"].iter().all(|phase| at.iter().any(|at| at.starts_with(phase))), "{at:?}");
}

#[test]
fn three_servers_with_any_fault() {
    holds(protocol(3, 1, true, None), &NEED_MORE);
}

/// Millions of states: `./dev crash --model`.
#[test]
#[ignore = "minutes, and gigabytes of memory; ./dev crash --model"]
fn one_server_with_any_two_faults() {
    let crashed = holds(protocol(1, 2, true, None), &[]);
    assert!(crashed.contains("n1.back.swap-back"), "{crashed:?}");
}

/// A model that cannot be wrong proves nothing.
#[test]
fn a_flaw_of_one_fault_has_a_counterexample() {
    counterexamples(&Flaw::OF_ONE_FAULT, &[(1, 1), (3, 1)]);
}

#[test]
#[ignore = "minutes, and gigabytes of memory; ./dev crash --model"]
fn a_flaw_of_two_faults_has_a_counterexample() {
    counterexamples(&Flaw::OF_TWO_FAULTS, &[(1, 2)]);
}

fn counterexamples(flaws: &[Flaw], bounds: &[(u8, u8)]) {
    let missed: Vec<&Flaw> = flaws.iter().filter(|flaw| !bounds.iter().any(|bound| breaks(**flaw, *bound))).collect();
    assert!(missed.is_empty(), "no counterexample for {missed:?}");
}

fn breaks(flaw: Flaw, (servers, faults): (u8, u8)) -> bool {
    let checker = protocol(servers, faults, true, Some(flaw)).checker().threads(1);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let always =
        checker.model().properties().into_iter().filter(|property| property.expectation == Expectation::Always);
    let broken = always.filter_map(|property| Some((property.name, checker.discovery(property.name)?.into_actions())));
    let states = checker.unique_state_count();
    let bound = format!("{servers} server(s), {faults} fault(s), {states} states");
    let Some((name, path)) = broken.min_by_key(|(_, path)| path.len()) else {
        println!("{flaw:?}: nothing broken, {bound}");
        return false;
    };
    println!("{flaw:?}: `{name}` broken after {} steps, {bound}", path.len());
    true
}
