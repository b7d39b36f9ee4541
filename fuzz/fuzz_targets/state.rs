//! The small files that the helper keeps on its node: fence, lease, manifest and receipt of a backup, lists of lost objects.
//! What can be read of one is what is written of it.
#![no_main]

use belay_helper::fuzzing::{KEPT_FILES, held_since, kept_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for kind in 0..KEPT_FILES {
        let Some([first, second]) = kept_file(kind, data) else { continue };
        let first = first.expect("what was read can be written");
        assert_eq!(second.expect("what was written can be read"), first);
    }
    if let Some(words) = held_since(data) {
        assert!(words.contains(" since "), "{words}");
    }
});
