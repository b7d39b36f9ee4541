//! A connection of the system's OpenSSH: its configuration, agent, jump hosts and host keys are the user's own.
//!
//! One master process holds the connection; the helper's channel and the forward of the API run through it. A host key
//! must be known already: nothing is sent to a host that is not.

mod error;
mod upload;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use belay_facts::Destination;
use belay_wire::HELPER_PATH;
use openssh::{Child, ControlPersist, ForwardType, KnownHosts, Session, SessionBuilder, Socket, Stdio};
use tokio::io::AsyncWriteExt as _;

pub use error::SshError;
use error::{sentence, shown};

/// How long TCP and the key exchange may take.
const CONNECT: Duration = Duration::from_secs(10);
/// The connection counts as lost after three of these without an answer.
const ALIVE: Duration = Duration::from_secs(5);
/// How long one small question may take, logging in not counted.
const ASK: Duration = Duration::from_secs(20);
/// The master of a killed coordinator ends itself after so many idle seconds.
const IDLE: usize = 10;
/// Another program may take a free port before the forward does.
const PORTS: usize = 5;

/// A connection to one node, and who we are there.
pub(crate) struct Ssh {
    session: Arc<Session>,
    to: Destination,
    /// We are not root there and become it with `sudo -n`.
    sudo: bool,
    /// `uname -m`.
    machine: String,
}

/// How a command on the node ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Ssh {
    /// Logs in, without a question and only to a host whose key is known.
    pub(crate) async fn connect(to: &Destination) -> Result<Self, SshError> {
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .connect_timeout(CONNECT)
            .server_alive_interval(ALIVE)
            .control_directory(control_directory());
        if let Some(idle) = NonZeroUsize::new(IDLE) {
            builder.control_persist(ControlPersist::IdleFor(idle));
        }
        if let Some(user) = to.user() {
            builder.user(user.to_owned());
        }
        if let Some(port) = to.port() {
            builder.port(port);
        }
        if let Some(config) = to.config() {
            builder.config_file(config);
        }
        // The native way speaks to the master itself: with an `ssh` process for each channel, a Ctrl-C at the terminal
        // would end the helper's channel in the middle of a step.
        let session = builder.connect_mux(to.host()).await.map_err(|error| SshError::connecting(to, &error))?;
        let mut ssh = Self { session: Arc::new(session), to: to.clone(), sudo: false, machine: String::new() };
        let said = ssh.run("id -u; uname -m", &[], None, ASK).await?;
        let mut words = said.out.split_whitespace();
        let (Some(uid), Some(machine)) = (words.next(), words.next()) else {
            return Err(ssh.silent(format!("`id -u; uname -m` said `{}` {}", shown(&said.out), shown(&said.err))));
        };
        machine.clone_into(&mut ssh.machine);
        ssh.sudo = uid != "0";
        Ok(ssh)
    }

    /// Puts the helper there unless this very one is there, and starts it.
    pub(crate) async fn helper(&self) -> Result<Child<Arc<Session>>, SshError> {
        self.install().await?;
        let mut command = match self.sudo {
            true => Session::to_command(Arc::clone(&self.session), "sudo"),
            false => Session::to_command(Arc::clone(&self.session), HELPER_PATH),
        };
        if self.sudo {
            command.args(["-n", "--", HELPER_PATH]);
        }
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().await.map_err(|error| self.silent(sentence(&error)))
    }

    /// Makes `server` (`127.0.0.1:6443` as the node sees it) reachable on a port of this machine's loopback.
    pub(crate) async fn forward(&self, server: &str) -> Result<u16, SshError> {
        let fail = |says: String| SshError::Forward { to: self.to.clone(), server: server.to_owned(), says };
        let (host, port) = server
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse::<u16>().ok()?)))
            .ok_or_else(|| fail("expected host:port".to_owned()))?;
        let mut last = String::new();
        for _ in 0..PORTS {
            let free = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
            let here = free.map_err(|error| fail(error.to_string()))?.port();
            let (from, to) = (Socket::new("127.0.0.1", here), Socket::new(host, port));
            match tokio::time::timeout(ASK, self.session.request_port_forward(ForwardType::Local, from, to)).await {
                Ok(Ok(())) => return Ok(here),
                Ok(Err(error)) => last = sentence(&error),
                Err(_) => return Err(fail(format!("no answer within {} s", ASK.as_secs()))),
            }
        }
        Err(fail(last))
    }

    /// Whether the connection is there; one that is cut in silence is noticed after some seconds.
    pub(crate) async fn is_there(&self) -> bool {
        matches!(tokio::time::timeout(ASK, self.session.check()).await, Ok(Ok(())))
    }

    /// Runs a script of `sh` as root, with `$1`… as given; `input` is its standard input.
    async fn as_root(
        &self,
        script: &str,
        arguments: &[&str],
        input: Option<&[u8]>,
        within: Duration,
    ) -> Result<Said, SshError> {
        let said = self.run(script, arguments, input, within).await?;
        let no_sudo = said.code == 127 || said.err.lines().any(|line| line.starts_with("sudo: "));
        if self.sudo && said.code != 0 && no_sudo {
            return Err(SshError::Sudo { to: self.to.clone(), says: shown(&said.err) });
        }
        Ok(said)
    }

    async fn run(
        &self,
        script: &str,
        arguments: &[&str],
        input: Option<&[u8]>,
        within: Duration,
    ) -> Result<Said, SshError> {
        let mut command = Session::to_command(Arc::clone(&self.session), if self.sudo { "sudo" } else { "sh" });
        if self.sudo {
            command.args(["-n", "--", "sh"]);
        }
        command.args(["-c", script, "belay"]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let ran = async {
            let mut child = command.spawn().await.map_err(|error| self.silent(sentence(&error)))?;
            if let (Some(input), Some(mut to)) = (input, child.stdin().take()) {
                // A command that ends before it has read everything says itself why.
                let _ = to.write_all(input).await;
                let _ = to.shutdown().await;
            }
            let ended = child.wait_with_output().await;
            match ended {
                Ok(output) => Ok(Said {
                    code: output.status.code().unwrap_or(-1),
                    out: String::from_utf8_lossy(&output.stdout).into_owned(),
                    err: String::from_utf8_lossy(&output.stderr).into_owned(),
                }),
                // How the crate tells of exit code 127.
                Err(openssh::Error::Remote(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                    let program = if self.sudo { "sudo" } else { "sh" };
                    Ok(Said { code: 127, out: String::new(), err: format!("{program} is not there") })
                }
                Err(error) => Err(self.silent(sentence(&error))),
            }
        };
        match tokio::time::timeout(within, ran).await {
            Ok(said) => said,
            Err(_) => Err(self.silent(format!("no answer within {} s", within.as_secs()))),
        }
    }

    fn silent(&self, says: String) -> SshError {
        SshError::Silent { to: self.to.clone(), says }
    }
}

/// For the master's socket: short, because a socket's path is limited to some 100 bytes, and in a directory that the
/// crate makes for us alone.
fn control_directory() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir()).unwrap_or_else(std::env::temp_dir)
}
