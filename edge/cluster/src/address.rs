use rustls_pki_types::ServerName;

use crate::{ClusterError, Endpoint};

/// Where an API server listens, as `127.0.0.1:6443`, `[::1]:6443` or `name:6443`, and the name that its certificate
/// must carry. K3s puts every address that it listens on into its serving certificate.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) text: String,
    pub(crate) name: ServerName<'static>,
    /// `text` is the near end of a forward: who refuses there is the forward, not the server.
    pub(crate) forwarded: bool,
}

impl Address {
    pub(crate) fn of(endpoint: &Endpoint) -> Result<Self, ClusterError> {
        let server = Self::parse(&endpoint.server)?;
        Ok(match endpoint.forward {
            Some(port) => Self { text: format!("127.0.0.1:{port}"), name: server.name, forwarded: true },
            None => server,
        })
    }

    fn parse(text: &str) -> Result<Self, ClusterError> {
        let fail = |why: &str| ClusterError::Address { address: text.to_owned(), why: why.to_owned() };
        let authority: http::uri::Authority = text.parse().map_err(|_| fail("expected host:port"))?;
        if authority.port_u16().is_none() || text.contains('@') {
            return Err(fail("expected host:port"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| fail("neither an IP address nor a DNS name"))?;
        Ok(Self { text: text.to_owned(), name, forwarded: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_names() {
        for (text, name) in [("127.0.0.1:6443", "127.0.0.1"), ("[::1]:6443", "::1"), ("k3s.lan:6444", "k3s.lan")] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.name.to_str(), name);
            assert_eq!(address.text, text);
        }
    }

    #[test]
    fn through_a_forward_the_server_must_still_carry_its_own_name() {
        let address = Address::of(&Endpoint { server: "10.0.0.1:6443".into(), forward: Some(40_001) }).unwrap();
        assert_eq!((address.text.as_str(), address.name.to_str().as_ref()), ("127.0.0.1:40001", "10.0.0.1"));
        assert!(address.forwarded && !Address::of(&"10.0.0.1:6443".into()).unwrap().forwarded);
    }

    #[test]
    fn refuses_what_is_no_host_and_port() {
        for text in ["", "127.0.0.1", "https://127.0.0.1:6443", "a:b", "user@host:6443", "127.0.0.1:6443/x"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
