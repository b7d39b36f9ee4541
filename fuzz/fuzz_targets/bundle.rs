//! A knowledge bundle, as it is read once its signature holds; what is read is merged with what the build carries.
#![no_main]

use std::sync::LazyLock;

use belay_checks::{Bundle, Knowledge, Signer};
use libfuzzer_sys::fuzz_target;

static BUILD: LazyLock<Option<Knowledge>> = LazyLock::new(|| Knowledge::embedded().ok());

fuzz_target!(|data: &[u8]| {
    let (Ok(text), Some(build)) = (std::str::from_utf8(data), BUILD.as_ref()) else { return };
    let Ok(bundle) = Bundle::parse(text) else { return };
    let (merged, _) = build.clone().with(&bundle, Signer::Other(String::new()));
    for rule in &build.rules {
        let kept = merged.rule(&rule.id).is_some_and(|kept| kept.severity == rule.severity && kept.when() == rule.when());
        assert!(kept, "{} was lost", rule.id);
    }
    let _ = build.clone().with(&bundle, Signer::Project);
});
