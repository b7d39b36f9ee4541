/// Where an API server is, and how it is reached from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As its own machine sees it: `127.0.0.1:6443`, or what `bind-address` and `https-listen-port` say. Its certificate
    /// must carry this host.
    pub server: String,
    /// The port of this machine's loopback that leads there, when it is on another machine.
    pub forward: Option<u16>,
}

impl<T: AsRef<str>> From<T> for Endpoint {
    /// A server that is reached directly.
    fn from(server: T) -> Self {
        Self { server: server.as_ref().to_owned(), forward: None }
    }
}
