//! The seeds of the fuzz targets for etcd's files, made by the fixtures of the tests: small pages, so that a change of a
//! byte hits something.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::check_trailer;
use super::fixture::Etcd;
use super::message::written_bytes as text;
use super::store::Store;

/// With `BELAY_WRITE_SEEDS` set they are written anew.
#[test]
fn the_seeds_of_the_fuzz_targets_are_what_the_fixtures_make() {
    let mut etcd = Etcd::new();
    for n in 0..9 {
        etcd.put(&format!("/registry/configmaps/default/n{n}"), "value");
    }
    etcd.delete("/registry/configmaps/default/n8");
    let database = etcd.database(1024);
    etcd.log_put("/registry/configmaps/default/late", "acknowledged");
    etcd.log_delete_at("/registry/configmaps/default/n7", 10);
    etcd.log(text(5, &[text(1, b"/registry/configmaps/default/n3"), text(2, &[0])].concat()));
    let log = etcd.segment();
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let made = [
        ("bolt/small", database.clone()),
        ("snapshot/small", [database.as_slice(), &Sha256::digest(&database)].concat()),
        // Without most of the zeros at its end; the first byte says how the target reads the others.
        ("wal/raw", [&[0], &log[..log.len() - 4000]].concat()),
        ("wal/sealed", [&[1], etcd.requests.join(&0xff).as_slice()].concat()),
    ];
    for (name, content) in made {
        let path = seeds.join(name);
        if std::env::var_os("BELAY_WRITE_SEEDS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &content).unwrap();
        }
        assert!(fs::read(&path).unwrap() == content, "{name} is stale: run this with BELAY_WRITE_SEEDS=1");
    }
    let store = Store::open(&seeds.join("bolt/small")).unwrap();
    assert_eq!((store.check().unwrap().as_str(), store.keys().unwrap()), ("ok", 8));
    check_trailer(&seeds.join("snapshot/small")).unwrap();
}
