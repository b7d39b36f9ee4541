use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use belay_facts::{EncryptionFacts, Facts};

use super::*;

/// A healthy server, as a helper of `uid` tells of it.
fn node(uid: u32) -> NodeFacts {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/checks/fixtures/base.json");
    let base: serde_json::Value = serde_json::from_str(&fs::read_to_string(base).unwrap()).unwrap();
    let mut node = Facts::from_json(&base["facts"].to_string()).unwrap().nodes.remove(0);
    node.helper.uid = uid;
    node.data_dir = "/none/k3s".to_owned();
    node
}

fn facts(unread: &[Unread]) -> Vec<&str> {
    unread.iter().map(|one| one.fact.as_str()).collect()
}

#[test]
fn for_root_everything_is_as_it_was_told() {
    let mut told = node(0);
    assert_eq!(without_root(&mut told, &|_| true), []);
    assert_eq!(told, node(0));
}

/// K3s makes `server` for root alone, and install.sh the file of the unit's environment.
#[test]
fn a_directory_that_may_not_be_entered_is_not_an_empty_one() {
    let mut told = node(1000);
    told.certificates = Some(Vec::new());
    told.encryption = Some(EncryptionFacts { providers: Vec::new(), stage: String::new() });
    let unread = without_root(&mut told, &|path| path.starts_with("/none/k3s/server"));
    let named = facts(&unread);
    for fact in [
        "node.datastore",
        "node.certificates",
        "node.around.manifests",
        "node.encryption",
        "node.disks.data.exchange",
        "node.helper.open_run",
    ] {
        assert!(named.contains(&fact), "{fact}: {named:?}");
    }
    for fact in
        ["node.config", "node.binary", "node.disks.data", "node.around.image_archives", "node.around.disk_errors"]
    {
        assert!(!named.contains(&fact), "{fact}: {named:?}");
    }
    assert!(
        told.encryption.is_none()
            && told.datastore.is_none()
            && told.certificates.is_none()
            && told.around.unwrap().manifests.is_none()
    );
    assert!(told.binary.is_some() && told.disks.contains_key("data"));
    let why = &unread.iter().find(|one| one.fact == "node.datastore").unwrap().why;
    assert_eq!(why, "needs root: user 1000 may not read /none/k3s/server/db");
    assert!(unread.iter().all(|one| one.why.starts_with("needs root") && one.fix.as_deref() == Some(FIX)));
}

#[test]
fn a_configuration_that_may_not_be_read_may_name_another_data_directory() {
    let environment = "/etc/systemd/system/k3s.service.env";
    let mut told = node(1000);
    told.config.unreadable.push(format!("{environment}: Permission denied (os error 13)"));
    let unread = without_root(&mut told, &|path| path == Path::new(environment));
    let named = facts(&unread);
    assert!(["node.config", "node.datastore", "node.disks.data"].iter().all(|fact| named.contains(fact)), "{named:?}");
    assert!(told.datastore.is_none() && !told.disks.contains_key("data") && told.disks.contains_key("binary"));
    assert_eq!(unread.iter().filter(|one| one.fact == "node.datastore").count(), 1);
    // `config diff` says it from there.
    assert_eq!(told.config.unreadable.len(), 1);

    // The directory of drop-ins, which the helper cannot tell from none.
    let mut told = node(1000);
    let unread = without_root(&mut told, &|path| path == Path::new("/etc/rancher/k3s/config.yaml.d"));
    assert!(facts(&unread).contains(&"node.config"), "{unread:?}");
    assert_eq!(told.config.unreadable, ["/etc/rancher/k3s/config.yaml.d: needs root"]);
}

#[test]
fn a_machine_without_k3s_lacks_nothing_of_it() {
    let mut told = node(1000);
    told.role = NodeRole::None;
    assert_eq!(without_root(&mut told, &|_| true), []);
}

#[test]
fn half_of_the_certificates_is_not_all_of_them() {
    let data = tempfile::tempdir().unwrap();
    let tls = data.path().join("server/tls/etcd");
    fs::create_dir_all(&tls).unwrap();
    fs::create_dir_all(data.path().join("agent")).unwrap();
    let client = tls.join("client.crt");
    fs::write(&client, "").unwrap();
    fs::set_permissions(&client, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(certificates(data.path(), &|_| false), None);
    assert_eq!(certificates(data.path(), &|path| path == client), Some(client));
}

#[test]
fn what_is_not_there_may_be_looked_at() {
    assert!(!is_denied(Path::new("/none/such")));
    assert!(!is_denied(Path::new("/")) && !is_denied(Path::new("/proc/self/exe")));
}
