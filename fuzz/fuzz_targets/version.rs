//! Release tags, one a line: each has exactly one spelling, and their order is total.
#![no_main]

use std::cmp::Ordering;

use belay_facts::K3sVersion;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let versions: Vec<K3sVersion> = text
        .lines()
        .take(8)
        .filter_map(|line| {
            let version: K3sVersion = line.parse().ok()?;
            assert_eq!(version.tag(), line);
            Some(version)
        })
        .collect();
    for a in &versions {
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse());
            assert_eq!(a.cmp(b) == Ordering::Equal, a == b);
            for c in &versions {
                assert!(!(a <= b && b <= c) || a <= c, "{a} {b} {c}");
            }
        }
    }
});
