//! `credentials`: how to reach the API of this node as its administrator.

use std::fs;

use belay_facts::Secret;
use belay_wire::{Credentials, Fault};

use crate::fault::{Attempt as _, refused};
use crate::{Installation, Places};

/// Reads the administrator's client certificate, key and the server's CA.
///
/// From `server/tls`, not from `k3s.yaml`: that file may be elsewhere, or made for another address.
///
/// # Errors
/// When there is no K3s server here, or a file cannot be read.
pub fn credentials(places: &Places) -> Result<Credentials, Fault> {
    let found = Installation::find(places)?.ok_or_else(|| refused("no unit of this node runs a K3s server"))?;
    let tls = found.data_dir.join("server/tls");
    let read = |name: &str| {
        let path = tls.join(name);
        fs::read_to_string(&path).attempt(|| format!("{} could not be read", path.display()))
    };
    Ok(Credentials {
        address: format!("{}:{}", host(found.config.last("bind-address")), api_port(&found)),
        server_ca: read("server-ca.crt")?,
        client_certificate: read("client-admin.crt")?,
        client_key: Secret::new(read("client-admin.key")?),
    })
}

/// The port of the supervisor and the API: 6443 by default.
pub(crate) fn api_port(found: &Installation) -> u16 {
    found.config.last("https-listen-port").and_then(|text| text.parse().ok()).unwrap_or(6443)
}

/// Where to connect when the server listens on `bind`.
fn host(bind: Option<&str>) -> String {
    match bind {
        None | Some("" | "0.0.0.0" | "::") => "127.0.0.1".to_owned(),
        Some(bind) if bind.contains(':') => format!("[{bind}]"),
        Some(bind) => bind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_wildcard_is_reached_on_loopback() {
        for (bind, expected) in [
            (None, "127.0.0.1"),
            (Some("0.0.0.0"), "127.0.0.1"),
            (Some("10.0.0.1"), "10.0.0.1"),
            (Some("fd00::1"), "[fd00::1]"),
        ] {
            assert_eq!(host(bind), expected);
        }
    }
}
