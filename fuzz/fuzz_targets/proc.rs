//! `/proc` as the helper reads it: one process, the tables of sockets, memory and clocks. A container may have written the
//! name and the arguments of a process.
#![no_main]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use belay_facts::{Coordinator, Life};
use belay_helper::{Places, fuzzing};
use libfuzzer_sys::fuzz_target;

const DATA: &str = "/var/lib/rancher/k3s";
const EXE: &str =
    "/var/lib/rancher/k3s/data/6cfea298162fa4e99d3b9c43e957a22fec3011a4b8147cebf6dfb8db50b09458/bin/k3s";
const FILES: [&str; 9] = [
    "7/stat",
    "7/status",
    "7/cmdline",
    "7/cgroup",
    "net/tcp",
    "net/tcp6",
    "meminfo",
    "uptime",
    "sys/kernel/random/boot_id",
];

static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let places = Places::under(&PathBuf::from(format!("/dev/shm/belay-fuzz-proc-{}", std::process::id())));
    for dir in ["7", "net", "sys/kernel/random"] {
        std::fs::create_dir_all(places.proc.join(dir)).expect("/dev/shm can be written");
    }
    symlink(EXE, places.proc.join("7/exe")).expect("/dev/shm can be written");
    places
});

fuzz_target!(|data: &[u8]| {
    // 0xff stands between two files: it is no text, and what is none is tried as 0xfe.
    let mut parts = data.split(|byte| *byte == 0xff);
    for file in FILES {
        std::fs::write(PLACES.proc.join(file), parts.next().unwrap_or_default()).expect("/dev/shm can be written");
    }
    let seen = fuzzing::seen(&PLACES, Path::new(DATA), 7);
    assert_eq!(seen.processes, 1);
    assert!(seen.k3s.len() <= 1);
    if let Some(facts) = seen.facts {
        assert_eq!((facts.pid, facts.exe.as_str()), (7, EXE));
        assert_eq!(facts.data_hash, fuzzing::version_of(Path::new(DATA), EXE));
    }
    assert!(seen.listeners.iter().all(|(port, _)| *port == 6443));
    // One reads the tables whole, the other line by line: who finds a listener is not contradicted.
    assert!(seen.listeners.is_empty() || seen.listened_on != Some(false));
    let of = Coordinator {
        user: "root".into(),
        host: "n1".into(),
        pid: 7,
        started: 1,
        boot: seen.now.boot_id,
        since: 0,
    };
    assert_ne!(belay_journal::life(&of, &PLACES.proc), Life::Unknown);
});
