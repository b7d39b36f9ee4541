use rustls_pki_types::ServerName;

use crate::ClusterError;

/// Where an API server listens, as `127.0.0.1:6443`, `[::1]:6443` or `name:6443`, and the name that its certificate
/// must carry. K3s puts every address that it listens on into its serving certificate.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) text: String,
    pub(crate) name: ServerName<'static>,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, ClusterError> {
        let fail = |why: &str| ClusterError::Address { address: text.to_owned(), why: why.to_owned() };
        let authority: http::uri::Authority = text.parse().map_err(|_| fail("expected host:port"))?;
        if authority.port_u16().is_none() || text.contains('@') {
            return Err(fail("expected host:port"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| fail("neither an IP address nor a DNS name"))?;
        Ok(Self { text: text.to_owned(), name })
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
    fn refuses_what_is_no_host_and_port() {
        for text in ["", "127.0.0.1", "https://127.0.0.1:6443", "a:b", "user@host:6443", "127.0.0.1:6443/x"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
