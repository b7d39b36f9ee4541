use std::sync::Arc;

use belay_facts::Secret;
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::ClusterError;

/// The certificates that a server must chain to, from `server-ca.crt`.
pub(crate) fn roots(server_ca: &str) -> Result<Vec<CertificateDer<'static>>, ClusterError> {
    certificates("server CA", server_ca)
}

/// TLS as the cluster's administrator: the server must prove itself by the cluster's CA before our certificate is
/// sent. Sessions are not resumed, so that each connection proves a whole handshake.
pub(crate) fn client_config(
    server_ca: &str,
    client_certificate: &str,
    client_key: &Secret,
) -> Result<Arc<ClientConfig>, ClusterError> {
    let mut store = RootCertStore::empty();
    for root in roots(server_ca)? {
        store.add(root).map_err(|e| credentials("server CA", e))?;
    }
    let chain = certificates("client certificate", client_certificate)?;
    // The error of the parser is left out: it may quote what it read.
    let key = PrivateKeyDer::from_pem_slice(client_key.expose().as_bytes())
        .map_err(|_| credentials("client key", "it is not a private key in PEM"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| credentials("TLS settings", e))?
        .with_root_certificates(store)
        .with_client_auth_cert(chain, key)
        .map_err(|e| credentials("client certificate and key", e))?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, ClusterError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(found) if found.is_empty() => Err(credentials(what, "there is no certificate in it")),
        Ok(found) => Ok(found),
        Err(e) => Err(credentials(what, e)),
    }
}

fn credentials(what: &'static str, why: impl ToString) -> ClusterError {
    ClusterError::Credentials { what, why: why.to_string() }
}
