//! What `systemctl show` says of a unit, down to its argument vector; a token in it is never shown.
#![no_main]

use belay_helper::fuzzing::shown_argv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for (word, next) in shown_argv(text) {
        if let Some(value) = word.strip_prefix("--token=") {
            assert_eq!(value, "(secret)");
        }
        if let (true, Some(next)) = (word == "--token", next) {
            assert_eq!(next, "(secret)");
        }
    }
});
