use std::io;

use belay_facts::Destination;

/// Why a node could not be reached over SSH, or its helper not be put there.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    #[error("the host key of {to} has changed, so it is not known who answers; nothing was sent. {says}")]
    HostKeyChanged { to: Destination, says: String },
    #[error("the host key of {to} is revoked in known_hosts; nothing was sent. {says}")]
    HostKeyRevoked { to: Destination, says: String },
    #[error("the host key of {to} is not known, so it is not known who answers; nothing was sent. {says}")]
    HostKeyUnknown { to: Destination, says: String },
    #[error("{to} did not let us in: {says}")]
    Denied { to: Destination, says: String },
    #[error("{to} could not be reached over SSH: {says}")]
    Unreachable { to: Destination, says: String },
    #[error("there is no ssh on this machine, which is what reaches {to}")]
    NoSsh { to: Destination },
    #[error("sudo on {to} did not make us root without a password: {says}")]
    Sudo { to: Destination, says: String },
    #[error("the helper {path} is for {ours}, {to} is {theirs}")]
    Arch { to: Destination, path: String, ours: &'static str, theirs: String },
    #[error("the helper could not be put to {path} on {to}: {says}")]
    Upload { to: Destination, path: &'static str, says: String },
    #[error("the API of {to} at {server} could not be forwarded: {says}")]
    Forward { to: Destination, server: String, says: String },
    #[error("{to} did not answer over SSH: {says}")]
    Silent { to: Destination, says: String },
}

impl SshError {
    /// What OpenSSH said when it did not connect.
    pub(crate) fn connecting(to: &Destination, error: &openssh::Error) -> Self {
        let to = to.clone();
        let said = match error {
            openssh::Error::Connect(error) if error.kind() == io::ErrorKind::NotFound => return Self::NoSsh { to },
            openssh::Error::Connect(error) | openssh::Error::Master(error) => error.to_string(),
            error => sentence(error),
        };
        let has = |words: &str| said.contains(words);
        let lines = |wanted: &[&str]| pick(&said, wanted);
        if has("REVOKED HOST KEY") {
            Self::HostKeyRevoked { to, says: lines(&["marked as revoked", "key sent by", "SHA256:"]) }
        } else if has("HOST IDENTIFICATION HAS CHANGED") || has("Host key for ") && has("has changed") {
            Self::HostKeyChanged { to, says: lines(&["SHA256:", "Offending"]) }
        } else if has("host key is known for") || has("Host key verification failed") {
            Self::HostKeyUnknown { to, says: lines(&["host key is known for"]) }
        } else if has("Permission denied (") || has("Too many authentication failures") {
            Self::Denied { to, says: lines(&["Permission denied", "Too many authentication"]) }
        } else {
            Self::Unreachable { to, says: shown(said.lines().last().unwrap_or_default()) }
        }
    }

    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        const COMPARE: &str = "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` at the node's own console shows its \
                               fingerprint; compare it while you log in once by hand: ";
        Some(match self {
            Self::HostKeyUnknown { to, .. } => format!("{COMPARE}{}", login(to)),
            Self::HostKeyChanged { to, .. } => format!(
                "if you know why it changed (the node was reinstalled): ssh-keygen -R '{}', then: {COMPARE}{}. If you do \
                 not, somebody may stand in between: ask before you go on",
                known_as(to),
                login(to)
            ),
            Self::Denied { to, .. } => format!("this must work without a question: {} true", login(to)),
            Self::Unreachable { to, .. } | Self::Silent { to, .. } => format!("try it by hand: {} true", login(to)),
            Self::NoSsh { .. } => {
                "install OpenSSH's client (`apt install openssh-client`), or run belay on the node".into()
            }
            Self::Sudo { to, .. } => format!(
                "this must work without a question: {} sudo -n true (a line `{} ALL=(root) NOPASSWD: ALL` in the node's \
                 sudoers), or log in as root",
                login(to),
                to.user().unwrap_or("USER")
            ),
            Self::Arch { theirs, .. } => {
                format!("name a helper for {theirs} with BELAY_HELPER=/path, or run belay on the node")
            }
            Self::Forward { .. } => {
                "sshd on the node must allow it: AllowTcpForwarding yes or local in its sshd_config".to_owned()
            }
            Self::HostKeyRevoked { .. } | Self::Upload { .. } => return None,
        })
    }
}

/// The same login by hand.
fn login(to: &Destination) -> String {
    let config = to.config().map(|config| format!("-F {config} ")).unwrap_or_default();
    let port = to.port().map(|port| format!("-p {port} ")).unwrap_or_default();
    let user = to.user().map(|user| format!("{user}@")).unwrap_or_default();
    format!("ssh {config}{port}{user}{}", to.host())
}

/// The name under which `known_hosts` has it.
fn known_as(to: &Destination) -> String {
    to.port().filter(|port| *port != 22).map_or_else(|| to.host().to_owned(), |port| format!("[{}]:{port}", to.host()))
}

/// The lines that hold one of the words; the last line when none does.
fn pick(said: &str, wanted: &[&str]) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| wanted.iter().any(|word| line.contains(word))).collect();
    if lines.is_empty() { shown(said.lines().last().unwrap_or_default()) } else { shown(&lines.join(" ")) }
}

/// Text from elsewhere, made fit to be shown.
pub(super) fn shown(text: &str) -> String {
    let clean: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    clean.trim().to_owned()
}

/// An error of the crate with its causes.
pub(super) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    shown(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(log: &str) -> SshError {
        let error = openssh::Error::Connect(io::Error::new(io::ErrorKind::ConnectionAborted, log));
        SshError::connecting(&"anna@n1:2222".parse().unwrap(), &error)
    }

    /// As OpenSSH 9.2 writes them to its log.
    #[test]
    fn what_openssh_says_is_told_apart() {
        let changed = said(
            "@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@\r\nIT IS POSSIBLE THAT SOMEONE \
             IS DOING SOMETHING NASTY!\r\nThe fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\r\nOffending \
             ED25519 key in /root/.ssh/known_hosts:3\r\nHost key for [n1]:2222 has changed and you have requested strict \
             checking.\r\nHost key verification failed.\r\n",
        );
        let SshError::HostKeyChanged { says, .. } = &changed else { panic!("{changed:?}") };
        assert_eq!(says, "SHA256:abc. Offending ED25519 key in /root/.ssh/known_hosts:3");
        assert!(changed.hint().unwrap().contains("ssh-keygen -R '[n1]:2222'"));
        let unknown = said(
            "No ED25519 host key is known for [n1]:2222 and you have requested strict checking.\r\nHost key verification failed.\r\n",
        );
        assert!(matches!(unknown, SshError::HostKeyUnknown { .. }), "{unknown:?}");
        assert!(unknown.hint().unwrap().ends_with("ssh -p 2222 anna@n1"));
        assert!(matches!(said("anna@n1: Permission denied (publickey).\r\n"), SshError::Denied { .. }));
        assert!(matches!(said("connect to host n1 port 22: Connection refused\r\n"), SshError::Unreachable { .. }));
        // A revoked key must never be answered with advice on how to accept it.
        let revoked =
            said("@       WARNING: REVOKED HOST KEY DETECTED!               @\r\nHost key verification failed.\r\n");
        assert!(matches!(revoked, SshError::HostKeyRevoked { .. }) && revoked.hint().is_none());
    }
}
