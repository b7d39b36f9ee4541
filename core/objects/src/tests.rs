use belay_facts::{Inventory, InventoryKind, InventorySource, ServiceBackend};

use crate::testing::{bytes, entry, meta, number, stored};
use crate::{Object, Tally, Undecoded};

pub(crate) fn told(objects: &[(&str, Vec<u8>)]) -> Inventory {
    let mut tally = Tally::default();
    for (key, value) in objects {
        tally.add(key.as_bytes(), value);
    }
    tally.finish(InventorySource { kind: InventoryKind::Backup, path: "state.db".into(), taken_at_unix: 0 })
}

pub(crate) fn one(value: Vec<u8>) -> Inventory {
    told(&[("/registry/x/default/x", value)])
}

fn manager(name: &str, api_version: &str) -> Vec<u8> {
    bytes(17, [bytes(1, name), bytes(2, "Update"), bytes(3, api_version), bytes(7, bytes(1, "{\"f:a\":{}}"))].concat())
}

/// A Pod and a Deployment as `k8s.io/apimachinery` 0.36.3 writes them for the datastore (`serializer/protobuf`).
const POD: &str = "\
        6b3873000a090a0276311203506f641280030a8a020a057765622d3012001a0764656661756c7422002a2430623861306136\
        652d353562352d346630632d386132362d37643966316331663663313032003801420808c0f7a6d80610005a0c0a03617070\
        12057765622d3062570a306b75626563746c2e6b756265726e657465732e696f2f6c6173742d6170706c6965642d636f6e66\
        696775726174696f6e12237b2261706956657273696f6e223a22617070732f7631222c226b696e64223a2258227d8a01580a\
        196b75626563746c2d636c69656e742d736964652d6170706c7912065570646174651a0c617070732f763162657461312208\
        08c0f7a6d806100032084669656c647356313a0f0a0d7b22663a73706563223a7b7d7d420012550a0d0a017612080a060a04\
        2f6574631a0032003a260a1e6e6f64652d726f6c652e6b756265726e657465732e696f2f6d61737465721204747275654200\
        4a0052026e315800600068008201008a01009a0100c201001a1a0a0752756e6e696e671a0022002a0032004a005a00720088\
        01001a002200";
const DEPLOYMENT: &str = "\
        6b3873000a150a07617070732f7631120a4465706c6f796d656e7412d7020a86020a0377656212001a0764656661756c7422\
        002a2430623861306136652d353562352d346630632d386132362d37643966316331663663313032003801420808c0f7a6d8\
        0610005a0a0a03617070120377656262570a306b75626563746c2e6b756265726e657465732e696f2f6c6173742d6170706c\
        6965642d636f6e66696775726174696f6e12237b2261706956657273696f6e223a22617070732f7631222c226b696e64223a\
        2258227d8a01580a196b75626563746c2d636c69656e742d736964652d6170706c7912065570646174651a0c617070732f76\
        316265746131220808c0f7a6d806100032084669656c647356313a0f0a0d7b22663a73706563223a7b7d7d4200123e080112\
        001a300a100a0012001a0022002a00320038004200121c1a00320042004a0052005800600068008201008a01009a0100c201\
        0022020a00280038001a0c0800100018002000280038001a002200";

fn of_hex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_envelope_is_opened_and_the_metadata_told() {
    let value = of_hex(DEPLOYMENT);
    let object = Object::decode(&value).unwrap();
    assert_eq!((object.api_version, object.kind), ("apps/v1", "Deployment"));
    let meta = object.meta();
    assert_eq!((meta.namespace, meta.name), (&b"default"[..], &b"web"[..]));
    assert!(meta.owner.is_none() && meta.gone_by.is_none());
    assert_eq!((meta.label("app"), meta.label("other")), (Some(&b"web"[..]), None));
    let managers: Vec<_> = meta.managers().map(|manager| (manager.name, manager.api_version)).collect();
    assert_eq!(managers, [(&b"kubectl-client-side-apply"[..], &b"apps/v1beta1"[..])]);
    let mut last = None;
    meta.last_applied(|version, kind| last = Some((version.to_vec(), kind.to_vec())));
    assert_eq!(last, Some((b"apps/v1".to_vec(), b"X".to_vec())));
}

#[test]
fn what_an_apiserver_writes_is_read() {
    let inventory = told(&[
        ("/registry/pods/default/web-0", of_hex(POD)),
        ("/registry/deployments/default/web", of_hex(DEPLOYMENT)),
    ]);
    assert_eq!((inventory.objects, inventory.undecoded), (2, 0));
    assert_eq!(inventory.single_replicas.first, ["Deployment default/web"]);
    let bare = inventory.bare_pods.first.first().unwrap();
    assert_eq!((bare.name.as_str(), bare.node.as_str()), ("web-0", "n1"));
    assert_eq!(inventory.host_paths.first.first().unwrap().path, "/etc");
    assert_eq!(inventory.selected_labels[0].label, "node-role.kubernetes.io/master");
    let named: Vec<_> =
        inventory.named_apis.iter().map(|api| (api.api_version.as_str(), api.kind.as_str(), api.by.as_str())).collect();
    let (by, last) = ("kubectl-client-side-apply", "last-applied-configuration");
    assert_eq!(named, [("apps/v1", "X", last), ("apps/v1beta1", "Deployment", by), ("apps/v1beta1", "Pod", by)]);
}

#[test]
fn what_is_no_object_is_told_apart() {
    let why = |value: &[u8]| Object::decode(value).err();
    assert_eq!(why(b"k8s:enc:aescbc:v1:aescbckey:\x01\x02"), Some(Undecoded::Encrypted));
    for odd in [&b""[..], b"k8s\0", b"{}", b"{\"kind\":\"Pod\"}", b"\xd9\xd9\xf7\xa1", b"k8s\0\n\x01\n"] {
        assert_eq!(why(odd), Some(Undecoded::Foreign), "{odd:?}");
    }
    let inventory = told(&[
        ("/registry/health", b"{\"health\":\"true\"}".to_vec()),
        ("compact_rev_key", b"1".to_vec()),
        ("/bootstrap/0123456789ab", b"salt:AAAA".to_vec()),
        ("/registry/ranges/x", b"?".to_vec()),
        ("/registry/secrets/default/x", b"k8s:enc:secretbox:v1:k:\0".to_vec()),
    ]);
    assert_eq!((inventory.objects, inventory.undecoded, inventory.encrypted, inventory.bootstrap_keys), (0, 1, 1, 1));
    assert_eq!(inventory.pending_releases, Some(vec![]));
}

#[test]
fn every_object_breaks_off_without_harm() {
    let json = br#"{"apiVersion":"example.com/v1","kind":"W","metadata":{"name":"w","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"example.com/v1beta1\",\"kind\":\"W\"}"}},"spec":{"nodeSelector":{"node-role.kubernetes.io/master":"true"}}}"#;
    for whole in [&of_hex(POD)[..], json] {
        for end in 0..whole.len() {
            let inventory = one(whole[..end].to_vec());
            assert!(inventory.objects + inventory.undecoded == 1);
        }
    }
}

#[test]
fn kinds_are_counted_by_the_version_they_are_stored_in() {
    let object = |version: &str| stored(version, "FlowSchema", &[meta("", "a", &[])]);
    let (new, old) = ("flowcontrol.apiserver.k8s.io/v1", "flowcontrol.apiserver.k8s.io/v1beta3");
    let inventory =
        told(&[("/registry/f/a", object(new)), ("/registry/f/b", object(old)), ("/registry/f/c", object(old))]);
    let counts: Vec<_> = inventory.kinds.iter().map(|kind| (kind.api_version.as_str(), kind.count)).collect();
    assert_eq!(counts, [(new, 1), (old, 2)]);
}

#[test]
fn who_named_another_version_is_told_with_examples() {
    let note = bytes(
        12,
        [
            bytes(1, "kubectl.kubernetes.io/last-applied-configuration"),
            bytes(2, r#"{"apiVersion":"policy/v1beta1","kind":"PodDisruptionBudget"}"#),
        ]
        .concat(),
    );
    let object = |name: &str| {
        let managers = [manager("helm", "policy/v1beta1"), manager("kubectl", "policy/v1"), note.clone()];
        stored("policy/v1", "PodDisruptionBudget", &[meta("default", name, &managers)])
    };
    let objects: Vec<_> =
        ["e", "d", "c", "b", "a"].map(|name| ("/registry/poddisruptionbudgets/default/x", object(name))).into();
    let named = told(&objects).named_apis;
    let by: Vec<_> = named.iter().map(|api| (api.api_version.as_str(), api.by.as_str(), api.count)).collect();
    assert_eq!(by, [("policy/v1beta1", "helm", 5), ("policy/v1beta1", "last-applied-configuration", 5)]);
    assert_eq!(named[0].examples, ["default/a", "default/b", "default/c"]);
}

#[test]
fn a_custom_object_in_json_tells_as_much() {
    let json = r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"example.com/v1alpha1\",\"kind\":\"Widget\",\"spec\":{\"a\":\"\\\"\"}}\n"},"managedFields":[{"apiVersion":"example.com/v1alpha1","fieldsV1":{"f:spec":{}},"manager":"op"},{"apiVersion":"example.com/v1","manager":"kubectl"}],"name":"w","namespace":"default"},"spec":{"nodeSelector":"has(node-role.kubernetes.io/master)","tolerations":[{"key":"node-role.kubernetes.io/control-plane"}]}}"#;
    let inventory = one(json.as_bytes().to_vec());
    let by: Vec<_> = inventory.named_apis.iter().map(|api| (api.api_version.as_str(), api.by.as_str())).collect();
    assert_eq!(by, [("example.com/v1alpha1", "last-applied-configuration"), ("example.com/v1alpha1", "op")]);
    let selected: Vec<_> =
        inventory.selected_labels.iter().map(|one| (one.label.as_str(), one.examples[0].as_str())).collect();
    assert_eq!(selected, [("node-role.kubernetes.io/master", "Widget default/w")]);
}

fn pod(name: &str, more: &[Vec<u8>], spec: &[Vec<u8>], phase: &str) -> Vec<u8> {
    let spec = [bytes(10, "n1"), spec.concat()].concat();
    stored("v1", "Pod", &[meta("default", name, more), bytes(2, spec), bytes(3, bytes(1, phase))])
}

#[test]
fn pods_tell_whose_they_are_and_what_holds_them_to_their_node() {
    let owner = bytes(13, [bytes(1, "ReplicaSet"), bytes(3, "web-5d4f"), bytes(4, "u"), number(6, 1)].concat());
    let hash = entry(11, "pod-template-hash", "5d4f");
    let volume = |source: Vec<u8>| bytes(1, [bytes(1, "v"), bytes(2, source)].concat());
    let mounts = [
        volume(bytes(1, bytes(1, "/etc"))),
        volume(bytes(2, b"")),
        volume(bytes(2, bytes(1, "Memory"))),
        volume(bytes(6, bytes(1, "a-secret"))),
    ];
    let selector = [entry(7, "node-role.kubernetes.io/master", "true"), entry(7, "zone", "a")].concat();
    let inventory = told(&[
        ("/registry/pods/default/a", pod("a", &[owner, hash], &mounts, "Running")),
        ("/registry/pods/default/b", pod("b", &[], &[selector], "Running")),
        ("/registry/pods/default/c", pod("c", &[], &[], "Succeeded")),
        ("/registry/pods/default/d", pod("d", &[entry(12, "kubernetes.io/config.mirror", "x")], &[], "Running")),
        ("/registry/pods/default/e", pod("e", &[bytes(9, number(1, 5)), bytes(14, "x/y")], &[], "Running")),
    ]);
    let names = |pods: &belay_facts::Sample<belay_facts::PlacedPod>| {
        pods.first.iter().map(|pod| format!("{} on {}", pod.name, pod.node)).collect::<Vec<_>>()
    };
    assert_eq!(names(&inventory.bare_pods), ["b on n1"]);
    let gone: Vec<_> =
        inventory.terminating_pods.first.iter().map(|pod| (pod.name.as_str(), pod.gone_by_unix)).collect();
    assert_eq!(gone, [("e", 5)]);
    let paths: Vec<_> = inventory.host_paths.first.iter().map(|one| format!("{} {}", one.owner, one.path)).collect();
    assert_eq!(paths, ["Deployment default/web /etc"]);
    assert_eq!(inventory.empty_dirs.first, ["Deployment default/web"]);
    assert_eq!(inventory.selected_labels[0].label, "node-role.kubernetes.io/master");
    assert_eq!(inventory.selected_labels[0].examples, ["Pod default/b"]);
}

#[test]
fn an_unfinished_release_is_its_newest_revision_alone() {
    let secret = |release: &str, revision: &str, status: &str| {
        let labels = [("name", release), ("owner", "helm"), ("status", status), ("version", revision)];
        let labels = labels.map(|(key, value)| entry(11, key, value)).concat();
        let name = format!("sh.helm.release.v1.{release}.v{revision}");
        let content = [meta("apps", &name, &[labels]), entry(2, "release", "SECRET"), bytes(3, "helm.sh/release.v1")];
        ("/registry/secrets/apps/x", stored("v1", "Secret", &content))
    };
    let inventory = told(&[
        secret("a", "10", "pending-upgrade"),
        secret("a", "9", "deployed"),
        secret("b", "2", "deployed"),
        secret("b", "1", "pending-install"),
    ]);
    let pending = inventory.pending_releases.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        (pending[0].name.as_str(), pending[0].revision, pending[0].status.as_str()),
        ("a", 10, "pending-upgrade")
    );
    let sealed = told(&[("/registry/secrets/apps/sh.helm.release.v1.a.v1", b"k8s:enc:aesgcm:v1:k:".to_vec())]);
    assert_eq!(sealed.pending_releases, None, "what is encrypted may be pending");
}

#[test]
fn no_content_of_a_secret_or_annotation_is_in_the_inventory() {
    let more = [entry(12, "example.com/password", "canary-a"), entry(11, "name", "canary-label")];
    let content = [meta("default", "x", &more), entry(2, "password", "canary-b"), entry(4, "p", "canary-c")];
    let json = r#"{"apiVersion":"e.com/v1beta1","kind":"W","metadata":{"name":"w","annotations":{"a":"canary-d","kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"e.com/v1\",\"kind\":\"W\",\"spec\":\"canary-e\"}"}},"spec":{"password":"canary-f"}}"#;
    let inventory = told(&[
        ("/registry/secrets/default/x", stored("v1", "Secret", &content)),
        ("/registry/e.com/w/w", json.into()),
    ]);
    assert_eq!(inventory.objects, 2);
    assert!(!format!("{inventory:?}").contains("canary"), "{inventory:?}");
}

#[test]
fn webhooks_know_where_they_are_answered() {
    let service = bytes(1, [bytes(1, "policy"), bytes(2, "hook")].concat());
    let hook = |name: &str, policy: &str, config: &[u8]| {
        bytes(2, [bytes(1, name), bytes(2, config), bytes(4, policy), bytes(5, b"")].concat())
    };
    let hooks = [
        hook("closed", "Fail", &service),
        hook("open", "Ignore", &service),
        hook("far", "Fail", &bytes(3, "https://x")),
    ];
    let ready =
        |node: &str, ready: u64| bytes(2, [bytes(1, "10.0.0.1"), bytes(2, number(1, ready)), bytes(6, node)].concat());
    let slice = [
        meta("policy", "hook-abc", &[entry(11, "kubernetes.io/service-name", "hook")]),
        ready("n1", 1),
        ready("n1", 1),
        ready("n2", 0),
    ];
    let inventory = told(&[
        (
            "/registry/v/x",
            stored(
                "admissionregistration.k8s.io/v1",
                "ValidatingWebhookConfiguration",
                &[meta("", "p", &[]), hooks.concat()],
            ),
        ),
        ("/registry/e/x", stored("discovery.k8s.io/v1", "EndpointSlice", &slice)),
    ]);
    let backend = Some(ServiceBackend { ready: 2, nodes: vec!["n1".to_owned()] });
    let told: Vec<_> =
        inventory.webhooks.iter().map(|hook| (hook.name.as_str(), hook.fails_closed, hook.backend.clone())).collect();
    assert_eq!(told, [("closed", true, backend.clone()), ("far", true, None), ("open", false, backend)]);
    assert!(inventory.webhooks.iter().all(|hook| !hook.is_selective));
}

#[test]
fn definitions_tell_what_they_store_and_serve() {
    let json = r#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"ws.e.com"},"spec":{"group":"e.com","versions":[{"name":"v1alpha1","served":false,"storage":false,"schema":{"x":["}"]}},{"name":"v1","served":true,"storage":true}],"conversion":{"strategy":"Webhook","webhook":{"clientConfig":{"service":{"namespace":"s","name":"w"}}}}},"status":{"conditions":[],"storedVersions":["v1alpha1","v1"]}}"#;
    let found = &one(json.into()).definitions[0];
    assert_eq!((found.stored.join(","), found.served.join(",")), ("v1alpha1,v1".into(), "v1".into()));
    assert_eq!((found.name.as_str(), found.conversion.as_str()), ("ws.e.com", "s/w"));
    assert_eq!(found.backend, Some(ServiceBackend::default()), "nobody answers it");
}

#[test]
fn budgets_that_allow_nothing_are_told_with_what_they_ask() {
    let budget = |name: &str, allowed: u64, asks: Vec<u8>| {
        let status = [number(3, allowed), number(4, 2), number(5, 2), number(6, 2)].concat();
        stored("policy/v1", "PodDisruptionBudget", &[meta("default", name, &[]), bytes(2, asks), bytes(3, status)])
    };
    let number_of = |field, value| bytes(field, [number(1, 0), number(2, value)].concat());
    let percent = bytes(1, [number(1, 1), number(2, 0), bytes(3, "100%")].concat());
    let inventory = told(&[
        ("/registry/b/a", budget("a", 0, number_of(3, 0))),
        ("/registry/b/b", budget("b", 0, percent)),
        ("/registry/b/c", budget("c", 1, number_of(1, 1))),
    ]);
    let asks: Vec<_> = inventory.blocking_budgets.first.iter().map(|one| one.asks.as_str()).collect();
    assert_eq!(asks, ["maxUnavailable 0", "minAvailable 100%"]);
}

#[test]
fn nodes_volumes_and_workloads() {
    let taint = bytes(5, [bytes(1, "dedicated"), bytes(3, "NoSchedule")].concat());
    let more =
        [entry(11, "node-role.kubernetes.io/control-plane", "true"), entry(12, "etcd.k3s.cattle.io/remove", "true")];
    let terms = bytes(1, bytes(1, [bytes(1, "kubernetes.io/hostname"), bytes(2, "In"), bytes(3, "n1")].concat()));
    let spec = [
        bytes(2, bytes(20, bytes(1, "/data"))),
        bytes(4, [bytes(2, "default"), bytes(3, "db")].concat()),
        bytes(9, bytes(1, terms)),
    ];
    let spread = |replicas| bytes(2, number(1, replicas));
    let inventory = told(&[
        ("/registry/minions/n1", stored("v1", "Node", &[meta("", "n1", &more), bytes(2, taint)])),
        (
            "/registry/persistentvolumes/p",
            stored("v1", "PersistentVolume", &[meta("", "p", &[]), bytes(2, spec.concat())]),
        ),
        ("/registry/deployments/a", stored("apps/v1", "Deployment", &[meta("default", "a", &[]), spread(1)])),
        ("/registry/deployments/b", stored("apps/v1", "Deployment", &[meta("default", "b", &[]), spread(2)])),
        (
            "/registry/configmaps/big",
            stored("v1", "ConfigMap", &[meta("default", "big", &[]), entry(2, "a", &"x".repeat(600_000))]),
        ),
    ]);
    let node = &inventory.nodes[0];
    assert_eq!((node.taints.join(","), node.etcd_removal), ("dedicated:NoSchedule".into(), true));
    assert_eq!(node.labels, ["node-role.kubernetes.io/control-plane"]);
    let volume = inventory.local_volumes.first.first().unwrap();
    assert_eq!(
        (volume.path.as_str(), volume.claim.as_str(), volume.nodes.join(",")),
        ("/data", "default/db", "n1".into())
    );
    assert_eq!(inventory.single_replicas.first, ["Deployment default/a"]);
    assert_eq!(inventory.large.first.first().unwrap().key, "configmaps/big");
}

#[test]
fn a_big_cluster_has_a_small_inventory() {
    let mut tally = Tally::default();
    for number in 0..2000 {
        tally.add(b"/registry/pods/default/x", &pod(&format!("p{number:05}"), &[], &[], "Running"));
    }
    let source = InventorySource { kind: InventoryKind::Online, path: String::new(), taken_at_unix: 0 };
    let bare = tally.finish(source).bare_pods;
    assert_eq!((bare.count, bare.first.len()), (2000, 50));
    assert_eq!(bare.first.first().unwrap().name, "p00000");
}

/// Found by the fuzzer: each of its parts told a name again that was no name.
#[test]
fn a_name_as_long_as_its_object_is_not_told_with_every_webhook() {
    let hooks = bytes(2, b"").repeat(2000);
    let kind = ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration");
    let inventory = one(stored(kind.0, kind.1, &[meta("", &"x".repeat(100_000), &[]), hooks]));
    assert_eq!(inventory.webhooks.len(), 2000);
    assert!(inventory.webhooks.iter().all(|hook| hook.configuration.len() < 300));
}

/// With `BELAY_WRITE_SEEDS` set they are written anew.
#[test]
fn the_seeds_of_the_fuzz_target_are_objects() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/objects");
    let widget = br#""metadata":{"name":"w","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"e/v1\",\"kind\":\"W\"}"}},"spec":{"nodeSelector":{"node-role.kubernetes.io/master":"true"}}}"#;
    // The first byte says in which envelope the target puts the others; 14 is none.
    let made = [
        ("pod", [&[14], of_hex(POD).as_slice()].concat()),
        ("deployment", [&[14], of_hex(DEPLOYMENT).as_slice()].concat()),
        ("widget", [&[0x8c], widget.as_slice()].concat()),
    ];
    for (name, content) in made {
        let path = seeds.join(name);
        if std::env::var_os("BELAY_WRITE_SEEDS").is_some() {
            std::fs::create_dir_all(&seeds).unwrap();
            std::fs::write(&path, &content).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == content, "{name} is stale: run this with BELAY_WRITE_SEEDS=1");
    }
}
