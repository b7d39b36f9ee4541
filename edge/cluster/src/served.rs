use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{ClusterError, tls};

/// Nodes of one cluster are close to each other; one that is not reached from here is not waited for.
const WITHIN: Duration = Duration::from_secs(1);

/// The certificate that a node shows to whoever connects, proven to be of this cluster, whether it is valid now or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub node: String,
    /// Address and port.
    pub at: String,
    /// DER.
    pub certificate: Vec<u8>,
}

/// What the kubelets of `nodes` serve; a server's as well, whose other certificates are renewed by the same start. Nothing of ours is sent:
/// the handshake is all, and the kubelet asks for a certificate without insisting on one.
///
/// # Errors
/// For what cannot be read as a CA; a node that does not answer is only missing.
pub(crate) async fn served(nodes: &[&Node], server_ca: &str) -> Result<Vec<Served>, ClusterError> {
    if nodes.is_empty() {
        return Ok(Vec::new());
    }
    let tls = TlsConnector::from(Arc::new(config(server_ca)?));
    let mut asked = JoinSet::new();
    for (node, address, port) in nodes.iter().filter_map(|node| place(node)) {
        let tls = tls.clone();
        asked.spawn(async move {
            let shown = timeout(WITHIN, shown(tls, address, port)).await.ok()??;
            Some(Served { node, at: std::net::SocketAddr::new(address, port).to_string(), certificate: shown })
        });
    }
    let mut found: Vec<Served> = asked.join_all().await.into_iter().flatten().collect();
    found.sort_by(|a, b| (&a.node, &a.at).cmp(&(&b.node, &b.at)));
    Ok(found)
}

/// Where the kubelet of a node serves.
fn place(node: &Node) -> Option<(String, IpAddr, u16)> {
    let status = node.status.as_ref()?;
    let mut internal = status.addresses.iter().flatten().filter(|address| address.type_ == "InternalIP");
    let address = internal.find_map(|address| address.address.parse().ok())?;
    let endpoint = status.daemon_endpoints.as_ref()?.kubelet_endpoint.as_ref()?;
    Some((node.metadata.name.clone()?, address, u16::try_from(endpoint.port).ok()?))
}

async fn shown(tls: TlsConnector, address: IpAddr, port: u16) -> Option<Vec<u8>> {
    let tcp = TcpStream::connect((address, port)).await.ok()?;
    let stream = tls.connect(ServerName::from(address), tcp).await.ok()?;
    let chain = stream.get_ref().1.peer_certificates()?;
    chain.first().map(|leaf| leaf.to_vec())
}

fn config(server_ca: &str) -> Result<ClientConfig, ClusterError> {
    let unusable = |what, why: String| ClusterError::Credentials { what, why };
    let mut store = RootCertStore::empty();
    for root in tls::roots(server_ca)? {
        store.add(root).map_err(|error| unusable("server CA", error.to_string()))?;
    }
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let now = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider)).build();
    let now = now.map_err(|error| unusable("server CA", error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("TLS settings", error.to_string()))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(AtAnyTime(now))).with_no_client_auth())
}

/// Signed by the cluster's CA for this address, at a time at which it was valid.
#[derive(Debug)]
struct AtAnyTime(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AtAnyTime {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut at = now;
        // A leaf and its authority may each be over.
        for _ in 0..2 {
            match self.0.verify_server_cert(end_entity, intermediates, name, ocsp, at) {
                Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => at = not_after,
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                    at = not_before;
                }
                judged => return judged,
            }
        }
        self.0.verify_server_cert(end_entity, intermediates, name, ocsp, at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_is_asked_at_the_first_internal_address() {
        let node: Node = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "n2" },
            "status": {
                "addresses": [{ "type": "Hostname", "address": "n2" }, { "type": "ExternalIP", "address": "192.0.2.7" },
                    { "type": "InternalIP", "address": "10.77.0.12" }, { "type": "InternalIP", "address": "fd00::12" }],
                "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } },
            },
        }))
        .unwrap();
        assert_eq!(place(&node), Some(("n2".to_owned(), "10.77.0.12".parse().unwrap(), 10250)));
        assert_eq!(place(&Node::default()), None);
    }
}
