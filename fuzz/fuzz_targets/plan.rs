//! A reviewed plan, as somebody may hand it over; sealed again where only its digest is wrong, so that the fuzzer gets past
//! it. What is accepted means the same when it is written again.
#![no_main]

use belay_plan::{Plan, PlanError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let plan = match Plan::from_yaml(text) {
        Ok(plan) => plan,
        Err(PlanError::Edited { said, is }) => {
            let sealed = text.replace(&said.to_string(), &is.to_string());
            let Ok(plan) = Plan::from_yaml(&sealed) else { return };
            plan
        }
        Err(_) => return,
    };
    let again = plan.to_yaml().expect("a plan that was read can be written");
    let read = Plan::from_yaml(&again).expect("a plan that was written can be read");
    assert_eq!(read, plan);
    assert_eq!(read.content_digest(), plan.content_digest());
});
