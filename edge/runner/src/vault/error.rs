use belay_facts::{Digest, K3sVersion};

/// Why a release could not be had. Nothing was changed anywhere.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("{0} could not be reached: {1}")]
    Unreachable(String, String),
    #[error("the mirror {path} could not be read: {source}")]
    NoMirror { path: String, source: std::io::Error },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{0} redirects from https to plain http; a redirect like that is how a man in the middle begins")]
    Downgrade(String),
    #[error("{0} is plain http, where anyone on the way can change both the binary and its sum")]
    PlainHttp(String),
    #[error("{origin} is no list of SHA-256 sums: it begins with `{begins}`")]
    NoSums { origin: String, begins: String },
    #[error("{origin} has no sum for `{name}`")]
    NotListed { origin: String, name: String },
    #[error("{origin} of {tag} is not what its sum says: expected {expected}, got {got} ({bytes} bytes)")]
    WrongDigest { origin: String, tag: K3sVersion, expected: Digest, got: Digest, bytes: u64 },
    #[error("{origin} was cut short: {got} of {expected} bytes arrived")]
    Truncated { origin: String, expected: u64, got: u64 },
    #[error("{origin} is larger than {limit} bytes; no K3s binary is")]
    TooLarge { origin: String, limit: u64 },
    #[error("the sums of {origin} name {listed} for `{name}`, which is not the pinned {pinned}")]
    NotPinned { origin: String, name: String, listed: Digest, pinned: Digest },
    #[error("{from} is no list of channels: {why}")]
    NoChannels { from: String, why: String },
    #[error("channel `{0}` could not be resolved: {1}")]
    Channel(String, String),
    #[error("{what} {path}: {source}")]
    File { what: &'static str, path: String, source: std::io::Error },
    #[error("K3s publishes no binary for architecture `{0}`")]
    Arch(String),
}

impl VaultError {
    /// What to type next, where one thing is clear.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreachable(..) => {
                "offline? give a directory with <tag>/k3s and <tag>/sha256sum-amd64.txt: --mirror /path"
            }
            Self::Status { status: 404, .. } => {
                "is the tag right? `belay versions` lists the newest; K3s' own list is https://github.com/k3s-io/k3s/releases"
            }
            Self::PlainHttp(_) => {
                "use https, or pin the binary by hand with --sha256 HEX, or accept the risk with --allow-plain-http"
            }
            Self::WrongDigest { .. } | Self::Truncated { .. } | Self::NoSums { .. } => {
                "the mirror is broken or lies; nothing was changed. Try again, or another --mirror"
            }
            Self::NotPinned { .. } => "check the pin against a source that you trust; nothing was changed",
            Self::File { what: "could not read", source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "is the tag right, and does the mirror have it? A directory holds <tag>/k3s and <tag>/sha256sum-amd64.txt for \
                 each; `belay versions --mirror DIR` says which of the newest are there"
            }
            Self::NotListed { .. } => {
                "the mirror has the release for other machines only; give another one: --mirror URL|DIR"
            }
            Self::NoMirror { .. } => {
                "name a directory that is there, with <tag>/k3s and <tag>/sha256sum-amd64.txt for each release: --mirror DIR"
            }
            Self::Channel(..) => "name the release itself, such as --to v1.36.5+k3s1",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
