//! The steps against a node in a temporary directory: its own paths, a K3s that is a script, a `systemctl` that is one
//! too, and a real SQLite database of kine's shape.

mod back;
mod backup;
mod binary;
mod bootstrap;
mod broken_disk;
mod etcd;
mod etcd_restore;
mod exchange;
mod fence;
mod forward;
mod guard;
mod guard_cut;
mod inventory;
mod lease;
mod mutants;
mod node;
mod power;
mod protocol;
mod prune;
mod races;
mod restore;
mod stage;
mod stayed_old;
mod swap_cut;
mod table;
mod unread;
mod userland;
