//! `sha256sum-<arch>.txt` of a mirror that may lie. The parser's own file, because its crate brings the Kubernetes client
//! along, which would be compiled for minutes.
#![no_main]

#[path = "../../edge/runner/src/vault/sums.rs"]
mod sums;

use libfuzzer_sys::fuzz_target;

/// The errors of the vault that `sums.rs` knows.
#[expect(dead_code, reason = "the messages are the vault's")]
enum VaultError {
    NoSums { origin: String, begins: String },
    NotListed { origin: String, name: String },
}

fuzz_target!(|text: &str| {
    if let Ok(sum) = sums::find(text, "k3s", "fuzz") {
        let listed = |line: &str| line.trim().ends_with("k3s") && line.to_ascii_lowercase().contains(&sum.hex());
        assert!(text.lines().any(listed), "{sum} is not listed");
    }
});
