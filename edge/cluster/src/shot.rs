use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::address::Address;
use crate::error::{Root, root};
use crate::revision;

/// The most that a shot may take; then it counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(1);
const LONGEST: usize = 64 * 1024;
/// One namespace, whatever its annotations (256 KiB of them at most, and its labels).
const LIST_LONGEST: usize = 512 * 1024;

/// One try to reach the API, from the start of its TCP connection to the end of the answer. Times in microseconds, `at`
/// from the prober's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shot {
    pub at: u64,
    pub took: u32,
    pub answer: Answer,
}

impl Shot {
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at.saturating_add(u64::from(self.took))
    }

    #[must_use]
    pub fn is_up(&self) -> bool {
        self.answer == Answer::Up
    }
}

/// What came of a shot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// HTTP 200 from `/readyz`.
    Up,
    /// Nobody listens.
    Refused,
    /// No route, no name, no socket.
    Unreachable,
    /// The way there is cut: nobody listens at the near end of the forward. Nothing is known of the server.
    Severed,
    /// Not done within a second.
    Timeout,
    /// The server did not prove that it belongs to this cluster; nothing of ours was sent.
    Untrusted,
    /// The connection was there and broke off.
    Broken,
    /// Another HTTP status: 500 and 503 while the server starts, 401 when our certificate is not taken.
    Status(u16),
}

/// Where to shoot, and as whom.
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) tls: Arc<ClientConfig>,
}

/// A connection that answered, for one more question.
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    host: HeaderValue,
    /// Drives the connection; dropped (and so closed) with it.
    _driver: JoinSet<()>,
}

/// A new TCP connection, a whole TLS handshake, and an authenticated GET of `/readyz`.
pub(crate) async fn shoot(target: &Target) -> (Answer, Option<Connection>) {
    match timeout(PATIENCE, open_and_ask(target)).await {
        Ok(Ok((StatusCode::OK, connection))) => (Answer::Up, Some(connection)),
        Ok(Ok((status, _))) => (Answer::Status(status.as_u16()), None),
        Ok(Err(answer)) => (answer, None),
        Err(_) => (Answer::Timeout, None),
    }
}

async fn open_and_ask(target: &Target) -> Result<(StatusCode, Connection), Answer> {
    let host = HeaderValue::from_str(&target.address.text).map_err(|_| Answer::Unreachable)?;
    let tcp = TcpStream::connect(&target.address.text).await.map_err(|e| match e.kind() {
        // Beyond a forward a refusal looks like a connection that breaks off.
        _ if target.address.forwarded => Answer::Severed,
        io::ErrorKind::ConnectionRefused => Answer::Refused,
        io::ErrorKind::TimedOut => Answer::Timeout,
        _ => Answer::Unreachable,
    })?;
    let tls = TlsConnector::from(Arc::clone(&target.tls)).connect(target.address.name.clone(), tcp).await;
    let tls = tls.map_err(|e| match root(&e) {
        Root::Certificate { .. } => Answer::Untrusted,
        Root::TimedOut => Answer::Timeout,
        Root::Other { .. } => Answer::Broken,
    })?;
    let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(|_| Answer::Broken)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // Its error is the request's error.
        let _: Result<(), hyper::Error> = connection.await;
    });
    let mut connection = Connection { sender, host, _driver: driver };
    let (status, _) = connection.get("/readyz", LONGEST).await.ok_or(Answer::Broken)?;
    Ok((status, connection))
}

impl Connection {
    /// The datastore's revision by a list of one, over the connection that is there: no second handshake.
    pub(crate) async fn revision(mut self) -> Option<u64> {
        match timeout(PATIENCE, self.get(revision::LIST, LIST_LONGEST)).await {
            Ok(Some((StatusCode::OK, body))) => revision::of_list(&body),
            Ok(_) | Err(_) => None,
        }
    }

    /// The whole answer, or nothing: one that breaks off half way is no answer.
    async fn get(&mut self, path: &str, longest: usize) -> Option<(StatusCode, Bytes)> {
        let request = Request::get(path)
            .header(header::HOST, self.host.clone())
            .header(header::USER_AGENT, "belay-probe")
            .header(header::ACCEPT, "*/*")
            .body(Empty::new())
            .ok()?;
        let response = self.sender.send_request(request).await.ok()?;
        let status = response.status();
        let body = Limited::new(response.into_body(), longest).collect().await.ok()?;
        Some((status, body.to_bytes()))
    }
}
