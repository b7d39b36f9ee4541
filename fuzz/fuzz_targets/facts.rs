//! A file of facts. What is accepted has a digest, and the same one when it is written again.
#![no_main]

use belay_facts::Facts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(facts) = Facts::from_json(text) else { return };
    let again = serde_json::to_string(&facts).expect("facts that were read can be written");
    let read = Facts::from_json(&again).expect("facts that were written can be read");
    assert_eq!(read.digest(), facts.digest());
});
