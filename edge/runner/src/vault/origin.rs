use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use belay_facts::K3sVersion;
use url::Url;

use super::VaultError;

/// Where K3s publishes its releases (k3s-facts §3.1).
pub const GITHUB: &str = "https://github.com/k3s-io/k3s/releases/download";

/// Where releases come from: a directory or a web address with a folder per tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Directory(PathBuf),
    Web(Url),
}

impl Origin {
    /// The address or path of one file of a release. In an address the `+` of the tag is written `%2B`.
    pub(super) fn file(&self, tag: &K3sVersion, name: &str) -> Location {
        match self {
            Self::Directory(dir) => Location::Path(dir.join(tag.tag()).join(name)),
            Self::Web(base) => {
                let base = base.as_str().trim_end_matches('/');
                Location::Url(format!("{base}/{}/{name}", tag.tag().replace('+', "%2B")))
            }
        }
    }

    /// A disk that is not mounted has no release, and says nothing about any.
    ///
    /// # Errors
    /// `NoMirror`, when it is a directory that is not there or may not be read.
    pub(super) fn ensure_there(&self) -> Result<(), VaultError> {
        let Self::Directory(dir) = self else { return Ok(()) };
        let why = |source| VaultError::NoMirror { path: dir.display().to_string(), source };
        std::fs::read_dir(dir).map(drop).map_err(why)
    }

    /// Plain http is refused unless it does not leave this machine, the user pinned the binary, or accepted the risk.
    ///
    /// # Errors
    /// `PlainHttp` names the address.
    pub fn ensure_trustworthy(&self, pinned: bool, accepted: bool) -> Result<(), VaultError> {
        match self {
            Self::Web(url) if url.scheme() == "http" => {
                let loopback = match url.host() {
                    Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                    Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                    Some(url::Host::Domain(name)) => name == "localhost",
                    None => false,
                };
                if loopback || pinned || accepted { Ok(()) } else { Err(VaultError::PlainHttp(url.to_string())) }
            }
            _ => Ok(()),
        }
    }

    /// How much a sum from here is worth, for the plan and the report.
    #[must_use]
    pub fn trust(&self, pinned: bool) -> &'static str {
        match self {
            _ if pinned => "digest pinned by hand",
            Self::Directory(_) => "sums in the same directory",
            Self::Web(url) if url.scheme() == "https" => "sums from the same origin over https; K3s signs nothing",
            Self::Web(_) => "sums from the same origin over plain http",
        }
    }
}

/// One file at an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Path(PathBuf),
    Url(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Url(url) => f.write_str(url),
        }
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(url) = Url::parse(text) {
            return match url.scheme() {
                "http" | "https" => Ok(Self::Web(url)),
                "file" => url.to_file_path().map(Self::Directory).map_err(|()| format!("`{text}` is not a local path")),
                other => Err(format!("`{other}` addresses are not supported; use https://… or a directory")),
            };
        }
        if text.is_empty() { Err("an empty mirror".to_owned()) } else { Ok(Self::Directory(PathBuf::from(text))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plus_of_a_tag_is_escaped_in_an_address() {
        let origin: Origin = GITHUB.parse().unwrap();
        let tag = "v1.36.5+k3s1".parse().unwrap();
        assert_eq!(
            origin.file(&tag, "k3s").to_string(),
            "https://github.com/k3s-io/k3s/releases/download/v1.36.5%2Bk3s1/k3s"
        );
        assert_eq!("/srv/k3s".parse::<Origin>().unwrap().file(&tag, "k3s").to_string(), "/srv/k3s/v1.36.5+k3s1/k3s");
        assert!("ftp://x/".parse::<Origin>().is_err());
    }

    #[test]
    fn plain_http_needs_a_reason() {
        let far: Origin = "http://mirror.example/k3s".parse().unwrap();
        assert!(far.ensure_trustworthy(false, false).is_err());
        assert!(far.ensure_trustworthy(true, false).is_ok());
        assert!(far.ensure_trustworthy(false, true).is_ok());
        let near: Origin = "http://127.0.0.1:8080/".parse().unwrap();
        assert!(near.ensure_trustworthy(false, false).is_ok());
        let lookalike: Origin = "http://127.0.0.1.example/".parse().unwrap();
        assert!(lookalike.ensure_trustworthy(false, false).is_err());
    }
}
