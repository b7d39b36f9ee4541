//! What rules ask of some kinds, one function a kind. Numbers of fields: `generated.proto` of `k8s.io/api`.

use belay_facts::{
    AdmissionWebhook, CustomDefinition, DisruptionBudget, HostPath, LocalVolume, PlacedPod, StoredNode, TerminatingPod,
};

use crate::tally::{self, Note, RELEASE, short, title};
use crate::value::{Field, Key, Value};
use crate::{Meta, Object, Tally, release};

const SPEC: Field = Field(2, "spec");
const STATUS: Field = Field(3, "status");
/// Of everything that names one.
const NAME: Field = Field(1, "name");

/// Tells what is needed of an object's kind.
pub(crate) fn note(tally: &mut Tally, object: &Object<'_>, meta: &Meta<'_>) {
    let (group, _) = object.api_version.split_once('/').unwrap_or(("", object.api_version));
    let body = object.body();
    match (group, object.kind) {
        ("", "Pod") => pod(tally, body, meta),
        ("", "Secret" | "ConfigMap") => revision(tally, object, meta),
        ("", "Node") => node(tally, body, meta),
        ("", "PersistentVolume") => volume(tally, body, meta),
        ("apps", "Deployment" | "StatefulSet") => {
            let replicas = body.at(&[SPEC, Field(1, "replicas")]).map_or(1, Value::number);
            if replicas == 1 {
                tally.lists.single_replicas.add(format!("{} {}", object.kind, title(meta)));
            }
            template(tally, body.at(&[SPEC, Field(3, "template"), SPEC]), object.kind, meta);
        }
        ("apps", "DaemonSet") => template(tally, body.at(&[SPEC, Field(2, "template"), SPEC]), object.kind, meta),
        ("batch", "CronJob") => {
            let path = [SPEC, Field(7, "jobTemplate"), SPEC, Field(6, "template"), SPEC];
            template(tally, body.at(&path), object.kind, meta);
        }
        ("policy", "PodDisruptionBudget") => budget(tally, body, meta),
        ("discovery.k8s.io", "EndpointSlice") => slice(tally, body, meta),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => {
            webhooks(tally, object, meta);
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(tally, body, meta),
        _ => custom(tally, object, meta),
    }
}

/// The longest path of a node; no other text that is kept is as long.
const LONGEST: usize = 4096;

#[inline(never)]
fn text(value: Option<Value<'_>>) -> String {
    let text = value.map(|value| value.text().into_owned()).unwrap_or_default();
    if text.len() > LONGEST { text.chars().take(LONGEST).collect() } else { text }
}

fn unsigned(value: Option<Value<'_>>) -> u64 {
    value.map_or(0, |value| u64::try_from(value.number()).unwrap_or(0))
}

/// Whose pod it is, as people know it: of a ReplicaSet of a Deployment, the Deployment.
#[inline(never)]
fn owner(meta: &Meta<'_>) -> String {
    let Some(owner) = meta.owner else { return format!("Pod {}", title(meta)) };
    let (kind, name, namespace) = (short(owner.kind), short(owner.name), short(meta.namespace));
    if kind == "ReplicaSet"
        && let Some(hash) = meta.label("pod-template-hash").map(String::from_utf8_lossy)
        && let Some(deployment) = name.strip_suffix(hash.as_ref()).and_then(|name| name.strip_suffix('-'))
    {
        return format!("Deployment {namespace}/{deployment}");
    }
    format!("{kind} {namespace}/{name}")
}

#[inline(never)]
fn pod(tally: &mut Tally, body: Value<'_>, meta: &Meta<'_>) {
    let (mut spec, mut status) = (None, None);
    for (key, value) in body.fields() {
        match key {
            _ if key.is(SPEC) => spec = Some(value),
            _ if key.is(STATUS) => status = Some(value),
            _ => {}
        }
    }
    let Some(spec) = spec else { return };
    let phase = status.and_then(|status| status.get(Field(1, "phase"))).map_or(&b""[..], Value::raw);
    if matches!(phase, b"Succeeded" | b"Failed") {
        return;
    }
    // A static pod's image in the API is made again by its kubelet.
    let is_mirror = || meta.is_annotated("kubernetes.io/config.mirror");
    let lossy = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
    let place = || (lossy(meta.namespace), lossy(meta.name), text(spec.get(Field(10, "nodeName"))));
    if let Some(gone_by_unix) = meta.gone_by {
        let (namespace, name, node) = place();
        tally.lists.terminating_pods.add(TerminatingPod { namespace, name, node, gone_by_unix });
    } else if meta.owner.is_none() && !is_mirror() {
        let (namespace, name, node) = place();
        tally.lists.bare_pods.add(PlacedPod { namespace, name, node });
        selectors(tally, spec, &|| owner(meta));
    }
    for volume in spec.all(Field(1, "volumes")).filter_map(|volume| volume.inlined(Field(2, ""))) {
        for (key, source) in volume.fields() {
            match key {
                _ if key.is(Field(1, "hostPath")) => {
                    let path = text(source.get(Field(1, "path")));
                    tally.lists.host_paths.add(HostPath { owner: owner(meta), path });
                }
                _ if key.is(Field(2, "emptyDir")) => {
                    let medium = source.get(Field(1, "medium")).map_or(&b""[..], Value::raw);
                    if medium != b"Memory" {
                        tally.lists.empty_dirs.add(owner(meta));
                    }
                }
                _ => {}
            }
        }
    }
}

fn template(tally: &mut Tally, spec: Option<Value<'_>>, kind: &str, meta: &Meta<'_>) {
    if let Some(spec) = spec {
        selectors(tally, spec, &|| format!("{kind} {}", title(meta)));
    }
}

/// Labels under `kubernetes.io` that a pod must find on its node.
#[inline(never)]
fn selectors(tally: &mut Tally, spec: Value<'_>, who: &dyn Fn() -> String) {
    let mut select = |label: &[u8]| {
        if let Some(label) = std::str::from_utf8(label).ok().filter(|label| label.contains("kubernetes.io/")) {
            tally.select(label, who);
        }
    };
    spec.pairs(Field(7, "nodeSelector"), |label, _| select(label));
    let required = Field(1, "requiredDuringSchedulingIgnoredDuringExecution");
    let Some(required) = spec.at(&[Field(18, "affinity"), Field(1, "nodeAffinity"), required]) else { return };
    for requirement in
        required.all(Field(1, "nodeSelectorTerms")).flat_map(|term| term.all(Field(1, "matchExpressions")))
    {
        let operator = requirement.get(Field(2, "operator")).map_or(&b""[..], Value::raw);
        if matches!(operator, b"In" | b"Exists") {
            select(requirement.get(Field(1, "key")).map_or(&b""[..], Value::raw));
        }
    }
}

/// Helm keeps a Secret, or where it was told so a ConfigMap, for each revision of a release.
#[inline(never)]
fn revision(tally: &mut Tally, object: &Object<'_>, meta: &Meta<'_>) {
    if !meta.name.starts_with(RELEASE) {
        return;
    }
    let label = |name| String::from_utf8_lossy(meta.label(name).unwrap_or_default());
    let revision = label("version").parse().unwrap_or(0);
    let name = [meta.namespace, b"\0", label("name").as_bytes()].concat();
    let Some(newest) = tally::note(&mut tally.releases, &name, tally::ALL) else { return };
    if newest.texts.is_empty() || newest.number <= revision {
        let status = label("status").into_owned();
        // What was uninstalled with its history kept is never written again.
        let mut texts = vec![status];
        if texts.first().is_some_and(|status| status != "uninstalled") {
            let apis = record(object).and_then(|record| release::apis(record, &mut tally.inflated));
            texts.extend(apis.unwrap_or_else(|| vec![String::new()]));
        }
        *newest = Note { number: revision, texts };
    }
}

/// The record of a release as Helm wrote it. A Secret in JSON, which has it in base64 once more, is not what an apiserver stores.
#[inline(never)]
fn record<'a>(object: &Object<'a>) -> Option<&'a [u8]> {
    let mut found = None;
    object.body().pairs(Field(2, "data"), |key, value| {
        if key == b"release" {
            found = Some(value.raw());
        }
    });
    found
}

#[inline(never)]
fn node(tally: &mut Tally, body: Value<'_>, meta: &Meta<'_>) {
    let mut labels = Vec::new();
    meta.labels(|label, _| labels.push(String::from_utf8_lossy(label).into_owned()));
    labels.retain(|label| label.contains("kubernetes.io/"));
    labels.sort_unstable();
    let taints = body.get(SPEC).into_iter().flat_map(|spec| spec.all(Field(5, "taints")));
    let taint =
        |taint: Value<'_>| format!("{}:{}", text(taint.get(Field(1, "key"))), text(taint.get(Field(3, "effect"))));
    tally.nodes.push(StoredNode {
        name: title(meta),
        labels,
        taints: taints.map(taint).collect(),
        etcd_removal: meta.is_annotated("etcd.k3s.cattle.io/remove"),
    });
}

#[inline(never)]
fn volume(tally: &mut Tally, body: Value<'_>, meta: &Meta<'_>) {
    let Some(spec) = body.get(SPEC) else { return };
    let Some(source) = spec.inlined(Field(2, "")) else { return };
    let path = source.fields().find(|(key, _)| key.is(Field(3, "hostPath")) || key.is(Field(20, "local")));
    let Some((_, path)) = path else { return };
    let path = text(path.get(Field(1, "path")));
    let claim = spec.get(Field(4, "claimRef")).map_or_else(String::new, |claim| {
        format!("{}/{}", text(claim.get(Field(2, "namespace"))), text(claim.get(Field(3, "name"))))
    });
    let terms = spec.at(&[Field(9, "nodeAffinity"), Field(1, "required")]).into_iter();
    let terms = terms.flat_map(|required| required.all(Field(1, "nodeSelectorTerms")));
    let named = terms.flat_map(|term| term.all(Field(1, "matchExpressions")));
    let nodes = named.flat_map(|one| one.all(Field(3, "values"))).map(|node| node.text().into_owned()).collect();
    tally.lists.local_volumes.add(LocalVolume { name: title(meta), claim, path, nodes });
}

#[inline(never)]
fn budget(tally: &mut Tally, body: Value<'_>, meta: &Meta<'_>) {
    let status = |field| body.at(&[STATUS, field]);
    let expected = unsigned(status(Field(6, "expectedPods")));
    if expected == 0 || unsigned(status(Field(3, "disruptionsAllowed"))) > 0 {
        return;
    }
    let asked = [Field(1, "minAvailable"), Field(3, "maxUnavailable")];
    let asks = asked.into_iter().find_map(|field| {
        let value = body.at(&[SPEC, field])?;
        Some(format!("{} {}", field.1, value.number_or_text()))
    });
    tally.lists.blocking_budgets.add(DisruptionBudget {
        namespace: String::from_utf8_lossy(meta.namespace).into_owned(),
        name: String::from_utf8_lossy(meta.name).into_owned(),
        asks: asks.unwrap_or_default(),
        healthy: unsigned(status(Field(4, "currentHealthy"))),
        expected,
    });
}

#[inline(never)]
fn slice(tally: &mut Tally, body: Value<'_>, meta: &Meta<'_>) {
    let Some(service) = meta.label("kubernetes.io/service-name") else { return };
    let Some(backend) = tally::note(&mut tally.backends, &[meta.namespace, b"/", service].concat(), tally::ALL) else {
        return;
    };
    for endpoint in body.all(Field(2, "endpoints")) {
        // Not said means that it should be taken as ready.
        if endpoint.at(&[Field(2, "conditions"), Field(1, "ready")]).is_none_or(|ready| ready.number() != 0) {
            backend.number += 1;
            if let Some(node) = endpoint.get(Field(6, "nodeName")) {
                backend.keep(node.text().into_owned());
            }
        }
    }
}

/// `namespace/name` of the service that a client configuration names.
#[inline(never)]
fn service(config: Option<Value<'_>>) -> String {
    config.and_then(|config| config.get(Field(1, "service"))).map_or_else(String::new, |service| {
        format!("{}/{}", text(service.get(Field(1, "namespace"))), text(service.get(Field(2, "name"))))
    })
}

#[inline(never)]
fn webhooks(tally: &mut Tally, object: &Object<'_>, meta: &Meta<'_>) {
    let object_selector = if object.kind.starts_with("Validating") { 10 } else { 11 };
    for webhook in object.body().all(Field(2, "webhooks")) {
        let selects = |field| webhook.get(field).is_some_and(|selector: Value<'_>| selector.fields().next().is_some());
        tally.webhooks.push(AdmissionWebhook {
            configuration: format!("{} {}", object.kind, title(meta)),
            name: text(webhook.get(NAME)),
            // What v1 leaves out, it fills in: Fail.
            fails_closed: webhook.get(Field(4, "failurePolicy")).is_none_or(|policy| policy.raw() != b"Ignore"),
            service: service(webhook.get(Field(2, "clientConfig"))),
            backend: None,
            is_selective: selects(Field(5, "namespaceSelector")) || selects(Field(object_selector, "objectSelector")),
        });
    }
}

#[inline(never)]
fn definition(tally: &mut Tally, body: Value<'_>, meta: &Meta<'_>) {
    let Some(spec) = body.get(SPEC) else { return };
    let (mut served, mut conversion) = (Vec::new(), String::new());
    for (key, value) in spec.fields() {
        match key {
            _ if key.is(Field(7, "versions"))
                && value.get(Field(2, "served")).is_some_and(|served| served.number() != 0) =>
            {
                served.push(text(value.get(NAME)));
            }
            _ if key.is(Field(9, "conversion")) => {
                conversion = service(value.at(&[Field(2, "webhook"), Field(2, "clientConfig")]));
            }
            _ => {}
        }
    }
    let stored = body.get(STATUS).into_iter().flat_map(|status| status.all(Field(3, "storedVersions")));
    tally.definitions.push(CustomDefinition {
        name: title(meta),
        stored: stored.map(|version| version.text().into_owned()).collect(),
        served,
        conversion,
        backend: None,
    });
}

/// Roles of nodes are labels that came and went; operators have them in selectors of their own making.
const ROLE: &str = "node-role.kubernetes.io/";

/// A custom object, always JSON: whether it names the role of a node anywhere but where it tolerates one.
#[inline(never)]
fn custom(tally: &mut Tally, object: &Object<'_>, meta: &Meta<'_>) {
    let Value::Json(text) = object.body() else { return };
    if std::str::from_utf8(text).is_ok_and(|text| text.contains(ROLE)) {
        roles(tally, object.body(), 0, &|| format!("{} {}", object.kind, title(meta)));
    }
}

fn roles(tally: &mut Tally, object: Value<'_>, depth: u32, who: &dyn Fn() -> String) {
    let role = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        let (_, after) = text.split_once(ROLE)?;
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(after.len());
        after.get(..end).filter(|role| !role.is_empty()).map(|role| format!("{ROLE}{role}"))
    };
    for (key, value) in object.fields() {
        let Key::Name(name) = key else { return };
        if matches!(name, b"metadata" | b"status" | b"tolerations" | b"taints") {
            continue;
        }
        for label in [role(name), role(value.raw()).filter(|_| is_text(value))].into_iter().flatten() {
            tally.select(&label, who);
        }
        if depth < 32 {
            roles(tally, value, depth + 1, who);
        }
    }
}

fn is_text(value: Value<'_>) -> bool {
    matches!(value, Value::Json([b'"', ..]))
}
