//! `serve`: the protocol on a pipe, one request after the other.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use belay_facts::Coordinator;
use belay_wire::{
    Fault, FaultKind, Frame, FrameError, HELLO_VERSION, Held, Op, Progress, Reply, Request, Way, read_frame,
    write_frame,
};

use crate::credentials::api_port;
use crate::digests::SeenDigests;
use crate::fault::{Attempt as _, failed, refused};
use crate::fence::{Holder, signed};
use crate::lease::Renewal;
use crate::node_run::open_runs;
use crate::port_watch::PortWatch;
use crate::{Installation, NodeRun, Now, Places, lease, mutate, prune, read_backup, restorable};

/// Why the protocol ended before the other side closed it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the channel to the coordinator failed: {0}")]
    Frame(#[from] FrameError),
    #[error("an answer has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
}

/// The channel to the coordinator, as a step sees it.
pub struct Link<W: Write> {
    to: W,
    frames: Receiver<Result<Frame, FrameError>>,
    orphaned: Arc<AtomicBool>,
    /// The empty frame that ends the bytes of this request has come.
    bytes_ended: bool,
    /// Who asks, as the handshake said.
    by: Option<Coordinator>,
}

/// What a step may do with its channel: say how far it is, receive bytes, and see that nobody listens any more.
pub trait Channel {
    /// May be dropped.
    fn progress(&mut self, doing: &str, done: u64, total: u64);
    /// The next piece of the artifact; an empty one ends it.
    ///
    /// # Errors
    /// When the coordinator is gone or sends something else.
    fn bytes(&mut self) -> Result<Vec<u8>, Fault>;
    /// Reads what is left of the bytes that came with this request, so that the next frame is a request again.
    fn finish_bytes(&mut self);
    /// The coordinator closed the channel: it is gone, or was killed. A loop that only waits ends then.
    fn orphaned(&self) -> bool;
    /// Who asks; `None` when nobody has said, as at boot.
    fn by(&self) -> Option<&Coordinator> {
        None
    }
}

impl<W: Write> Channel for Link<W> {
    fn progress(&mut self, doing: &str, done: u64, total: u64) {
        if !self.orphaned() {
            let progress = Progress { doing: doing.to_owned(), done, total };
            let _ = self.send(&Reply::Progress(progress));
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        match self.frames.recv() {
            Ok(Ok(Frame::Bytes(bytes))) => {
                self.bytes_ended = bytes.is_empty();
                Ok(bytes)
            }
            Ok(Ok(Frame::Json(_))) => Err(failed("the coordinator sent a request where the artifact's bytes belong")),
            Ok(Err(_)) | Err(_) => Err(failed("the coordinator was gone before the artifact was complete")),
        }
    }

    fn finish_bytes(&mut self) {
        while !self.bytes_ended && self.bytes().is_ok() {}
    }

    fn orphaned(&self) -> bool {
        self.orphaned.load(Ordering::SeqCst)
    }

    fn by(&self) -> Option<&Coordinator> {
        self.by.as_ref()
    }
}

impl<W: Write> Link<W> {
    /// Starts to read `from` beside us, so that its end is seen while a step works.
    pub fn new(mut from: impl Read + Send + 'static, to: W) -> Self {
        let orphaned = Arc::new(AtomicBool::new(false));
        let (sender, frames) = sync_channel(2);
        let seen = Arc::clone(&orphaned);
        thread::spawn(move || {
            loop {
                let frame = read_frame(&mut from);
                let end = frame.is_err();
                if end {
                    seen.store(true, Ordering::SeqCst);
                }
                if sender.send(frame).is_err() || end {
                    return;
                }
            }
        });
        Self { to, frames, orphaned, bytes_ended: false, by: None }
    }

    pub(crate) fn send_bytes(&mut self, bytes: Vec<u8>) -> Result<(), FrameError> {
        write_frame(&mut self.to, &Frame::Bytes(bytes))
    }

    fn send(&mut self, reply: &Reply) -> Result<(), ServeError> {
        Ok(write_frame(&mut self.to, &Frame::Json(serde_json::to_vec(reply)?))?)
    }
}

/// Answers requests until the other side closes the channel.
///
/// # Errors
/// When the channel breaks. A step that was being done then has been finished and journalled.
pub fn serve<W: Write>(places: &Places, mut link: Link<W>) -> Result<(), ServeError> {
    let (digests, mut renewal) = (SeenDigests::default(), Renewal::default());
    let mut port = None;
    loop {
        let frame = match link.frames.recv() {
            Ok(Ok(frame)) => frame,
            Ok(Err(FrameError::Closed)) | Err(_) => return Ok(()),
            Ok(Err(error)) => return Err(error.into()),
        };
        link.bytes_ended = false;
        let reply = match frame {
            Frame::Bytes(_) => Err(refused("bytes came where a request belongs")),
            Frame::Json(json) => match serde_json::from_slice::<Request>(&json) {
                Ok(request) => {
                    renewal.heard(places);
                    let reply = answer(places, &request, &mut link, &digests, (&mut port, &mut renewal));
                    // A step may take as long as a lease, and whoever waited for it to its end is there.
                    if !link.orphaned() {
                        renewal.heard(places);
                    }
                    reply
                }
                Err(error) => Err(refused(format!("a request could not be understood: {error}"))),
            },
        };
        link.send(&reply.unwrap_or_else(Reply::Fault))?;
    }
}

fn answer<W: Write>(
    places: &Places,
    request: &Request,
    link: &mut Link<W>,
    digests: &SeenDigests,
    (port, renewal): (&mut Option<PortWatch>, &mut Renewal),
) -> Result<Reply, Fault> {
    match request {
        Request::Hello { version, .. } if *version != HELLO_VERSION => Err(refused(format!(
            "the coordinator speaks version {version} of the protocol and this helper version {HELLO_VERSION}"
        ))),
        Request::Hello { by, .. } => {
            link.by.clone_from(by);
            Ok(Reply::Hello {
                version: HELLO_VERSION,
                helper: env!("CARGO_PKG_VERSION").to_owned(),
                boot_id: Now::read(places).boot_id,
                uid: rustix::process::geteuid().as_raw(),
            })
        }
        Request::Held => Ok(Reply::Held(held(places)?)),
        Request::Journal { run } => Ok(Reply::Journal(journal(places, run)?)),
        Request::Inspect => Ok(Reply::Inspection(Box::new(crate::inspect(places)?))),
        Request::Credentials => Ok(Reply::Credentials(Box::new(crate::credentials(places)?))),
        Request::Observe { unit, data_dir, digest } => {
            let digests = digest.then_some(digests);
            Ok(Reply::Observation(Box::new(crate::observe(places, unit, Path::new(data_dir), digests)?)))
        }
        Request::Log { unit, data_dir, lines } => {
            let (unit, containerd) = crate::log::log(places, unit, Path::new(data_dir), *lines);
            Ok(Reply::Log { unit, containerd })
        }
        Request::Resolve { server, name, within } => {
            let (addresses, answer) = crate::resolve::resolve(server, name, within.duration())?;
            Ok(Reply::Resolved { addresses, answer })
        }
        Request::WatchPort => watch_port(places, port),
        Request::Port => port_seen(port.as_ref()),
        Request::ListBackup { run } => read_backup::list(places, run),
        Request::ReadBackup { run, name } => read_backup::read(places, run, name, link),
        Request::Remember { run } => remember(places, run),
        Request::Restorables => Ok(Reply::Restorables(restorable::restorables(places))),
        Request::Difference { what, run, within } => {
            Ok(Reply::Difference(restorable::difference(places, *what, run, within.duration())?))
        }
        Request::Objects { fresh, within } => {
            Ok(Reply::Objects(Box::new(crate::inventory(places, *fresh, within.duration())?)))
        }
        Request::Userland => Ok(Reply::Userland(crate::userland(places)?)),
        Request::Leftovers => Ok(Reply::Leftovers(prune::leftovers(places)?)),
        Request::Prune { paths } => Ok(Reply::Leftovers(prune::prune(places, paths, link)?)),
        Request::Renew { run, generation } => {
            lease::renew(places, renewal, (run, *generation), link.by.as_ref())?;
            Ok(Reply::Noted)
        }
        Request::Mutate(mutation) => {
            let reply = mutate::mutate(places, mutation, link, digests);
            let over = matches!(mutation.op, Op::Release { .. } | Op::StandDown { .. }) && mutation.way == Way::Do;
            match &reply {
                Err(fault) if fault.kind == FaultKind::Fenced => renewal.let_go(),
                Ok(_) if over => renewal.let_go(),
                _ => renewal.took(&mutation.run, mutation.generation),
            }
            reply
        }
    }
}

/// K3s may be down: the port is that of its configuration.
fn watch_port(places: &Places, watch: &mut Option<PortWatch>) -> Result<Reply, Fault> {
    if watch.is_none() {
        let found = Installation::find(places)?.ok_or_else(|| refused("no unit of this node runs a K3s server"))?;
        *watch = Some(PortWatch::start(&places.proc, api_port(&found)));
    }
    Ok(Reply::Noted)
}

fn port_seen(watch: Option<&PortWatch>) -> Result<Reply, Fault> {
    let watch = watch.ok_or_else(|| refused("nobody asked on this channel to watch the port"))?;
    Ok(Reply::Port(watch.seen()))
}

/// Longer journals than this are looked at on the node.
const LONGEST: u64 = 2 * 1024 * 1024;

fn held(places: &Places) -> Result<Option<Held>, Fault> {
    let Some(run) = open_runs(places).into_iter().next() else { return Ok(None) };
    let by = Holder::read(places)?.filter(|holder| holder.run == run.id).and_then(|holder| holder.by);
    let (id, generation, last) = (run.id, run.generation, run.last);
    Ok(Some(Held { run: id, generation, life: signed(places, by.as_ref()), by, last }))
}

fn journal(places: &Places, run: &str) -> Result<Option<Vec<u8>>, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if run.is_empty() || !run.chars().all(plain) {
        return Err(refused(format!("`{run}` is not the name of a run")));
    }
    let path = places.run_dir(run).join("journal");
    let what = || format!("{} could not be read", path.display());
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        meta if meta.as_ref().is_ok_and(|meta| meta.len() > LONGEST) => {
            return Err(refused(format!("{} is longer than {LONGEST} bytes", path.display())));
        }
        meta => meta.attempt(what)?,
    };
    std::fs::read(&path).map(Some).attempt(what)
}

fn remember(places: &Places, run: &str) -> Result<Reply, Fault> {
    let run = NodeRun::read(places, run).map_err(|error| failed(error.to_string()))?.unwrap_or_default();
    // A boot that finished a way back has raised the fence above what the journal says.
    let fence = Holder::read(places)?.map_or(0, |holder| holder.generation);
    Ok(Reply::Remembered {
        open: run.is_open(),
        generation: run.generation.max(fence),
        turned: run.turned.is_some(),
        class: run.class,
        records: run.records,
        last: run.last,
        ended: run.ended,
        guard: run.guard,
        stopped: run.stop_intended,
        started: run.new_started || run.restore_plan.is_some(),
        put_back: run.put_back_plan.is_some(),
    })
}
