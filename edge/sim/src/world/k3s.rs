//! K3s on the simulated node: what a start does with what it finds, and what its clients write.

use std::path::Path;

use belay_plan::Goal;

use super::{Acknowledged, Life, Release, Version, World};
use crate::datastore::Schema;
use crate::platter::Inode;
use crate::{Invariant, places};

impl World {
    /// As systemd does it: refused while the marker is there and the interlock is installed.
    pub fn start_k3s(&mut self) -> bool {
        if self.k3s.is_some() {
            return true;
        }
        let marked = self.exists(places::MARKER);
        if marked && self.exists(places::INTERLOCK) {
            self.say(|| "K3s is kept down by the marker".to_owned());
            return false;
        }
        let Some(version) = self.at_path(places::BINARY) else {
            self.violate(Invariant::AtomicSwap, "the binary's path names no whole version");
            return false;
        };
        let (Some(server), Some(data)) = (self.inode(places::SERVER), self.datastore(places::SERVER)) else {
            self.violate(Invariant::NoHalfRestored, "K3s started without a datastore: an empty cluster");
            return false;
        };
        self.lives += 1;
        self.shown = self.lives;
        if marked {
            self.violate(Invariant::NoHalfRestored, "K3s started while the marker was set");
        }
        let restores = self.shape.plan.goal == Goal::Restore;
        let fits = match (version, data.schema) {
            (Version::Old, Schema::Before) => true,
            (Version::New, Schema::Earlier) => restores,
            (Version::New, Schema::Before) => !restores && (self.is_binary() || server == self.original),
            (Version::New, Schema::Migrated) => true,
            (Version::Old, _) => false,
        };
        if !fits {
            self.violate(
                Invariant::NoHalfRestored,
                format!("{version:?} started on data of another side ({:?})", data.schema),
            );
        }
        if data.revision < self.seen {
            let what = format!("a start at revision {}, clients have seen {}", data.revision, self.seen);
            self.violate(Invariant::RevisionsRise, what);
        }
        if version == Version::New && self.release == Release::NoStart {
            self.say(|| "K3s starts and ends at once".to_owned());
            // It had opened the datastore.
            self.migrate(server);
            return false;
        }
        self.k3s = Some(Life { invocation: self.lives, version, server });
        self.say(|| format!("K3s {version:?} starts"));
        if version == Version::New {
            self.migrate(server);
        }
        true
    }

    fn migrate(&mut self, server: Inode) {
        self.new_ran_on = Some(server);
        if self.shape.migrates && self.shape.plan.goal == Goal::Upgrade {
            self.log("schema 1\n");
        }
    }

    /// Appends to the log of the live datastore, synced, as K3s does before it answers.
    fn log(&mut self, line: &str) {
        let mut node = self.node.borrow_mut();
        if let Some(log) = node.find(Path::new(places::SERVER_LOG)) {
            // What a crash had torn is cut before anything follows.
            let whole = node.read(Path::new(places::SERVER_LOG)).map(|log| crate::datastore::whole_lines(log).len());
            node.cut(log, whole.unwrap_or(0));
            node.write(log, line.as_bytes());
            node.sync_file(log);
        }
    }

    /// A client writes an object and is told that it is done.
    pub fn write(&mut self) {
        let Some(life) = self.k3s else { return };
        if life.version == Version::New && self.release == Release::NeverWell && self.dice.once_in(2) {
            return;
        }
        self.objects += 1;
        let object = self.objects;
        self.log(&format!("put {object}\n"));
        let after_new = self.new_ran_on == Some(life.server);
        self.acknowledged.push(Acknowledged { object, server: life.server, after_new });
        self.seen = self.seen.max(self.datastore(places::SERVER).map_or(0, |data| data.revision));
    }
}
