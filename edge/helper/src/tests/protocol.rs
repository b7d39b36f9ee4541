use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use belay_wire::{Frame, HELLO_VERSION, Op, PortSeen, Reply, Request, Way, read_frame, write_frame};

use super::node::Node;
use crate::{Link, serve};

fn send(to: &mut UnixStream, request: &Request) {
    write_frame(to, &Frame::Json(serde_json::to_vec(request).unwrap())).unwrap();
}

/// The answer to a request, past its progress.
fn answer(from: &mut UnixStream) -> Reply {
    loop {
        let Frame::Json(json) = read_frame(from).unwrap() else { panic!("bytes came") };
        match serde_json::from_slice(&json).unwrap() {
            Reply::Progress(_) => {}
            reply => return reply,
        }
    }
}

/// Asks until the answer is as wanted: a look is taken ten times a second.
fn port_until(ours: &mut UnixStream, wanted: impl Fn(&PortSeen) -> bool) -> PortSeen {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        send(ours, &Request::Port);
        let Reply::Port(seen) = answer(ours) else { panic!("no answer about the port") };
        if wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < end, "{seen:?}");
        thread::yield_now();
    }
}

#[test]
fn a_channel_watches_the_port_of_the_api_for_as_long_as_it_lives() {
    let node = Node::new();
    let table = node.path("proc/net/tcp");
    std::fs::create_dir_all(table.parent().unwrap()).unwrap();
    let write = |listens: bool| {
        let line = if listens { "   0: 0100007F:192B 00000000:0000 0A\n" } else { "" };
        // As a whole: a look in between would see nobody.
        std::fs::write(table.with_extension("new"), line).unwrap();
        std::fs::rename(table.with_extension("new"), &table).unwrap();
    };
    write(true);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let places = node.places.clone();
    let helper = thread::spawn(move || serve(&places, Link::new(theirs.try_clone().unwrap(), theirs)));
    send(&mut ours, &Request::Port);
    assert!(matches!(answer(&mut ours), Reply::Fault(_)), "nobody asked for it yet");
    for _ in 0..2 {
        send(&mut ours, &Request::WatchPort);
        assert!(matches!(answer(&mut ours), Reply::Noted));
    }
    let up = port_until(&mut ours, |seen| seen.looks > 1);
    assert_eq!((up.port, up.closed.len()), (6443, 0));
    write(false);
    let down = port_until(&mut ours, |seen| !seen.closed.is_empty());
    assert_eq!(down.closed[0].ended, None);
    write(true);
    let again = port_until(&mut ours, |seen| seen.closed.iter().all(|closed| closed.ended.is_some()));
    assert_eq!(again.closed.len(), 1);
    assert!(again.closed[0].ended.unwrap() < again.closed[0].began, "{again:?}");
    drop(ours);
    helper.join().unwrap().unwrap();
}

#[test]
fn the_channel_stays_in_step_whatever_is_asked() {
    let node = Node::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let places = node.places.clone();
    let helper = thread::spawn(move || serve(&places, Link::new(theirs.try_clone().unwrap(), theirs)));
    send(&mut ours, &Request::Hello { version: 99, by: None });
    assert!(matches!(answer(&mut ours), Reply::Fault(_)));
    send(&mut ours, &Request::Hello { version: HELLO_VERSION, by: Some(belay_journal::this_process()) });
    assert!(matches!(answer(&mut ours), Reply::Hello { boot_id, .. } if boot_id == "boot-1"));
    write_frame(&mut ours, &Frame::Json(b"{\"no such request\": 1}".to_vec())).unwrap();
    assert!(matches!(answer(&mut ours), Reply::Fault(_)));
    // A stage that is refused before its first byte: the bytes come all the same, and are no requests.
    let Op::Stage { artifact, .. } = node.stage() else { panic!() };
    let stage = Op::Stage { artifact, have: None };
    for fenced in [false, true] {
        if fenced {
            send(&mut ours, &Request::Mutate(node.mutation(node.fence(), Way::Do)));
            assert!(matches!(answer(&mut ours), Reply::Fenced(_)));
        }
        send(&mut ours, &Request::Mutate(node.mutation(stage.clone(), Way::Do)));
        let mut bytes = Vec::new();
        std::fs::File::open(&node.artifact).unwrap().read_to_end(&mut bytes).unwrap();
        for piece in bytes.chunks(64) {
            write_frame(&mut ours, &Frame::Bytes(piece.to_vec())).unwrap();
        }
        write_frame(&mut ours, &Frame::Bytes(Vec::new())).unwrap();
        let reply = answer(&mut ours);
        assert_eq!(matches!(reply, Reply::Staged(_)), fenced, "{reply:?}");
    }
    send(&mut ours, &Request::Remember { run: node.run.clone() });
    let reply = answer(&mut ours);
    assert!(matches!(&reply, Reply::Remembered { open: true, generation: 1, records: 4, .. }), "{reply:?}");
    drop(ours);
    helper.join().unwrap().unwrap();
}

#[test]
fn an_inspection_tells_what_is_there_without_secrets() {
    let node = Node::new();
    let inspection = crate::inspect(&node.places).unwrap();
    let facts = &inspection.node;
    assert_eq!(facts.unit.as_ref().unwrap().name, "k3s.service");
    assert_eq!(facts.binary.as_ref().unwrap().version.as_ref().unwrap().tag(), super::node::OLD);
    let datastore = facts.datastore.as_ref().unwrap();
    assert_eq!((datastore.revision, datastore.keys, datastore.integrity.as_deref()), (Some(5), Some(4), Some("ok")));
    assert_eq!(facts.config.last("token"), Some("(secret)"));
    assert_eq!(facts.config.last("write-kubeconfig-mode"), Some("0644"));
    assert_eq!(facts.data_links.len(), 2);
    assert_eq!(facts.data_dir, node.target.data_dir);
    let before = facts.unit.as_ref().unwrap().digest;
    assert_eq!(facts.helper.open_run, None);
    node.act(node.fence());
    let again = crate::inspect(&node.places).unwrap().node;
    assert_eq!(again.unit.unwrap().digest, before, "Belay's own drop-in does not make a plan stale");
    assert_eq!(again.helper.open_run.as_deref(), Some(super::node::RUN));
}

/// Else the node would be missing from its own cluster, which blocks an upgrade (`belay-node-name-not-in-cluster`).
#[test]
fn a_node_name_in_capitals_was_not_the_name_that_k3s_gives_the_node() {
    let node = Node::new();
    std::fs::write(node.path("etc/rancher/k3s/config.yaml"), "node-name: Shop-Pi\n").unwrap();
    assert_eq!(crate::inspect(&node.places).unwrap().node.name, "shop-pi");
}

#[test]
fn a_backup_is_read_file_by_file_and_nothing_beside_it() {
    let node = Node::new();
    node.forward(4);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let places = node.places.clone();
    let helper = thread::spawn(move || serve(&places, Link::new(theirs.try_clone().unwrap(), theirs)));
    let run = node.run.clone();
    send(&mut ours, &Request::ListBackup { run: run.clone() });
    let Reply::Backup(listing) = answer(&mut ours) else { panic!("no listing") };
    assert!(listing.files.iter().any(|(name, _)| name == "receipt.json"));
    let mut read = |name: &str| {
        send(&mut ours, &Request::ReadBackup { run: run.clone(), name: name.to_owned() });
        let mut bytes = Vec::new();
        loop {
            match read_frame(&mut ours).unwrap() {
                Frame::Bytes(more) => bytes.extend(more),
                Frame::Json(json) => return (bytes, serde_json::from_slice::<Reply>(&json).unwrap()),
            }
        }
    };
    for (name, size) in &listing.files {
        let (bytes, reply) = read(name);
        assert_eq!(bytes, std::fs::read(node.places.backup_dir(&node.run).join(name)).unwrap());
        assert!(matches!(reply, Reply::Read { bytes } if bytes == *size), "{reply:?}");
    }
    for outside in ["../x", "/etc/passwd", "", "files/../../lock", "no such file"] {
        let (bytes, reply) = read(outside);
        assert!(bytes.is_empty() && matches!(reply, Reply::Fault(_)), "{outside}: {reply:?}");
    }
    drop(ours);
    helper.join().unwrap().unwrap();
}
