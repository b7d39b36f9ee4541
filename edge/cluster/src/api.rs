use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belay_facts::Secret;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use kube::{Client, Config};

use crate::address::Address;
use crate::{ClusterError, Endpoint, Login, tls};

/// How long one request may take. A server that is busy with its start answers within seconds or not at all.
const REQUEST: Duration = Duration::from_secs(15);
/// How long TCP and TLS may take together.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// The API of a cluster, asked through one server, as the cluster's administrator or as somebody else.
///
/// Make a new one after each restart of K3s: it may have renewed its certificates, and old connections are dead.
#[derive(Clone)]
pub struct Api {
    pub(crate) client: Client,
    address: String,
}

impl Api {
    /// Reaches the server and asks for `/version`. All PEM is kept in memory. The server must prove itself by
    /// `server_ca` before our certificate is sent, through a forward as well.
    ///
    /// A server that answers 5xx is reached, and not ready: that is for the questions to find out.
    ///
    /// # Errors
    /// `Credentials` and `Address` for what cannot be read, `Untrusted` for a server of another cluster,
    /// `Denied` for credentials that are not taken, `Unreachable` and `Timeout`.
    pub async fn connect(
        endpoint: impl Into<Endpoint>,
        server_ca: &str,
        client_certificate: &str,
        client_key: &Secret,
    ) -> Result<Self, ClusterError> {
        let (certificate, key) = (client_certificate.to_owned(), client_key.clone());
        Self::connect_as(endpoint, server_ca, &Login::Certificate { certificate, key }).await
    }

    /// The same as anybody. One who may not even ask for `/version` is known, and may be allowed something else.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn connect_as(
        endpoint: impl Into<Endpoint>,
        server_ca: &str,
        login: &Login,
    ) -> Result<Self, ClusterError> {
        let asking = "connecting to the API";
        let address = Address::of(&endpoint.into())?;
        let uri: Uri = format!("https://{}", address.text).parse().map_err(|e: http::uri::InvalidUri| {
            ClusterError::Address { address: address.text.clone(), why: e.to_string() }
        })?;
        let mut config = Config::new(uri);
        config.root_cert = Some(tls::roots(server_ca)?.iter().map(|root| root.to_vec()).collect());
        match login {
            Login::Certificate { certificate, key } => {
                // Parsed once here only for the sake of a clear error: kube's own says nothing of which file it is.
                tls::client_config(server_ca, certificate, key)?;
                config.auth_info.client_certificate_data = Some(STANDARD.encode(certificate));
                config.auth_info.client_key_data = Some(STANDARD.encode(key.expose()).into());
            }
            Login::Token(token) => config.auth_info.token = Some(token.expose().to_owned().into()),
        }
        config.tls_server_name = address.forwarded.then(|| address.name.to_str().into_owned());
        config.connect_timeout = Some(CONNECT);
        // The deadline of a request lies around it, see `ask`.
        config.write_timeout = None;
        // Who asks polls. A retry below would hide what the server really said, and when.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|e| ClusterError::of_kube(asking, &address.text, &e))?;
        let api = Self { client, address: address.text };
        let (status, text) = api.get(asking, "/version", 64 * 1024).await?;
        if status.is_success() || status.is_server_error() || status == StatusCode::FORBIDDEN {
            Ok(api)
        } else {
            Err(ClusterError::of_status(asking, status.as_u16(), &text))
        }
    }

    /// One request with its deadline, and its error in our words.
    pub(crate) async fn ask<T>(
        &self,
        asking: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        match tokio::time::timeout(REQUEST, request).await {
            Ok(answer) => answer.map_err(|e| ClusterError::of_kube(asking, &self.address, &e)),
            Err(_) => Err(ClusterError::Timeout { asking: asking.to_owned(), within: REQUEST.into() }),
        }
    }

    /// The same, where no such object is an answer.
    pub(crate) async fn ask_for<T>(
        &self,
        asking: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<Option<T>, ClusterError> {
        match self.ask(asking, request).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A path that is no resource: status and text, whatever the status. More than `longest` bytes is an error.
    pub(crate) async fn get(
        &self,
        asking: &str,
        path: &str,
        longest: usize,
    ) -> Result<(StatusCode, String), ClusterError> {
        let unreadable = |why: String| ClusterError::Unreadable { asking: asking.to_owned(), why };
        let request = Request::get(path).body(Body::empty()).map_err(|e| unreadable(e.to_string()))?;
        let answer = async {
            let response =
                self.client.send(request).await.map_err(|e| ClusterError::of_kube(asking, &self.address, &e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), longest).collect().await;
            let bytes = body.map_err(|e| ClusterError::of_transport(asking, &self.address, e.as_ref()))?.to_bytes();
            Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
        };
        match tokio::time::timeout(REQUEST, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(ClusterError::Timeout { asking: asking.to_owned(), within: REQUEST.into() }),
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("address", &self.address).finish_non_exhaustive()
    }
}
