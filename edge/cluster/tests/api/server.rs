use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;

/// What came in, with the certificate that the client showed.
pub struct Asked {
    pub method: Method,
    /// With its query.
    pub path: String,
    pub body: Bytes,
    pub client: Option<CertificateDer<'static>>,
    pub bearer: Option<String>,
}

pub type Handler = Arc<dyn Fn(Asked) -> (u16, String) + Send + Sync>;

#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicU32,
    /// Client certificates that came in, whether they were good or not.
    pub certificates: AtomicU32,
    pub requests: AtomicU32,
}

/// A TLS server on 127.0.0.1; it and its connections end when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
    task: JoinSet<()>,
}

impl Server {
    pub async fn start(authority: &Authority, handler: Handler) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), authority, handler).await
    }

    pub async fn start_at(address: SocketAddr, authority: &Authority, handler: Handler) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let counts = Arc::new(Counts::default());
        let acceptor = acceptor(authority, Arc::clone(&counts));
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(accept(listener, acceptor, handler, Arc::clone(&counts)));
        Self { address, counts, task }
    }

    /// Nobody listens any more when this returns.
    pub async fn stop(mut self) {
        self.task.shutdown().await;
    }

    pub fn at(&self) -> String {
        self.address.to_string()
    }
}

/// Accepts connections and says nothing: a process that is stopped.
pub struct Mute {
    pub address: SocketAddr,
    task: JoinSet<()>,
}

impl Mute {
    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        Self { address, task }
    }

    pub async fn stop(mut self) {
        self.task.shutdown().await;
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, handler: Handler, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        connections.spawn(serve(stream, acceptor.clone(), Arc::clone(&handler), Arc::clone(&counts)));
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, handler: Handler, counts: Arc<Counts>) {
    let Ok(tls) = acceptor.accept(stream).await else { return };
    let client = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
    let service = service_fn(move |request: Request<Incoming>| {
        let (client, handler, counts) = (client.clone(), Arc::clone(&handler), Arc::clone(&counts));
        async move {
            counts.requests.fetch_add(1, Ordering::SeqCst);
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let path = parts.uri.path_and_query().unwrap().to_string();
            let bearer = parts.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            let (status, text) = handler(Asked { method: parts.method, path, body, client, bearer });
            Ok::<_, Infallible>(Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap())
        }
    });
    drop(http1::Builder::new().serve_connection(TokioIo::new(tls), service).await);
}

fn acceptor(authority: &Authority, counts: Arc<Counts>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let (certificate, key) = authority.serving();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(Counting { inner, counts }))
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Counts the certificates that a client sends before it judges them.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn ClientCertVerifier>,
    counts: Arc<Counts>,
}

impl ClientCertVerifier for Counting {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.counts.certificates.fetch_add(1, Ordering::SeqCst);
        self.inner.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
