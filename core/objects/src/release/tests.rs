use super::*;
use crate::testing::{bytes, entry, meta, record, stored};
use crate::tests::{one, told as inventory_of};

fn told(record: &[u8]) -> Option<Vec<String>> {
    apis(record, &mut 0)
}

const MANIFEST: &str = "---\n# Source: web/templates/pdb.yaml\napiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata:\n  name: web\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  password: canary\n";

#[test]
fn a_record_of_helm_tells_its_unstable_versions_only() {
    assert_eq!(told(&record(MANIFEST)).unwrap(), ["policy/v1beta1 PodDisruptionBudget"]);
    let plain = STANDARD.encode(json_of(MANIFEST));
    assert_eq!(told(plain.as_bytes()), told(&record(MANIFEST)), "an old record is not packed");
}

fn json_of(manifest: &str) -> String {
    format!("{{\"name\":\"web\",\"manifest\":\"{}\"}}", manifest.replace('\n', "\\n"))
}

#[test]
fn what_is_no_record_is_unknown() {
    let whole = record(MANIFEST);
    for end in 0..whole.len() {
        assert_eq!(told(&whole[..end]), None);
    }
    let odd = [&b""[..], b"?", b"aGVsbG8=", b"H4sI", &whole[..whole.len() / 2]];
    assert!(odd.into_iter().all(|odd| told(odd).is_none()));
}

#[test]
fn a_bomb_does_not_become_more_than_a_record_can_be_and_many_do_not_take_for_ever() {
    let packed = miniz_oxide::deflate::compress_to_vec(&vec![b' '; INFLATED + 1], 1);
    let length = u32::try_from(INFLATED + 1).unwrap().to_le_bytes();
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &packed[..], &[0; 4], &length].concat();
    let bomb = STANDARD.encode(&gzip);
    assert!(bomb.len() < LONGEST, "it is small before");
    let mut taken = 0;
    assert_eq!((apis(bomb.as_bytes(), &mut taken), taken), (None, INFLATED));
    let mut taken = ALL + 1;
    assert_eq!((told(&record(MANIFEST)).is_some(), apis(&record(MANIFEST), &mut taken)), (true, None));
}

/// A revision of a release in a Secret, as the datastore has it.
fn revision(release: &str, version: u64, status: &str, record: &[u8]) -> (String, Vec<u8>) {
    let labels = [entry(11, "name", release), entry(11, "status", status), entry(11, "version", &version.to_string())];
    let name = format!("sh.helm.release.v1.{release}.v{version}");
    let data = bytes(2, [bytes(1, "release"), bytes(2, record)].concat());
    let content = [meta("shop", &name, &labels), data, bytes(3, "helm.sh/release.v1")];
    (format!("/registry/secrets/shop/{name}"), stored("v1", "Secret", &content))
}

#[test]
fn releases_tell_the_apis_of_their_newest_revision_and_nothing_of_their_values() {
    let old = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata:\n  name: web\n";
    let secret = "---\napiVersion: v1\nkind: Secret\nstringData: {password: canary-p}\n";
    let both = record(&format!("{old}{secret}"));
    let newer = record(&old.replace("v1beta1", "v1"));
    let rows = [
        revision("web", 2, "deployed", &both),
        revision("web", 1, "superseded", &record(&old.replace("policy/v1beta1", "batch/v1beta1"))),
        revision("moved", 1, "superseded", &both),
        revision("moved", 2, "deployed", &newer),
        revision("gone", 1, "uninstalled", &both),
        revision("torn", 1, "deployed", &both[..both.len() / 2]),
    ];
    for rows in [rows.iter().collect::<Vec<_>>(), rows.iter().rev().collect()] {
        let rows: Vec<_> = rows.into_iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let inventory = inventory_of(&rows);
        let releases = inventory.releases.clone().unwrap();
        let told: Vec<_> = releases.iter().map(|one| (one.name.as_str(), one.revision, one.apis.as_deref())).collect();
        let web = ["policy/v1beta1 PodDisruptionBudget".to_owned()];
        assert_eq!(told, [("torn", 1, None), ("web", 2, Some(&web[..]))]);
        assert!(!format!("{inventory:?}").contains("canary"), "{inventory:?}");
    }
    let sealed = ("/registry/secrets/shop/sh.helm.release.v1.x.v1", b"k8s:enc:aescbc:v1:k:\x01".to_vec());
    assert_eq!(inventory_of(&[sealed]).releases, None, "what is encrypted is not known");
}

#[test]
fn a_release_in_a_config_map_is_read_as_well() {
    let text = String::from_utf8(record("apiVersion: batch/v1beta1\nkind: CronJob\n")).unwrap();
    let json = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"sh.helm.release.v1.web.v1","namespace":"shop","labels":{{"name":"web","version":"1","status":"deployed"}}}},"data":{{"release":"{text}"}}}}"#
    );
    let releases = one(json.into_bytes()).releases.unwrap();
    assert_eq!(releases[0].apis.as_deref(), Some(&["batch/v1beta1 CronJob".to_owned()][..]));
}

#[test]
fn apis_are_named_of_every_document() {
    let text = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata:\n  kind: no\n---\n# c\nkind: \"Service\"\napiVersion: v1 # core\n---\nkind: List\n";
    assert_eq!(named_apis(text), ["policy/v1beta1 PodDisruptionBudget", "v1 Service"]);
    assert_eq!(named_apis(""), [""; 0]);
}
