//! `config.yaml`: a file that people write. Keys come out once each, in order, each on a line of the file.
#![no_main]

use belay_helper::fuzzing::config_entries;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(entries) = config_entries(text) else { return };
    // YAML ends a line at a carriage return as well.
    let lines = 1 + u32::try_from(text.matches(['\n', '\r']).count()).unwrap_or(u32::MAX - 1);
    for (at, (key, line)) in entries.iter().enumerate() {
        assert!((1..=lines).contains(line), "line {line} of {lines}");
        assert!(entries.iter().skip(at + 1).all(|(other, _)| other != key), "{key} twice");
    }
});
