use belay_cluster::{Api, ClusterError, Endpoint};
use belay_facts::{FORMAT, Facts, ObjectFacts, Span};
use belay_node::{Link, Way};
use belay_wire::Credentials;

use crate::{Clock, RunError};

/// How long the API may take to tell its part.
const CLUSTER: Span = Span::seconds(30);

/// The facts, and what could not be read, in sentences.
#[derive(Clone, Debug)]
pub struct Gathered {
    pub facts: Facts,
    pub notes: Vec<String>,
}

/// Reads everything that is true: one helper call per node, then the API. What cannot be read is missing, not an error;
/// rules on missing facts answer *unknown*, and unknown on a blocking rule blocks.
///
/// # Errors
/// When a node does not answer at all.
pub async fn gather(link: &mut Link, clock: &Clock) -> Result<Gathered, RunError> {
    let taken_at = clock.wall();
    let inspected = link.inspect(taken_at).await?;
    let mut notes = inspected.notes;
    let credentials = link.credentials().await;
    let cluster = match credentials {
        Ok(credentials) => {
            let domain = inspected.node.config.last("cluster-domain").unwrap_or("cluster.local").to_owned();
            let asked = async {
                let way = link.way_to(&credentials.address).await.map_err(|error| error.to_string())?;
                let api = connect(&endpoint(way), &credentials).await.map_err(|error| error.to_string())?;
                let asked = api.facts(&inspected.node.name, &credentials.server_ca, &domain);
                asked.await.map_err(|error| error.to_string())
            };
            match tokio::time::timeout(CLUSTER.duration(), asked).await {
                Ok(Ok(mut told)) => {
                    notes.append(&mut told.notes);
                    Some(told.facts)
                }
                Ok(Err(why)) => {
                    notes.push(format!("the API at {} did not tell its facts: {why}", credentials.address));
                    None
                }
                Err(_) => {
                    notes.push(format!("the API at {} did not tell its facts within {CLUSTER}", credentials.address));
                    None
                }
            }
        }
        Err(error) => {
            notes.push(error.to_string());
            None
        }
    };
    let (objects, manifests) = (None, None);
    let facts = Facts { belay: FORMAT.to_owned(), taken_at, cluster, nodes: vec![inspected.node], objects, manifests };
    Ok(Gathered { facts, notes })
}

/// Adds what the objects of the cluster are, read on the node from its datastore: a second or more, and not asked for by
/// every check. `fresh`: not from a copy of the last day.
pub async fn gather_objects(link: &mut Link, fresh: bool, gathered: &mut Gathered) {
    gathered.facts.objects = Some(match link.objects(fresh).await {
        Ok(inventory) => ObjectFacts::Read(Box::new(inventory)),
        Err(error) => {
            let why = error.to_string();
            gathered.notes.push(format!("the objects: {why}"));
            ObjectFacts::Unread { why }
        }
    });
}

/// Adds whether what K3s runs from is still what it extracted: hundreds of megabytes to read, and not asked for by every check.
pub async fn gather_userland(link: &mut Link, gathered: &mut Gathered) {
    match link.userland().await {
        Ok(userland) => gathered.facts.nodes.iter_mut().for_each(|node| node.userland = Some(userland.clone())),
        Err(error) => gathered.notes.push(error.to_string()),
    }
}

pub(crate) async fn connect(endpoint: &Endpoint, credentials: &Credentials) -> Result<Api, ClusterError> {
    let Credentials { server_ca, client_certificate, client_key, .. } = credentials;
    Api::connect(endpoint.clone(), server_ca, client_certificate, client_key).await
}

/// What a link says of the way to the API, in the API's words.
pub(crate) fn endpoint(way: Way) -> Endpoint {
    Endpoint { server: way.server, forward: way.forward }
}
