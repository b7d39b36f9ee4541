use belay_cluster::{Api, ClusterError, Endpoint, Kubeconfig, Login};
use belay_facts::{FORMAT, Facts, NodeRole, ObjectFacts, Span, Unread};
use belay_node::{Inspected, Link, LinkError, Way, read_shown};
use belay_wire::Credentials;
use jiff::Timestamp;

use crate::{Clock, Holding, RunError};

/// How long the API may take to tell its part.
const CLUSTER: Span = Span::seconds(30);

/// The facts, and what could not be read, in sentences.
#[derive(Clone, Debug)]
pub struct Gathered {
    pub facts: Facts,
    pub notes: Vec<String>,
    /// Who holds the run that has not ended on the node, if there is one: facts know its name only.
    pub holding: Option<Holding>,
}

/// Reads everything that is true: one helper call per node, then the API. What cannot be read is missing, not an error;
/// rules on missing facts answer *unknown*, and unknown on a blocking rule blocks.
///
/// The API is asked as the cluster's administrator, whose certificate the helper reads, or as `kubeconfig` says.
///
/// # Errors
/// When a node does not answer at all, or the kubeconfig is of another cluster.
pub async fn gather(link: &mut Link, clock: &Clock, kubeconfig: Option<&Kubeconfig>) -> Result<Gathered, RunError> {
    let taken_at = clock.wall();
    let mut inspected = link.inspect(taken_at).await?;
    if let (Some(kubeconfig), Some(server_ca)) = (kubeconfig, &inspected.server_ca)
        && !kubeconfig.shares_a_ca_with(server_ca)?
    {
        let (file, node) = (kubeconfig.path().display().to_string(), inspected.node.name);
        return Err(RunError::OtherCluster { file, node });
    }
    let holding = match inspected.node.helper.open_run {
        Some(_) => link.held().await.ok().flatten().map(Holding::of_node),
        None => None,
    };
    let (mut notes, mut unread) = (std::mem::take(&mut inspected.notes), std::mem::take(&mut inspected.unread));
    let asked = ask(link, &inspected, kubeconfig);
    let cluster = match tokio::time::timeout(CLUSTER.duration(), asked).await {
        Ok(Ok(mut told)) => {
            notes.append(&mut told.notes);
            unread.append(&mut told.unread);
            add_certificates(&mut told, &inspected.node.name, taken_at, &mut notes);
            Some(told.facts)
        }
        Ok(Err(why)) => {
            notes.push(why.why.clone());
            unread.push(why);
            None
        }
        Err(_) => {
            let why = format!("the API did not tell its facts within {CLUSTER}");
            notes.push(why.clone());
            unread.push(Unread::new(WHOLE, why, None));
            None
        }
    };
    let (objects, manifests, nodes) = (None, None, vec![inspected.node]);
    let facts = Facts { belay: FORMAT.to_owned(), taken_at, cluster, nodes, objects, manifests, unread };
    Ok(Gathered { facts, notes, holding })
}

/// What other nodes serve becomes facts of them. A node that showed nothing has none, and rules about it are unknown.
fn add_certificates(told: &mut belay_cluster::Gathered, here: &str, now: Timestamp, notes: &mut Vec<String>) {
    let mut silent = Vec::new();
    for node in &mut told.facts.nodes {
        let shown = told.served.iter().filter(|served| served.node == node.name);
        let read = shown.map(|served| read_shown(&served.at, &served.certificate, now));
        let mut found = Vec::new();
        for one in read {
            match one {
                Ok(certificate) => found.push(certificate),
                Err(note) => notes.push(note),
            }
        }
        let known = !found.is_empty() || node.name == here;
        silent.extend((!known).then(|| node.name.clone()));
        node.certificates = known.then_some(found);
    }
    if !silent.is_empty() {
        notes.push(format!(
            "the certificates of {}: from here their kubelets were not reached, or showed none of this cluster",
            silent.join(", ")
        ));
    }
}

/// What a user who is not root types next.
const AS_ROOT: &str = "Run it as root: `sudo belay …`.";
/// All that is known of the cluster, as rules name it.
const WHOLE: &str = "cluster";

/// The facts of the API, or why there are none.
async fn ask(
    link: &mut Link,
    inspected: &Inspected,
    kubeconfig: Option<&Kubeconfig>,
) -> Result<belay_cluster::Gathered, Unread> {
    let (server, server_ca, login) = match kubeconfig {
        Some(file) => (file.server().to_owned(), file.server_ca().to_owned(), file.login().clone()),
        None => {
            let Credentials { address, server_ca, client_certificate: certificate, client_key: key } =
                link.credentials().await.map_err(|error| without_credentials(inspected, &error))?;
            (address, server_ca, Login::Certificate { certificate, key })
        }
    };
    let of_whom = kubeconfig.map_or_else(String::new, |file| format!(", asked with {},", file.path().display()));
    let failed = |why: String, fix: Option<String>| {
        Unread::new(WHOLE, format!("the API at {server}{of_whom} did not tell its facts: {why}"), fix)
    };
    // What a kubeconfig names is reached from here, unless it is the node's own loopback.
    let endpoint = match kubeconfig {
        Some(file) if !file.is_of_loopback() => Endpoint::from(&server),
        _ => endpoint(link.way_to(&server).await.map_err(|error| failed(error.to_string(), error.hint()))?),
    };
    let domain = inspected.node.config.last("cluster-domain").unwrap_or("cluster.local");
    let facts = async {
        let api = Api::connect_as(endpoint, &server_ca, &login).await?;
        // The trust is named by the node's own file where that could be read: another may have the same CA in other words.
        api.facts(&inspected.node.name, inspected.server_ca.as_ref().unwrap_or(&server_ca), domain).await
    };
    facts.await.map_err(|error| failed(error.to_string(), next(&error, kubeconfig)))
}

/// What to type next, which depends on whose credentials were taken.
fn next(error: &ClusterError, kubeconfig: Option<&Kubeconfig>) -> Option<String> {
    let Some(file) = kubeconfig.map(|kubeconfig| kubeconfig.path().display()) else { return error.hint() };
    match error {
        ClusterError::Denied { status: 401, .. } => Some(format!(
            "Write a new token into {file}: docs/rbac/README.md. `kubectl --kubeconfig {file} auth whoami` says whether it is taken."
        )),
        ClusterError::Untrusted { clock: false, .. } => Some(format!(
            "Write the CA of this cluster into {file} (certificate-authority-data), and a name or address that is in its server's certificate."
        )),
        ClusterError::Unreachable { .. } | ClusterError::Timeout { .. } => {
            Some(format!("See whether its server can be reached from here: kubectl --kubeconfig {file} version"))
        }
        error => error.hint(),
    }
}

fn without_credentials(inspected: &Inspected, error: &LinkError) -> Unread {
    if inspected.node.helper.uid == 0 || inspected.node.role != NodeRole::Server {
        return Unread::new(WHOLE, error.to_string(), error.hint());
    }
    let why = format!("needs root: the API is asked with the administrator's certificate, and {error}");
    let fix = format!("{AS_ROOT} Or let somebody else ask: `belay check --kubeconfig FILE` (docs/rbac/README.md).");
    Unread::new(WHOLE, why, Some(fix))
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
        Err(error) => {
            let why = error.to_string();
            gathered.notes.push(why.clone());
            if gathered.facts.nodes.iter().any(|node| node.helper.uid != 0) {
                let why = format!("needs root: {why}");
                gathered.facts.unread.push(Unread::new("node.userland", why, Some(AS_ROOT.to_owned())));
            }
        }
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
