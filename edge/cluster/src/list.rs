use std::fmt::Debug;

use kube::api::ListParams;
use serde::de::DeserializeOwned;

use crate::{Api, ClusterError, Read};

const PAGE: u32 = 500;
/// The token of a page expires when the datastore compacts (every five minutes): then the list starts again.
const RESTARTS: u32 = 2;
const EXPIRED: u16 = 410;

impl Api {
    /// Every object of one kind, read page by page and consistently (no `resourceVersion`, so never from a stale cache).
    pub(crate) async fn list<K>(&self, read: Read, objects: &kube::Api<K>) -> Result<Vec<K>, ClusterError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        self.pages(read, objects, &ListParams::default().limit(PAGE)).await
    }

    /// Every object of one kind as this API server's cache has it, which it fills from the datastore when it starts and by a
    /// watch from then on: what it and the controllers act on. For a consistent list it would first wait until its datastore
    /// has said how far it is, which over kine is up to a second each time (measured on K3s 1.35 over SQLite). A
    /// cache answers in one page.
    pub(crate) async fn list_cached<K>(&self, read: Read, objects: &kube::Api<K>) -> Result<Vec<K>, ClusterError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        self.pages(read, objects, &ListParams::default().match_any()).await
    }

    /// Every object that `first` asks for, page by page.
    pub(crate) async fn pages<K>(
        &self,
        read: Read,
        objects: &kube::Api<K>,
        first: &ListParams,
    ) -> Result<Vec<K>, ClusterError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let mut restarts = 0;
        let mut found = Vec::new();
        let mut page = first.clone();
        loop {
            match self.ask(read.asking(), objects.list(&page)).await {
                Ok(list) => {
                    found.extend(list.items);
                    match list.metadata.continue_.filter(|token| !token.is_empty()) {
                        // Its token says of which revision it is; the API refuses to be told twice.
                        Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
                        None => return Ok(found),
                    }
                }
                Err(ClusterError::Status { status: EXPIRED, .. }) if restarts < RESTARTS => {
                    restarts += 1;
                    found.clear();
                    page = first.clone();
                }
                Err(error) => return Err(error.lacking(&read.right(""))),
            }
        }
    }
}
