//! A file of somebody's repository: objects come out on lines of the file, a template as well as YAML, and never more than were there.
#![no_main]

use belay_manifests::{Templated, Written};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // YAML ends a line at a carriage return as well.
    let lines = 1 + u32::try_from(text.matches(['\n', '\r']).count()).unwrap_or(u32::MAX - 1);
    let is_told = |one: &Written| {
        assert!((1..=lines).contains(&one.line), "line {} of {lines}", one.line);
        assert!(!one.api_version.is_empty() && one.api_version.len() <= 512 && one.kind.len() <= 512);
    };
    match Written::all(text) {
        Ok(objects) => {
            objects.iter().for_each(is_told);
            assert!(objects.len() <= text.matches(':').count());
        }
        Err(error) => assert!(error.line <= lines + 1, "line {} of {lines}", error.line),
    }
    let read = Templated::read(text);
    read.objects.iter().for_each(is_told);
    assert!(read.objects.len() <= 16 * text.matches("apiVersion:").count());
});
