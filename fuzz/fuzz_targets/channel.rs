//! A channel server that may lie: its list of channels, and the redirect of one. What either names is a tag, spelled as
//! tags are. The parser's own file, for the reason in `sums.rs`.
#![no_main]

#[path = "../../edge/runner/src/vault/answer.rs"]
mod answer;

use belay_facts::K3sVersion;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for channel in answer::channels(text).unwrap_or_default() {
        if let Some(version) = channel.latest {
            assert_eq!(version.tag().parse::<K3sVersion>(), Ok(version));
        }
    }
    if let Some(version) = answer::named_in(text) {
        let last = text.rsplit('/').next().unwrap_or_default();
        assert_eq!(version.tag(), last.replace("%2B", "+").replace("%2b", "+"));
    }
});
