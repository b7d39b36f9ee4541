use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belay_facts::Secret;
use http::Uri;

use crate::{ClusterError, Login, tls};

mod error;
mod file;

pub use error::KubeconfigError;
use file::{Cluster, Contents, User};

/// No file that one points to is larger.
const LONGEST: u64 = 1024 * 1024;

/// Who asks the API instead of the cluster's administrator, and where: the current context of a kubeconfig.
///
/// It takes what a check of a cluster needs and can prove: an https server, its CA, and a token or a client certificate. What would
/// run a program, trust any server or act as somebody else is refused by name.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    path: PathBuf,
    server: String,
    server_ca: String,
    login: Login,
}

impl Kubeconfig {
    /// Reads the file and those that it points to.
    ///
    /// # Errors
    /// Says what of which file is wrong, and never what was in it.
    pub fn read(path: &Path) -> Result<Self, KubeconfigError> {
        let of = Reader { path };
        let text = of.text(path)?;
        // What the parser says of it is left out: it quotes the lines around, and they may be a token.
        let contents: Contents = serde_saphyr::from_str(&text).map_err(|_| {
            of.wrong(
                "it is no YAML, or not what a kubeconfig consists of",
                "see what is wrong with it: kubectl config view --kubeconfig FILE",
            )
        })?;
        let (cluster, user) = of.current(&contents)?;
        let server_ca = of.server_ca(cluster)?;
        let login = of.login(user)?;
        tls::roots(&server_ca).map_err(|error| of.credentials(error))?;
        if let Login::Certificate { certificate, key } = &login {
            tls::client_config(&server_ca, certificate, key).map_err(|error| of.credentials(error))?;
        }
        Ok(Self { path: path.to_path_buf(), server: of.server(cluster)?, server_ca, login })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Host and port.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The server is named as its own machine sees it.
    #[must_use]
    pub fn is_of_loopback(&self) -> bool {
        let host = self.server.rsplit_once(':').map_or(self.server.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    #[must_use]
    pub fn server_ca(&self) -> &str {
        &self.server_ca
    }

    #[must_use]
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// Whether one of its CAs is one of `server_ca` (PEM): then it is of the same cluster.
    ///
    /// # Errors
    /// When `server_ca` holds no certificate.
    pub fn shares_a_ca_with(&self, server_ca: &str) -> Result<bool, ClusterError> {
        let theirs = tls::roots(server_ca)?;
        Ok(tls::roots(&self.server_ca)?.iter().any(|root| theirs.contains(root)))
    }
}

/// Reads for one kubeconfig, which its errors name.
struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn wrong(&self, why: impl Into<String>, next: &str) -> KubeconfigError {
        let file = self.path.display().to_string();
        KubeconfigError { next: next.replace("FILE", &file), file, why: why.into() }
    }

    fn credentials(&self, error: ClusterError) -> KubeconfigError {
        let why = match error {
            ClusterError::Credentials { what, why } => format!("its {what}: {why}"),
            other => other.to_string(),
        };
        self.wrong(why, MAKE)
    }

    fn text(&self, file: &Path) -> Result<String, KubeconfigError> {
        let read = |file: &Path| -> std::io::Result<String> {
            let mut text = String::new();
            File::open(file)?.take(LONGEST).read_to_string(&mut text)?;
            Ok(text)
        };
        read(file).map_err(|error| {
            let what = if file == self.path { "it".to_owned() } else { format!("its file {}", file.display()) };
            self.wrong(format!("{what} could not be read: {error}"), MAKE)
        })
    }

    fn current<'c>(&self, contents: &'c Contents) -> Result<(&'c Cluster, &'c User), KubeconfigError> {
        let none = |why: String| {
            self.wrong(why, "choose one: kubectl config get-contexts --kubeconfig FILE, then use-context NAME")
        };
        let name = contents.current_context.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| none("it names no current context".to_owned()))?;
        let context = contents.contexts.iter().find(|one| one.name == name);
        let context = context.ok_or_else(|| none(format!("its current context `{name}` is not in it")))?;
        let (cluster, user) = (&context.context.cluster, &context.context.user);
        let found = contents.clusters.iter().find(|one| one.name == *cluster);
        let found =
            found.ok_or_else(|| none(format!("the cluster `{cluster}` of its current context is not in it")))?;
        let who = contents.users.iter().find(|one| one.name == *user);
        let who = who.ok_or_else(|| none(format!("the user `{user}` of its current context is not in it")))?;
        Ok((&found.cluster, &who.user))
    }

    fn server(&self, cluster: &Cluster) -> Result<String, KubeconfigError> {
        if cluster.proxy_url.is_some() {
            return Err(self.wrong("its server is behind a proxy (proxy-url), which belay does not use", DIRECT));
        }
        if cluster.tls_server_name.is_some() {
            let why = "its server has another name than its certificate (tls-server-name)";
            return Err(self.wrong(why, DIRECT));
        }
        let uri: Option<Uri> = cluster.server.parse().ok();
        let uri = uri
            .filter(|uri| uri.scheme_str() == Some("https") && matches!(uri.path(), "" | "/") && uri.query().is_none());
        let authority = uri.as_ref().and_then(Uri::authority).filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(|| {
            self.wrong("its server is not of the form https://HOST:PORT, with nothing after it", DIRECT)
        })?;
        Ok(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(443)))
    }

    fn server_ca(&self, cluster: &Cluster) -> Result<String, KubeconfigError> {
        if cluster.insecure_skip_tls_verify {
            let why = "it trusts any server (insecure-skip-tls-verify), which belay does not";
            return Err(self.wrong(why, MAKE));
        }
        let found = self.pem(
            "certificate-authority-data",
            cluster.certificate_authority_data.as_deref(),
            cluster.certificate_authority.as_deref(),
        )?;
        found.ok_or_else(|| {
            self.wrong("it has no certificate-authority-data, so that its server could not prove itself", MAKE)
        })
    }

    fn login(&self, user: &User) -> Result<Login, KubeconfigError> {
        let others = [
            (user.exec.is_some(), "runs a program (exec)"),
            (user.auth_provider.is_some(), "asks an auth-provider"),
            (user.username.is_some(), "has a password (username)"),
            (user.impersonate.is_some(), "acts as somebody else (as)"),
        ];
        if let Some((_, what)) = others.iter().find(|(is, _)| *is) {
            return Err(self.wrong(format!("its user {what}; belay takes a token or a client certificate"), MAKE));
        }
        let token = match (&user.token, user.token_file.as_deref()) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(file)) => Some(Secret::new(self.text(&self.beside(file))?)),
            (None, None) => None,
        };
        let token = token.map(|token| Secret::new(token.expose().trim())).filter(|token| !token.expose().is_empty());
        let certificate = self.pem(
            "client-certificate-data",
            user.client_certificate_data.as_deref(),
            user.client_certificate.as_deref(),
        )?;
        let key_data = user.client_key_data.as_ref().map(Secret::expose);
        let key = self.pem("client-key-data", key_data, user.client_key.as_deref())?.map(Secret::new);
        match (token, certificate, key) {
            (Some(token), None, None) if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Login::Token(token))
            }
            (Some(_), None, None) => Err(self.wrong("its token has characters that no token has", MAKE)),
            (None, Some(certificate), Some(key)) => Ok(Login::Certificate { certificate, key }),
            (Some(_), _, _) => {
                Err(self.wrong("its user has a token and a certificate, and it is not clear who asks", MAKE))
            }
            (None, None, None) => Err(self.wrong("its user has neither a token nor a client certificate", MAKE)),
            (None, _, _) => Err(self.wrong("its user has only one of client certificate and key", MAKE)),
        }
    }

    /// Base64 in the file itself, or else a file that it points to.
    fn pem(&self, what: &str, data: Option<&str>, file: Option<&str>) -> Result<Option<String>, KubeconfigError> {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let bytes = STANDARD.decode(data.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            return match bytes {
                Some(text) => Ok(Some(text)),
                None => Err(self.wrong(format!("its {what} is not base64 of PEM"), MAKE)),
            };
        }
        file.filter(|file| !file.is_empty()).map(|file| self.text(&self.beside(file))).transpose()
    }

    fn beside(&self, file: &str) -> PathBuf {
        self.path.parent().map_or_else(|| PathBuf::from(file), |dir| dir.join(file))
    }
}

const MAKE: &str = "docs/rbac/README.md says how to write one: server, certificate-authority-data and a token";
const DIRECT: &str = "name the K3s server as its certificate does: kubectl config set-cluster NAME --server https://HOST:6443 --kubeconfig FILE";
