//! etcd's log behind a sound database: as bytes, or as records that are sealed here, so that the fuzzer gets past their
//! sums. What it tells never goes back behind the database, and nothing in it has a revision above the last.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use belay_helper::Store;
use libfuzzer_sys::fuzz_target;

const DATABASE: &[u8] = include_bytes!("../seeds/bolt/small");

static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let server = PathBuf::from(format!("/dev/shm/belay-fuzz-wal-{}", std::process::id()));
    for dir in ["snap", "wal"] {
        std::fs::create_dir_all(server.join("db/etcd/member").join(dir)).expect("/dev/shm can be written");
    }
    std::fs::write(server.join("db/etcd/member/snap/db"), DATABASE).expect("/dev/shm can be written");
    server
});

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    let log = if mode & 1 == 0 { rest.to_vec() } else { sealed(rest) };
    let segment = SERVER.join("db/etcd/member/wal/0000000000000000-0000000000000000.wal");
    std::fs::write(segment, log).expect("/dev/shm can be written");
    let Ok(store) = Store::of_server(&SERVER) else { return };
    let stored = Store::open(&SERVER.join("db/etcd/member/snap/db")).and_then(|store| store.revision());
    let revision = store.revision().expect("the database is sound");
    assert!(revision >= stored.expect("the database is sound"));
    store.latest(|key, last, _| assert!(last <= revision, "{key} at {last} of {revision}")).expect("it is sound");
    let _ = store.keys();
});

/// Entries after those that the database has, each with the bytes up to the next 0xff as its request.
fn sealed(data: &[u8]) -> Vec<u8> {
    let (mut log, mut crc) = (Vec::new(), 0);
    for (index, request) in (6..).zip(data.split(|byte| *byte == 0xff).take(64)) {
        let entry = [number(1, 0), number(3, index), text(4, request)].concat();
        crc = crc32c::crc32c_append(crc, &entry);
        let frame = [number(1, 2), number(2, crc.into()), text(3, &entry)].concat();
        let padding = (8 - frame.len() % 8) % 8;
        let top = if padding > 0 { (0x80 | padding as u64) << 56 } else { 0 };
        log.extend((frame.len() as u64 | top).to_le_bytes());
        log.extend(frame);
        log.extend(vec![0; padding]);
    }
    log
}

fn number(field: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    varint(&mut bytes, value);
    bytes
}

fn text(field: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    varint(&mut bytes, value.len() as u64);
    bytes.extend_from_slice(value);
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value as u8) | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
