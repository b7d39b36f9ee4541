//! Where everything lies on the two machines, and how they look before a run.

use std::path::Path;

use belay_plan::Goal;

use crate::Platter;
use crate::platter::Inode;

pub const OLD: &[u8] = b"k3s before the run";
pub const NEW: &[u8] = b"k3s after the run";
pub const BINARY: &str = "/bin/k3s";
pub const SLOT: &str = "/bin/.k3s.belay-run";
pub const SERVER: &str = "/data/server";
pub const SERVER_LOG: &str = "/data/server/wal";
pub const KEEP: &str = "/data/server.belay-run";
pub const PARTIAL: &str = "/data/server.belay-run.partial";
pub const REBUILT: &str = "/data/server.belay-run.restore";
pub const REBUILT_PARTIAL: &str = "/data/server.belay-run.restore.partial";
/// What an earlier run left to lead back.
pub const EARLIER: &str = "/data/server.belay-earlier";
pub const LINK: &str = "/data/current";
pub const MARKER: &str = "/data/.belay-marker";
pub const INTERLOCK: &str = "/etc/interlock.conf";
pub const BOOT_UNIT: &str = "/etc/boot-unit";
pub const GUARD: &str = "/etc/guard.timer";
pub const STATE: &str = "/state";
pub const NODE_LOCK: &str = "/state/lock";
pub const FENCE: &str = "/state/fence";
pub const RUN: &str = "/state/runs/run";
pub const NODE_JOURNAL: &str = "/state/runs/run/journal";
pub const SECOND_RESERVE: &str = "/state/runs/run/reserve";
pub const LOST: &str = "/state/runs/run/lost.json";
pub const BACKUP: &str = "/state/backups/run";
pub const BACKUP_PARTIAL: &str = "/state/backups/run.partial";
pub const RECEIPT: &str = "/state/backups/run/receipt.json";
/// On the coordinator's machine.
pub const DESK_RUN: &str = "/desk/runs/run";
pub const DESK_JOURNAL: &str = "/desk/runs/run/journal";
pub const DESK_PLAN: &str = "/desk/runs/run/plan.yaml";
pub const DESK_RESERVE: &str = "/desk/runs/run/reserve";

fn dir(platter: &mut Platter, path: &str) {
    let _ = platter.make(Path::new(path), true);
}

fn file(platter: &mut Platter, path: &str, bytes: &[u8]) {
    if let Ok(inode) = platter.make(Path::new(path), false) {
        platter.write(inode, bytes);
        platter.sync_file(inode);
    }
}

/// A node with K3s. Answers with the inode of `server`.
pub fn furnish(node: &mut Platter, goal: Goal) -> Inode {
    for path in ["/bin", "/etc", "/data", SERVER] {
        dir(node, path);
    }
    file(node, BINARY, OLD);
    file(node, LINK, b"old");
    file(node, &format!("{SERVER}/db"), b"kube-system\nput 1\nput 2\nput 3\nrev 100\n");
    file(node, SERVER_LOG, b"put 4\nput 5\n");
    if goal == Goal::Restore {
        dir(node, EARLIER);
        file(node, &format!("{EARLIER}/db"), b"kube-system\nput 1\nput 2\nschema 2\nrev 50\n");
        file(node, &format!("{EARLIER}/wal"), b"put 3\n");
    }
    for path in ["/", "/bin", "/etc", "/data", SERVER, EARLIER] {
        let _ = node.sync_names(Path::new(path));
    }
    node.find(Path::new(SERVER)).unwrap_or_default()
}
