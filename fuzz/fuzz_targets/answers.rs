//! What servers answer over the network: the cluster's DNS, etcd's health and metrics, the metrics of the API server. The
//! parser of the last is taken by its file, for the reason in `sums.rs`.
#![no_main]

#[path = "../../edge/cluster/src/deprecated.rs"]
mod deprecated;

use std::net::IpAddr;

use belay_helper::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((addresses, code)) = fuzzing::dns_answer(data) {
        assert!(addresses.iter().all(|address| address.parse::<IpAddr>().is_ok()), "{addresses:?}");
        assert!(!code.is_empty());
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (_, value, label) = fuzzing::etcd_told(text, "etcd");
    if value.is_some() || label.is_some() {
        assert!(text.lines().any(|line| line.starts_with("etcd")));
    }
    let apis = deprecated::parse(text);
    assert!(apis.is_sorted() && apis.len() <= text.lines().count());
});
