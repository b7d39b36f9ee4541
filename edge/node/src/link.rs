use std::path::{Path, PathBuf};
use std::process::Stdio;

use belay_facts::{Destination, Span};
use belay_wire::{Frame, FrameError, HELLO_VERSION, HELPER_PATH, MAX_FRAME, Progress, Reply, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::ssh::Ssh;
use crate::{LinkError, Way};

/// Bytes of an artifact in one frame.
const CHUNK: usize = 1024 * 1024;
/// How long the handshake may take.
const HANDSHAKE: Span = Span::seconds(30);

/// A channel to the helper on one node: one request at a time, each with its deadline.
///
/// Dropping it closes the helper's input; the helper finishes what it has begun, journals it and leaves.
pub struct Link {
    node: String,
    identity: HelperIdentity,
    input: Box<dyn AsyncWrite + Send + Sync + Unpin>,
    output: Box<dyn AsyncRead + Send + Sync + Unpin>,
    /// A call that ended without its answer leaves that answer in the channel: nothing more is asked over it.
    broken: bool,
    far: Far,
}

/// What holds the channel open on its other side.
enum Far {
    /// Kept so that the process is reaped; never killed, because it may be in the middle of an exchange.
    Here { _child: Option<Child> },
    /// Dropped, the connection ends, and with it the helper's input.
    There { ssh: Ssh, _child: openssh::Child<std::sync::Arc<openssh::Session>> },
}

/// Who answered the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelperIdentity {
    pub version: String,
    pub boot_id: String,
    pub uid: u32,
}

/// What goes with a request as bytes: a file to send, or one to receive into.
#[derive(Default)]
struct Files<'a> {
    from: Option<&'a Path>,
    into: Option<(&'a mut tokio::fs::File, &'a Path)>,
}

impl Link {
    /// Opens the channel to a node: over SSH where a destination is given, else on this machine.
    ///
    /// # Errors
    /// When the node cannot be reached, or its helper not be started.
    pub async fn open(node: &str, over: Option<&Destination>) -> Result<Self, LinkError> {
        match over {
            Some(to) => Self::remote(node, to).await,
            None => Self::local(node).await,
        }
    }

    /// Starts this coordinator's own helper on another machine, and shakes hands.
    async fn remote(node: &str, to: &Destination) -> Result<Self, LinkError> {
        let ssh = Ssh::connect(to).await?;
        let mut child = ssh.helper().await?;
        let (Some(input), Some(output)) = (child.stdin().take(), child.stdout().take()) else {
            return Err(LinkError::Confused { node: node.to_owned(), what: "start its helper".to_owned() });
        };
        Self::over(node, Box::new(input), Box::new(output), Far::There { ssh, _child: child }).await
    }

    /// Starts the helper on this machine and shakes hands.
    async fn local(node: &str) -> Result<Self, LinkError> {
        let path = find_helper()?;
        // A process group of its own: a Ctrl-C at the terminal is for the coordinator to decide about.
        let spawned = Command::new(&path)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|source| LinkError::Spawn { path: path.display().to_string(), source })?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(LinkError::NoHelper { looked: path.display().to_string() });
        };
        Self::over(node, Box::new(input), Box::new(output), Far::Here { _child: Some(child) }).await
    }

    /// Shakes hands over any pair of streams.
    async fn over(
        node: &str,
        input: Box<dyn AsyncWrite + Send + Sync + Unpin>,
        output: Box<dyn AsyncRead + Send + Sync + Unpin>,
        far: Far,
    ) -> Result<Self, LinkError> {
        let identity = HelperIdentity { version: String::new(), boot_id: String::new(), uid: 0 };
        let mut link = Self { node: node.to_owned(), identity, input, output, broken: false, far };
        let hello = Request::Hello { version: HELLO_VERSION, by: Some(belay_journal::this_process()) };
        match link.call(&hello, "say hello", HANDSHAKE, |_| {}).await? {
            Reply::Hello { version, helper, boot_id, uid } if version == HELLO_VERSION => {
                link.identity = HelperIdentity { version: helper, boot_id, uid };
                Ok(link)
            }
            Reply::Hello { version, .. } => {
                Err(LinkError::Version { node: node.to_owned(), ours: HELLO_VERSION, theirs: version })
            }
            _ => Err(LinkError::Confused { node: node.to_owned(), what: "say hello".to_owned() }),
        }
    }

    #[must_use]
    pub const fn identity(&self) -> &HelperIdentity {
        &self.identity
    }

    /// How the API of the node, which listens at `server` there, is reached from here: over SSH through a forward, which
    /// lives as long as this link.
    ///
    /// # Errors
    /// When it cannot be forwarded.
    pub async fn way_to(&self, server: &str) -> Result<Way, LinkError> {
        match &self.far {
            Far::Here { .. } => Ok(Way { server: server.to_owned(), forward: None }),
            Far::There { ssh, .. } => Ok(Way { server: server.to_owned(), forward: Some(ssh.forward(server).await?) }),
        }
    }

    /// The helper runs on this machine, as the user of this process.
    pub(crate) const fn is_here(&self) -> bool {
        matches!(self.far, Far::Here { .. })
    }

    /// Looks whether the connection still stands, for whoever gets no answer from the API behind it. True: it is lost.
    pub async fn is_lost(&mut self) -> bool {
        if let Far::There { ssh, .. } = &self.far
            && !ssh.is_there().await
        {
            self.broken = true;
        }
        self.broken
    }

    /// Whether nothing more can be asked over this channel.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Asks, and waits for the answer. `what` completes "it was asked to …".
    ///
    /// # Errors
    /// A `Fault` is what the helper said; the others mean that the effect is unknown.
    pub async fn call(
        &mut self,
        request: &Request,
        what: &str,
        within: Span,
        progress: impl FnMut(Progress),
    ) -> Result<Reply, LinkError> {
        self.bounded(what, within, Files::default(), request, progress).await
    }

    /// Asks for a step whose bytes follow the request: the file at `artifact`.
    ///
    /// # Errors
    /// As `call`, and when the file cannot be read.
    pub async fn call_with_file(
        &mut self,
        request: &Request,
        artifact: &Path,
        what: &str,
        within: Span,
        progress: impl FnMut(Progress),
    ) -> Result<Reply, LinkError> {
        self.bounded(what, within, Files { from: Some(artifact), into: None }, request, progress).await
    }

    /// Asks for bytes, which go into `file` at `path`.
    pub(crate) async fn call_into(
        &mut self,
        request: &Request,
        file: &mut tokio::fs::File,
        path: &Path,
        what: &str,
        within: Span,
    ) -> Result<Reply, LinkError> {
        self.bounded(what, within, Files { from: None, into: Some((file, path)) }, request, |_| {}).await
    }

    async fn bounded(
        &mut self,
        what: &str,
        within: Span,
        mut files: Files<'_>,
        request: &Request,
        mut progress: impl FnMut(Progress),
    ) -> Result<Reply, LinkError> {
        let node = self.node.clone();
        if self.broken {
            return Err(self.broke(what, FrameError::Closed));
        }
        // Until the answer is here, the channel counts as broken: this future may be dropped at any await.
        self.broken = true;
        let exchange = async {
            self.send(what, &Frame::Json(json(request))).await?;
            if let Some(path) = files.from {
                self.send_file(what, path).await?;
            }
            loop {
                let payload = match self.receive(what).await? {
                    Frame::Json(payload) => payload,
                    Frame::Bytes(bytes) => {
                        let Some((file, path)) = &mut files.into else {
                            return Err(self.broke(what, FrameError::Kind(b'B')));
                        };
                        let written = file.write_all(&bytes).await;
                        written.map_err(|source| LinkError::Write { path: path.display().to_string(), source })?;
                        continue;
                    }
                };
                let reply = serde_json::from_slice(&payload);
                match reply.map_err(|error| self.broke(what, FrameError::Io(std::io::Error::other(error))))? {
                    Reply::Progress(step) => progress(step),
                    Reply::Fault(fault) => return Err(LinkError::Fault(fault)),
                    reply => return Ok(reply),
                }
            }
        };
        match tokio::time::timeout(within.duration(), exchange).await {
            Ok(answer) => {
                self.broken = !matches!(answer, Ok(_) | Err(LinkError::Fault(_)));
                answer
            }
            Err(_) => Err(LinkError::Silent { node, what: what.to_owned(), within }),
        }
    }

    async fn send_file(&mut self, what: &str, path: &Path) -> Result<(), LinkError> {
        let failed = |source| LinkError::File { path: path.display().to_string(), source };
        let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await.map_err(failed)?;
            let last = chunk.is_empty();
            self.send(what, &Frame::Bytes(chunk)).await?;
            if last {
                return Ok(());
            }
        }
    }

    async fn send(&mut self, what: &str, frame: &Frame) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        let written = belay_wire::write_frame(&mut bytes, frame);
        let sent = match written {
            Ok(()) => self.input.write_all(&bytes).await.map_err(FrameError::Io),
            Err(error) => Err(error),
        };
        sent.map_err(|source| self.broke(what, source))
    }

    async fn receive(&mut self, what: &str) -> Result<Frame, LinkError> {
        let mut head = [0u8; 5];
        if let Err(error) = self.output.read_exact(&mut head).await {
            let closed = error.kind() == std::io::ErrorKind::UnexpectedEof;
            return Err(self.broke(what, if closed { FrameError::Closed } else { FrameError::Io(error) }));
        }
        let [a, b, c, d, kind] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        if length > MAX_FRAME {
            return Err(self.broke(what, FrameError::TooLong(length)));
        }
        if !matches!(kind, b'J' | b'B') {
            return Err(self.broke(what, FrameError::Kind(kind)));
        }
        let mut payload = Vec::new();
        let got = (&mut self.output).take(u64::from(length)).read_to_end(&mut payload).await;
        match got {
            Ok(n) if n as u64 == u64::from(length) => {}
            Ok(_) => return Err(self.broke(what, FrameError::Closed)),
            Err(error) => return Err(self.broke(what, FrameError::Io(error))),
        }
        Ok(if kind == b'J' { Frame::Json(payload) } else { Frame::Bytes(payload) })
    }

    fn broke(&self, what: &str, source: FrameError) -> LinkError {
        LinkError::Channel { node: self.node.clone(), what: what.to_owned(), source }
    }
}

fn json(request: &Request) -> Vec<u8> {
    // A request is plain data; it always has a JSON form.
    serde_json::to_vec(request).unwrap_or_default()
}

/// `BELAY_HELPER`, else beside this program, else where packages put it.
pub(crate) fn find_helper() -> Result<PathBuf, LinkError> {
    if let Some(path) = std::env::var_os("BELAY_HELPER") {
        return Ok(PathBuf::from(path));
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("belay-helper")));
    let packaged = PathBuf::from(HELPER_PATH);
    let looked: Vec<PathBuf> = beside.into_iter().chain([packaged]).collect();
    let shown = looked.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    looked.into_iter().find(|path| path.is_file()).ok_or(LinkError::NoHelper { looked: shown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex, split};

    /// Answers the handshake, then says each reply only when it is told to.
    async fn linked() -> (Link, DuplexStream) {
        let (ours, mut theirs) = duplex(64 * 1024);
        let (output, input) = split(ours);
        let hello = Reply::Hello { version: HELLO_VERSION, helper: "t".into(), boot_id: "b".into(), uid: 0 };
        say(&mut theirs, &hello).await;
        (Link::over("n1", Box::new(input), Box::new(output), Far::Here { _child: None }).await.unwrap(), theirs)
    }

    async fn say(to: &mut DuplexStream, reply: &Reply) {
        let mut bytes = Vec::new();
        belay_wire::write_frame(&mut bytes, &Frame::Json(serde_json::to_vec(reply).unwrap())).unwrap();
        to.write_all(&bytes).await.unwrap();
    }

    /// The late answer to a call that timed out must never be taken for the answer to the next one: a put-back was once
    /// journalled as done with the proof of a stop.
    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_never_the_answer_to_the_next_call() {
        let (mut link, mut helper) = linked().await;
        let silent = link.call(&Request::Inspect, "tell its facts", Span::seconds(1), |_| {}).await.unwrap_err();
        assert!(matches!(silent, LinkError::Silent { .. }), "{silent}");
        say(&mut helper, &Reply::Noted).await;
        let next = link.call(&Request::Credentials, "give credentials", Span::seconds(1), |_| {}).await.unwrap_err();
        assert!(matches!(next, LinkError::Channel { .. }), "{next}");
        assert!(link.is_broken());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_is_an_answer_and_the_channel_stays_good() {
        let (mut link, mut helper) = linked().await;
        let fault = belay_wire::Fault { kind: belay_wire::FaultKind::Refused, message: "no".into(), hint: None };
        say(&mut helper, &Reply::Fault(fault)).await;
        let refused = link.call(&Request::Inspect, "tell its facts", Span::seconds(1), |_| {}).await.unwrap_err();
        assert!(matches!(refused, LinkError::Fault(_)), "{refused}");
        say(&mut helper, &Reply::Noted).await;
        assert!(matches!(link.call(&Request::Inspect, "x", Span::seconds(1), |_| {}).await, Ok(Reply::Noted)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_helper_of_another_protocol_is_refused() {
        let (ours, mut theirs) = duplex(64 * 1024);
        let (output, input) = split(ours);
        let hello = Reply::Hello { version: 99, helper: "t".into(), boot_id: "b".into(), uid: 0 };
        say(&mut theirs, &hello).await;
        let refused = Link::over("n1", Box::new(input), Box::new(output), Far::Here { _child: None }).await;
        assert!(matches!(refused, Err(LinkError::Version { theirs: 99, .. })));
    }
}
