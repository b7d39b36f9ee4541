//! What happens on the node until the power goes, and what must be true of it afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use belay_facts::WayClass;
use belay_wire::{Fault, Op};

use crate::NodeRun;
use crate::recover::recover;
use crate::tests::node::{Node, listing};

/// A run on a node, from a state that is on the disk.
pub struct Story {
    pub name: &'static str,
    pub before: fn(&mut Node),
    pub acts: fn(&Node) -> Vec<Act>,
}

#[derive(Clone, Debug)]
pub enum Act {
    Ask(Op),
    /// The new version writes.
    Write,
}

impl Act {
    pub fn perform(&self, node: &Node) -> Result<(), Fault> {
        match self {
            Self::Ask(op) => node.ask(op.clone()).map(drop),
            Self::Write => {
                node.put("/registry/configmaps/default/created", "new");
                node.put("/registry/configmaps/default/changed", "two");
                node.delete("/registry/configmaps/default/deleted");
                Ok(())
            }
        }
    }

    pub fn is_swap_back(&self) -> bool {
        matches!(self, Self::Ask(Op::SwapBack))
    }

    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Ask(Op::Stop))
    }
}

pub const ALL: &[Story] = &[
    Story {
        name: "upgrade",
        before: |_| {},
        acts: |node| forward(node, 8, [Op::Vouch, Op::Release { keep_way_back: true }]),
    },
    Story {
        name: "put-back",
        before: |_| {},
        acts: |node| {
            let mut acts = forward(node, 8, []);
            acts.push(Act::Write);
            let back = [turn(), Op::Stop, Op::PutBack { seen: 7 }, Op::Start, Op::Release { keep_way_back: false }];
            acts.extend(back.map(Act::Ask));
            acts
        },
    },
    Story {
        name: "swap-back",
        before: |_| {},
        acts: |node| forward(node, 7, [turn(), Op::SwapBack, Op::Start, Op::Release { keep_way_back: false }]),
    },
];

fn turn() -> Op {
    Op::Turn { seen: 40, class: WayClass::Keep, why: "n1.gate: kubelet".into() }
}

fn forward<const N: usize>(node: &Node, count: usize, then: [Op; N]) -> Vec<Act> {
    node.steps().into_iter().take(count).chain(then).map(Act::Ask).collect()
}

/// What holds at every moment, also before the boot unit has run: the binary's path names a whole version, and a server
/// directory that K3s may start on is whole.
pub fn whole(node: &Node) -> Result<(), String> {
    let binary = node.path("bin/k3s");
    let mode = fs::metadata(&binary).map_err(|error| format!("{}: {error}", binary.display()))?.permissions().mode();
    if node.version() == "neither" || mode & 0o7777 != 0o755 {
        return Err(format!("{} is {} with mode {mode:o}", binary.display(), node.version()));
    }
    if node.path("k3s/.belay-put-back").exists() {
        return Ok(());
    }
    for name in
        ["k3s/server/token", "k3s/server/tls/client-admin.crt", "k3s/server/cred/passwd", "k3s/server/db/state.db"]
    {
        if fs::metadata(node.path(name)).map_or(0, |meta| meta.len()) == 0 {
            return Err(format!("K3s may start, and {name} is missing or empty"));
        }
    }
    let current = node.current();
    if !current.join("bin/k3s").exists() {
        return Err(format!("data/current names {}, which is not there", current.display()));
    }
    let live = node.live();
    match live.iter().any(|(name, _)| name.ends_with("/kept")) {
        true => Ok(()),
        false => Err(format!("K3s may start, and its datastore lacks what was written before: {live:?}")),
    }
}

/// The node's journal opens, and holds every record that was acknowledged.
pub fn remembers(node: &Node, records: u64) -> Result<(), String> {
    let run = NodeRun::read(&node.places, &node.run).map_err(|error| error.to_string())?;
    let held = run.map_or(0, |run| run.records);
    if held < records { Err(format!("{records} records were acknowledged, and {held} are there")) } else { Ok(()) }
}

/// The boot unit; a second one finds nothing to do.
pub fn recover_twice(node: &Node) -> Result<(), String> {
    let first = recover(&node.places);
    if let Some(line) = first.iter().find(|line| line.contains("could not") || line.contains("damaged")) {
        return Err(format!("the boot unit: {line}"));
    }
    let was = listing(&node.path("k3s"));
    let _ = recover(&node.places);
    let is = listing(&node.path("k3s"));
    if was == is { Ok(()) } else { Err(format!("a second recovery changed {was:#?} to {is:#?}")) }
}

/// What a boot does after our unit: K3s starts, unless the marker is there.
pub fn boot_k3s(node: &Node) -> Result<(), String> {
    if node.path("k3s/.belay-put-back").exists() {
        return Err("the marker is there after a recovery: K3s stays down".to_owned());
    }
    let started =
        std::process::Command::new(&node.places.systemctl).args(["--no-block", "start", "k3s.service"]).status();
    if started.is_ok_and(|status| status.success()) { Ok(()) } else { Err("K3s could not be started".to_owned()) }
}

/// The newest generation that the node has heard of.
pub fn generation(node: &Node) -> Result<u64, String> {
    let fence = crate::fence::Holder::read(&node.places).map_err(|fault| fault.message)?;
    let run = NodeRun::read(&node.places, &node.run).map_err(|error| error.to_string())?;
    Ok(fence.map_or(0, |holder| holder.generation).max(run.map_or(0, |run| run.generation)).max(1))
}

/// Where a story ends: version, data and everything in the data directory but the copies beside `server`, which depend on
/// whether the new version has run.
pub fn end(node: &Node) -> String {
    let ended = NodeRun::read(&node.places, &node.run).ok().flatten().and_then(|run| run.ended);
    let names = listing(&node.path("k3s"));
    let names: Vec<String> = names.into_iter().filter(|name| !name.starts_with("server.belay-")).collect();
    let names = names.join("\n");
    format!("{} {ended:?} {:?}\n{names}", node.version(), node.live())
}
