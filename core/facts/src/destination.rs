use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a node is reached over SSH: `[user@]host[:port]`, and the OpenSSH configuration to use instead of the user's own.
///
/// Stands in a plan, so that whoever applies, resumes or rolls back reaches the same node. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Destination {
    user: Option<String>,
    /// A name, an address, or an alias of the configuration.
    host: String,
    port: Option<u16>,
    config: Option<String>,
}

/// As a plan shows it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    node: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<String>,
}

/// Why a text names no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no node: {why}; expected [user@]host[:port]")]
pub struct DestinationError {
    text: String,
    why: &'static str,
}

impl Destination {
    /// The same through another configuration file.
    #[must_use]
    pub fn with_config(self, config: Option<String>) -> Self {
        Self { config, ..self }
    }

    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    #[must_use]
    pub fn config(&self) -> Option<&str> {
        self.config.as_deref()
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |why| DestinationError { text: text.to_owned(), why };
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = match (rest.strip_prefix('[').and_then(|rest| rest.split_once(']')), rest.split_once(':')) {
            (Some((host, "")), _) => (host, None),
            (Some((host, port)), _) => {
                (host, Some(port.strip_prefix(':').ok_or_else(|| fail("after `]` comes a port"))?))
            }
            // A bare IPv6 address has no port.
            (None, Some((_, port))) if port.contains(':') => (rest, None),
            (None, Some((host, port))) => (host, Some(port)),
            (None, None) => (rest, None),
        };
        let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| fail("the port")));
        // OpenSSH would take a leading dash for an option, and a plan may come from somebody else.
        let plain = |word: &str| {
            !word.is_empty()
                && !word.starts_with('-')
                && word.chars().all(|c| c.is_ascii_graphic() && !"'\"\\`$;|&<>/".contains(c))
        };
        // In brackets stands an IPv6 address; with one colon it would be read as host and port when it is read again.
        if !plain(host) || host.matches(':').count() == 1 || user.is_some_and(|user| !plain(user)) {
            return Err(fail("the user or the host"));
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port: port.transpose()?, config: None })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl From<Destination> for Written {
    fn from(to: Destination) -> Self {
        Self { node: to.to_string(), config: to.config }
    }
}

impl TryFrom<Written> for Destination {
    type Error = DestinationError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Ok(written.node.parse::<Self>()?.with_config(written.config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_read_and_print_alike() {
        for text in ["n1", "root@n1", "anna@10.0.0.1:2222", "root@[fd00::1]:22", "fd00::1", "a.b@host-1.lan"] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
        let parsed: Destination = "root@[fd00::1]:22".parse().unwrap();
        assert_eq!((parsed.user(), parsed.host(), parsed.port()), (Some("root"), "fd00::1", Some(22)));
    }

    #[test]
    fn a_name_with_a_port_in_brackets_is_not_read_back_as_another_host() {
        for text in ["[n1:22]", "root@[n1:22]", "[:]:22", "[n1:]"] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
        assert_eq!("[n1]:22".parse::<Destination>().unwrap().to_string(), "n1:22");
    }

    #[test]
    fn what_openssh_would_take_for_something_else_is_refused() {
        for text in
            ["", "root@", "@n1", "-oProxyCommand=x", "-l@n1", "n1:0", "n1:ssh", "n1:99999", "a b", "n1;id", "[n1]x"]
        {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
        // A plan may come from somebody else.
        assert!(serde_json::from_str::<Destination>(r#"{"node":"-oProxyCommand=x"}"#).is_err());
    }

    #[test]
    fn a_plan_shows_the_node_and_a_configuration_only_where_one_was_named() {
        let plain: Destination = "root@n1".parse().unwrap();
        assert_eq!(serde_json::to_string(&plain).unwrap(), r#"{"node":"root@n1"}"#);
        let with = plain.with_config(Some("/etc/belay/ssh".to_owned()));
        let text = serde_json::to_string(&with).unwrap();
        assert_eq!(text, r#"{"node":"root@n1","config":"/etc/belay/ssh"}"#);
        assert_eq!(serde_json::from_str::<Destination>(&text).unwrap(), with);
    }
}
