use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use belay_cluster::Api;
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
