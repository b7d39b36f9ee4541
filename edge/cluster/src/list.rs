use std::fmt::Debug;

use kube::api::ListParams;
use serde::de::DeserializeOwned;

use crate::{Api, ClusterError};

const PAGE: u32 = 500;
/// The token of a page expires when the datastore compacts (every five minutes): then the list starts again.
const RESTARTS: u32 = 2;
const EXPIRED: u16 = 410;

impl Api {
    /// Every object of one kind, read page by page and consistently (no `resourceVersion`, so never from a stale cache).
    pub(crate) async fn list<K>(&self, asking: &str, objects: &kube::Api<K>) -> Result<Vec<K>, ClusterError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let mut restarts = 0;
        let mut found = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            match self.ask(asking, objects.list(&page)).await {
                Ok(list) => {
                    found.extend(list.items);
                    match list.metadata.continue_.filter(|token| !token.is_empty()) {
                        Some(token) => page = page.continue_token(&token),
                        None => return Ok(found),
                    }
                }
                Err(ClusterError::Status { status: EXPIRED, .. }) if restarts < RESTARTS => {
                    restarts += 1;
                    found.clear();
                    page = ListParams::default().limit(PAGE);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
