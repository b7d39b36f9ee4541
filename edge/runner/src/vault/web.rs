use std::time::Duration;

use reqwest::redirect::Policy;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::VaultError;

/// The system's certificates, where there are any; the roots of the web are compiled in as well, because minimal hosts
/// have none.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A client that follows redirects, but never from https to http.
pub(super) fn client(follow: bool) -> Result<reqwest::Client, VaultError> {
    let policy = if follow {
        Policy::custom(|attempt| {
            let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
            if secure && attempt.url().scheme() != "https" {
                attempt.error("a redirect from https to plain http")
            } else if attempt.previous().len() > 8 {
                attempt.error("too many redirects")
            } else {
                attempt.follow()
            }
        })
    } else {
        Policy::none()
    };
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let file = std::env::var_os("SSL_CERT_FILE").unwrap_or_else(|| SYSTEM_ROOTS.into());
    if let Ok(certificates) = CertificateDer::pem_file_iter(file) {
        for certificate in certificates.flatten() {
            // A root that rustls cannot use is left out, as every TLS library does.
            let _ = roots.add(certificate);
        }
    }
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(policy)
        .connect_timeout(Duration::from_secs(15))
        .read_timeout(Duration::from_secs(60))
        .user_agent(concat!("belay/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| VaultError::Unreachable("the network".to_owned(), chain(&error)))
}

pub(super) async fn get(client: &reqwest::Client, url: &str) -> Result<reqwest::Response, VaultError> {
    let response = client.get(url).send().await.map_err(|error| {
        if error.is_redirect() && chain(&error).contains("plain http") {
            VaultError::Downgrade(url.to_owned())
        } else {
            VaultError::Unreachable(url.to_owned(), chain(&error))
        }
    })?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        Ok(response)
    } else {
        Err(VaultError::Status { url: url.to_owned(), status: status.as_u16() })
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
