use std::error::Error;
use std::io;

use belay_facts::Span;
use http::StatusCode;

use crate::Right;
use crate::api::CONNECT;

const FORBIDDEN: u16 = 403;

/// Why the API did not answer a question. `asking` is what was attempted on which object, in the present tense.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("reading the {what} for the API: {why}")]
    Credentials { what: &'static str, why: String },
    #[error("`{address}` is not the address of an API server: {why}")]
    Address { address: String, why: String },
    #[error("{asking}: no connection to the API at {address}: {why}")]
    Unreachable { asking: String, address: String, why: String },
    /// The server's certificate is not the cluster's. Nothing of ours was sent. `clock`: the certificate is expired or
    /// not valid yet, which a wrong clock explains as well.
    #[error("{asking}: the server at {address} did not prove that it belongs to this cluster: {why}")]
    Untrusted { asking: String, address: String, why: String, clock: bool },
    #[error("{asking}: no answer from the API within {within}")]
    Timeout { asking: String, within: Span },
    /// 401: nobody is known by these credentials; 403: who is known by them may not do this. `right` is what that takes, as
    /// `kubectl auth can-i` asks for it.
    #[error("{asking}: {}", denied(*status, right.as_deref(), message))]
    Denied { asking: String, status: u16, message: String, right: Option<String> },
    #[error("{asking}: no such object")]
    Absent { asking: String },
    #[error("{asking}: HTTP {status}: {message}")]
    Status { asking: String, status: u16, message: String },
    #[error("{asking}: the answer cannot be read: {why}")]
    Unreadable { asking: String, why: String },
}

impl ClusterError {
    /// What to type or look at next, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Credentials { .. } => "run `k3s certificate check` on the node",
            Self::Unreachable { .. } => "run `systemctl status k3s` on the node",
            Self::Untrusted { clock: true, .. } => {
                "compare `date` on the node with the real time; then `k3s certificate check`"
            }
            Self::Untrusted { .. } => "compare server/tls/server-ca.crt with `curl -k https://ADDRESS/cacerts`",
            Self::Denied { status: FORBIDDEN, .. } => {
                "give the rights that a check needs, and no others: docs/rbac/README.md; with `kubectl apply -f` of belay-check.yaml"
            }
            Self::Denied { .. } => "run `k3s certificate check`; the client certificate may have expired",
            Self::Address { .. } => "look at https-listen-port and bind-address in /etc/rancher/k3s/config.yaml",
            Self::Timeout { .. } | Self::Absent { .. } | Self::Status { .. } | Self::Unreadable { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// There is no such object, as opposed to: it is not known whether there is.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Names the right that a denied read takes.
    pub(crate) fn lacking(mut self, missing: &Right) -> Self {
        if let Self::Denied { status: FORBIDDEN, right, .. } = &mut self {
            *right = Some(missing.to_string());
        }
        self
    }

    /// The API answered, and did not let it be read.
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    pub(crate) fn of_status(asking: &str, status: u16, message: &str) -> Self {
        let asking = asking.to_owned();
        let message = shortened(&said(message));
        match StatusCode::from_u16(status) {
            Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Self::Denied { asking, status, message, right: None }
            }
            Ok(StatusCode::NOT_FOUND) => Self::Absent { asking },
            _ => Self::Status { asking, status, message },
        }
    }

    pub(crate) fn of_kube(asking: &str, address: &str, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(asking, status.code, &status.message),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                Self::Unreadable { asking: asking.to_owned(), why: error.to_string() }
            }
            other => Self::of_transport(asking, address, other),
        }
    }

    pub(crate) fn of_transport(asking: &str, address: &str, error: &(dyn Error + 'static)) -> Self {
        let (asking, address) = (asking.to_owned(), address.to_owned());
        match root(error) {
            Root::Certificate { why, clock } => Self::Untrusted { asking, address, why, clock },
            Root::TimedOut => Self::Timeout { asking, within: CONNECT.into() },
            Root::Other { why } => Self::Unreachable { asking, address, why },
        }
    }
}

fn denied(status: u16, right: Option<&str>, message: &str) -> String {
    match (status, right) {
        (FORBIDDEN, Some(right)) => format!("the right `{right}` is missing (HTTP {status}): {message}"),
        (FORBIDDEN, None) => format!("the API does not allow it (HTTP {status}): {message}"),
        _ => format!("the API refuses these credentials (HTTP {status}): {message}"),
    }
}

/// What lies at the bottom of an error of the transport.
pub(crate) enum Root {
    Certificate {
        why: String,
        clock: bool,
    },
    /// The only transport with a deadline of its own is the connection (TCP and TLS); a request's lies around it.
    TimedOut,
    Other {
        why: String,
    },
}

/// Walks down the causes. `io::Error::source` skips the error that it wraps, so that is asked for by hand.
pub(crate) fn root(error: &(dyn Error + 'static)) -> Root {
    let mut at = Some(error);
    let mut last = error;
    while let Some(error) = at {
        last = error;
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref::<rustls::Error>() {
            return Root::Certificate { why: why.to_string(), clock: clock_explains(why) };
        }
        at = match error.downcast_ref::<io::Error>() {
            Some(io) if io.kind() == io::ErrorKind::TimedOut => return Root::TimedOut,
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    Root::Other { why: last.to_string() }
}

const fn clock_explains(why: &rustls::CertificateError) -> bool {
    use rustls::CertificateError as E;
    matches!(why, E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. })
}

/// The sentence in an API's answer, when the answer is a `Status` in JSON; else the answer as it is.
fn said(answer: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Status {
        message: String,
    }
    serde_json::from_str::<Status>(answer).map_or_else(|_| answer.to_owned(), |status| status.message)
}

/// An API's message can be a whole page of HTML from something that is no API.
fn shortened(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_error_is_found_below_io_errors() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let error = ClusterError::of_transport("asking", "127.0.0.1:1", &wrapped);
        assert!(matches!(error, ClusterError::Untrusted { clock: false, .. }), "{error}");
    }

    #[test]
    fn an_expired_certificate_may_be_the_clock() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidYet);
        let error = ClusterError::of_transport("asking", "127.0.0.1:1", &io::Error::other(tls));
        assert!(matches!(error, ClusterError::Untrusted { clock: true, .. }), "{error}");
    }

    #[test]
    fn statuses_are_told_apart() {
        assert!(matches!(ClusterError::of_status("a", 401, ""), ClusterError::Denied { status: 401, .. }));
        assert!(ClusterError::of_status("a", 404, "").is_absent());
        assert!(matches!(ClusterError::of_status("a", 503, ""), ClusterError::Status { status: 503, .. }));
    }

    #[test]
    fn a_status_in_json_is_its_message() {
        let error = ClusterError::of_status("a", 500, r#"{"kind":"Status","message":"no preferred addresses found"}"#);
        assert_eq!(error.to_string(), "a: HTTP 500: no preferred addresses found");
    }

    #[test]
    fn a_long_message_becomes_one_short_line() {
        let ClusterError::Status { message, .. } = ClusterError::of_status("a", 500, &"<p>ä\n".repeat(500)) else {
            panic!("not a status");
        };
        assert_eq!(message.chars().count(), 301);
        assert!(!message.contains('\n'));
    }
}
