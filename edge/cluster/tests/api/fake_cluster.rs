use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use belay_cluster::{Api, Login, Right};
use belay_facts::Secret;
use http::Method;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::server::{Asked, Handler, Server};

/// Objects by path, with as much of the API's behaviour as the questions meet.
#[derive(Default)]
pub struct FakeCluster {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    /// Answers for paths that are no objects, with and without the query.
    fixed: BTreeMap<String, (u16, String)>,
    revision: u64,
    log: Vec<String>,
    /// What the kubelet says of a new pod; `None`: there is no kubelet, and nothing ends gracefully.
    kubelet: Option<Value>,
    /// What was read, as rights.
    read: BTreeSet<Right>,
    /// What nobody has.
    denied: BTreeSet<Right>,
}

impl FakeCluster {
    pub async fn serve(self: &Arc<Self>) -> (Server, Api) {
        let authority = Authority::new("k3s-server-ca");
        let cluster = Arc::clone(self);
        let handler: Handler = Arc::new(move |asked| cluster.answer(&asked));
        let server = Server::start(&authority, handler).await;
        let client = authority.client("system:admin");
        let api = Api::connect(server.at(), &authority.pem, &client.certificate, &client.key).await.unwrap();
        (server, api)
    }

    /// The same, asked with a token.
    pub async fn serve_by_token(self: &Arc<Self>, token: &str) -> (Server, Api) {
        let authority = Authority::new("k3s-server-ca");
        let (cluster, expected) = (Arc::clone(self), format!("Bearer {token}"));
        let handler: Handler = Arc::new(move |asked| {
            assert!(asked.client.is_none(), "a certificate was sent");
            if asked.bearer.as_ref() == Some(&expected) { cluster.answer(&asked) } else { failure(401, "Unauthorized") }
        });
        let server = Server::start(&authority, handler).await;
        let api = Api::connect_as(server.at(), &authority.pem, &Login::Token(Secret::new(token))).await.unwrap();
        (server, api)
    }

    pub fn deny(&self, right: Right) {
        self.state.lock().unwrap().denied.insert(right);
    }

    pub fn allow_everything(&self) {
        self.state.lock().unwrap().denied.clear();
    }

    /// The rights that it took to read what was read.
    pub fn rights(&self) -> BTreeSet<Right> {
        self.state.lock().unwrap().read.clone()
    }

    pub fn put(&self, path: &str, object: Value) {
        self.state.lock().unwrap().objects.insert(path.to_owned(), object);
    }

    pub fn says(&self, path: &str, status: u16, text: impl Into<String>) {
        self.state.lock().unwrap().fixed.insert(path.to_owned(), (status, text.into()));
    }

    pub fn has(&self, path: &str) -> bool {
        self.state.lock().unwrap().objects.contains_key(path)
    }

    pub fn kubelet_says(&self, status: Value) {
        self.state.lock().unwrap().kubelet = Some(status);
    }

    /// The writes, as `POST path` and `DELETE path`.
    pub fn writes(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }

    fn answer(&self, asked: &Asked) -> (u16, String) {
        let mut state = self.state.lock().unwrap();
        let path = asked.path.split('?').next().unwrap().to_owned();
        if asked.method == Method::GET {
            let right = right_for(&path);
            let is_denied = state.denied.contains(&right);
            state.read.insert(right.clone());
            if is_denied {
                return failure(403, &format!("User \"watcher\" cannot {right}"));
            }
        }
        if let Some(fixed) = state.fixed.get(&asked.path).or_else(|| state.fixed.get(&path)) {
            return fixed.clone();
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        if asked.method != Method::GET {
            state.log.push(format!("{} {path}", asked.method));
        }
        match asked.method {
            Method::POST => state.create(&path, body),
            Method::DELETE => state.delete(&path, &body),
            _ => state.get(&path),
        }
    }
}

impl State {
    fn create(&mut self, collection: &str, mut object: Value) -> (u16, String) {
        let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap());
        if self.objects.contains_key(&path) {
            return failure(409, "AlreadyExists");
        }
        self.revision += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.revision));
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        if collection.ends_with("/pods") {
            object["status"] = self.kubelet.clone().unwrap_or_else(|| json!({ "phase": "Pending" }));
        }
        self.objects.insert(path, object.clone());
        (201, object.to_string())
    }

    fn delete(&mut self, path: &str, options: &Value) -> (u16, String) {
        let Some(object) = self.objects.get(path).cloned() else { return failure(404, "NotFound") };
        let graceful = options["gracePeriodSeconds"].as_u64().is_some_and(|seconds| seconds > 0);
        if !(graceful && self.kubelet.is_none()) {
            self.objects.remove(path);
        }
        (200, object.to_string())
    }

    fn get(&self, path: &str) -> (u16, String) {
        if let Some(object) = self.objects.get(path) {
            return (200, object.to_string());
        }
        let under = format!("{path}/");
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(key, _)| key.strip_prefix(&under).is_some_and(|name| !name.contains('/')))
            .map(|(_, object)| object)
            .collect();
        // Names of collections are plural: all that is asked for here ends in an s, and no object's name does.
        if path.ends_with('s') {
            let metadata = json!({ "resourceVersion": self.revision.to_string() });
            (200, json!({ "kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items }).to_string())
        } else {
            failure(404, "NotFound")
        }
    }
}

pub fn failure(code: u16, reason: &str) -> (u16, String) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason,
    });
    (code, status.to_string())
}

/// What RBAC asks for a GET of `path`.
fn right_for(path: &str) -> Right {
    let words: Vec<&'static str> = path.split('/').skip(1).map(|word| &*word.to_owned().leak()).collect();
    let (group, below) = match words.as_slice() {
        ["api", _version, below @ ..] => ("", below),
        ["apis", group, _version, below @ ..] => (*group, below),
        _ => {
            let resource = path.to_owned().leak();
            return Right { verb: "get", group: "", resource, namespace: None, name: None };
        }
    };
    let (namespace, below) = match below {
        ["namespaces", namespace, below @ ..] if !below.is_empty() => (Some(*namespace), below),
        below => (None, below),
    };
    match below {
        [resource] => Right { verb: "list", group, resource, namespace, name: None },
        // What is below one object is asked for by gates only.
        [resource, name, ..] => Right { verb: "get", group, resource, namespace, name: Some((*name).to_owned()) },
        [] => Right { verb: "get", group, resource: "", namespace, name: None },
    }
}
