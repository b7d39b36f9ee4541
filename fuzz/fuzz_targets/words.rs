//! Single words that people type or files carry: durations, digests, destinations, and who a coordinator is. Each is
//! spelled again as the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use belay_facts::{Coordinator, Destination, Digest, Span};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    spelled::<Span>(text);
    spelled::<Digest>(text);
    spelled::<Destination>(text);
    if let Ok(to) = text.parse::<Destination>() {
        // It becomes an argument of ssh.
        assert!(!to.to_string().starts_with('-'));
    }
    if let Ok(by) = serde_json::from_str::<Coordinator>(text) {
        assert!(by.is_same(&by) && !format!("{by} {}", by.since()).is_empty());
    }
});

fn spelled<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert!(read.to_string().parse::<T>().is_ok_and(|again| again == read), "{text}: {read:?}");
    }
}
