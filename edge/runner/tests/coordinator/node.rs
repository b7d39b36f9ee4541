//! A helper that does nothing and says yes. What it is asked, it writes down.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use belay_facts::{Digest, Secret, Span, WayClass};
use belay_wire::{
    ArmProof, Credentials, DatastoreMark, Fault, FaultKind, FenceProof, Frame, HELLO_VERSION, Inspection, KeepProof,
    Mutation, Op, PemFile, PutBackProof, ReleaseProof, Reply, Request, StageProof, StartProof, StepProbe, StopProof,
    SwapProof, Way, read_frame, write_frame,
};

/// The variable that names the directory of the node; whoever has it is no test but one of its processes.
pub const DIRECTORY: &str = "BELAY_TEST_NODE";
/// Files in it: what was asked; the step or question that is refused, and everything after it; the step that waits for `go`; the step at
/// which the channel breaks, once, or the question with the one before it; whether the stopped copy was put back there.
pub const ASKED: &str = "asked";
pub const REFUSES: &str = "refuses";
pub const WAITS: &str = "waits";
pub const GO: &str = "go";
pub const BREAKS: &str = "breaks";
pub const PUT_BACK: &str = "put-back";
/// The user whose helper it is, when that is not root.
pub const UID: &str = "uid";

pub fn serve(dir: &Path) -> ExitCode {
    let (mut from, mut to) = (io::stdin(), io::stdout());
    let mut refusing = false;
    loop {
        let Ok(frame) = read_frame(&mut from) else { return ExitCode::SUCCESS };
        // The artifact's bytes.
        let Frame::Json(json) = frame else { continue };
        let request: Request = serde_json::from_slice(&json).unwrap();
        let reply = answer(dir, &request, &mut refusing);
        write_frame(&mut to, &Frame::Json(serde_json::to_vec(&reply).unwrap())).unwrap();
    }
}

fn answer(dir: &Path, request: &Request, refusing: &mut bool) -> Reply {
    let Request::Mutate(mutation) = request else {
        let name: String = format!("{request:?}").chars().take_while(|c| c.is_alphanumeric()).collect();
        let name = name.to_lowercase();
        let asked = fs::read_to_string(dir.join(ASKED)).unwrap_or_default();
        note(dir, &name);
        if told(dir, BREAKS, &format!("{} {name}", asked.lines().last().unwrap_or_default())) {
            break_once(dir);
        }
        *refusing |= told(dir, REFUSES, &name);
        return if *refusing { fenced() } else { read(dir, request) };
    };
    let what = if mutation.way == Way::Probe { "probe " } else { "" };
    note(dir, &format!("{what}{}", mutation.step));
    let told = |file: &str| told(dir, file, &mutation.step);
    if told(WAITS) {
        // A test that is over leaves nobody behind.
        while dir.exists() && !dir.join(GO).exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    if told(BREAKS) {
        break_once(dir);
    }
    *refusing |= told(REFUSES);
    if *refusing { fenced() } else { done(mutation) }
}

fn break_once(dir: &Path) -> ! {
    fs::remove_file(dir.join(BREAKS)).unwrap();
    std::process::exit(1);
}

/// Whether a file of the directory names this request.
fn told(dir: &Path, file: &str, what: &str) -> bool {
    fs::read_to_string(dir.join(file)).unwrap_or_default().trim() == what
}

fn fenced() -> Reply {
    let message = "generation 2 is too old: this node has been taken over by generation 9".to_owned();
    Reply::Fault(Fault { kind: FaultKind::Fenced, message, hint: None })
}

fn note(dir: &Path, what: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(dir.join(ASKED)).unwrap();
    writeln!(file, "{what}").unwrap();
}

fn read(dir: &Path, request: &Request) -> Reply {
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    match request {
        Request::Hello { .. } => {
            Reply::Hello { version: HELLO_VERSION, helper: "t".into(), boot_id: "b".into(), uid: 0 }
        }
        Request::Inspect => Reply::Inspection(Box::new(inspection(dir))),
        Request::Credentials if dir.join(UID).exists() => Reply::Fault(Fault {
            kind: FaultKind::Failed,
            message: "server/tls/client-admin.crt could not be read: Permission denied (os error 13)".to_owned(),
            hint: None,
        }),
        Request::Credentials => Reply::Credentials(Box::new(Credentials {
            address: text("address"),
            server_ca: text("ca"),
            client_certificate: text("certificate"),
            client_key: Secret::new(text("key")),
        })),
        Request::Held => Reply::Held(None),
        Request::Remember { .. } => Reply::Remembered {
            open: true,
            generation: 1,
            turned: false,
            class: WayClass::Keep,
            records: 1,
            last: String::new(),
            ended: None,
            guard: None,
            stopped: false,
            started: false,
            put_back: dir.join(PUT_BACK).exists(),
        },
        Request::Renew { .. } => Reply::Noted,
        other => panic!("{other:?}"),
    }
}

/// A healthy server; for a helper of a user that is not root without what only root may read.
fn inspection(dir: &Path) -> Inspection {
    let mut node = crate::made::facts().nodes.remove(0);
    let uid = fs::read_to_string(dir.join(UID)).ok().map(|uid| uid.parse().unwrap());
    node.helper.uid = uid.unwrap_or(0);
    let pem = || fs::read_to_string(dir.join("ca")).unwrap();
    let ca = || PemFile { path: "/var/lib/rancher/k3s/server/tls/server-ca.crt".to_owned(), pem: pem() };
    Inspection { node, certificates: if uid.is_some() { Vec::new() } else { vec![ca()] }, notes: Vec::new() }
}

fn done(mutation: &Mutation) -> Reply {
    let (digest, path) = (Digest::of(b"x"), String::from("/x"));
    if mutation.way == Way::Probe {
        return Reply::Probe(StepProbe::NotDone);
    }
    match &mutation.op {
        Op::Fence { .. } => {
            let boot_id = "b".into();
            Reply::Fenced(FenceProof { generation: mutation.generation, boot_id, interlock: path, reserved: 0 })
        }
        Op::Stage { artifact, .. } => Reply::Staged(StageProof {
            slot: path,
            digest,
            version: artifact.tag.clone(),
            data_hash: "h".into(),
            inner: digest,
            extracted_before: false,
        }),
        Op::Stop => {
            let (active_state, invocation) = ("inactive".into(), "1".into());
            Reply::Stopped(StopProof { active_state, invocation, boot_id: "b".into(), took: Span::ZERO })
        }
        Op::Keep => Reply::Kept(KeepProof {
            path,
            server_inode: 1,
            keep_inode: 2,
            boot_id: "b".into(),
            invocation: "1".into(),
            mark: DatastoreMark { files: Vec::new(), trimmed: true },
            stamps: Vec::new(),
            revision: 1,
            bytes: 1,
            links: Vec::new(),
            took: Span::ZERO,
        }),
        Op::Swap | Op::SwapBack => Reply::Swapped(SwapProof { slot: path.clone(), path, digest, new_ran: false }),
        Op::Start => {
            let invocation = "2".into();
            Reply::Started(StartProof { invocation, main_pid: 1, boot_id: "b".into(), took: Span::ZERO })
        }
        Op::PutBack { .. } => Reply::PutBack(Box::new(PutBackProof {
            server_inode: 2,
            abandoned: path,
            digest,
            revision: 2,
            kept_revision: 1,
            abandoned_revision: None,
            links: Vec::new(),
            carried: Vec::new(),
            lost_complete: true,
            lost: Vec::new(),
            lost_unlisted: 0,
            uncounted: std::collections::BTreeMap::new(),
            took: Span::ZERO,
        })),
        Op::ArmGuard { lease } => Reply::Armed(ArmProof { lease: *lease, timer: path, boot_id: "b".into() }),
        Op::Release { .. } => Reply::Released(ReleaseProof { stays: Vec::new() }),
        _ => Reply::Noted,
    }
}
