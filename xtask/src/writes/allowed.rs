/// Writes of one file that need not go through `durable.rs`, and why.
pub struct Allowed {
    pub file: &'static str,
    pub calls: &'static [&'static str],
    pub why: &'static str,
}

const NEW: &[&str] = &["OpenOptions.create_new", "OpenOptions.write"];

pub const ALLOWED: [Allowed; 23] = [
    Allowed {
        file: "edge/helper/src/swap.rs",
        calls: &["OpenOptions.append", "write"],
        why: "the bug copy-over-live-path: never called but in builds with the feature `mutants`",
    },
    Allowed {
        file: "edge/journal/src/crash_point.rs",
        calls: &["File::create", "OpenOptions.append", "OpenOptions.create", "OpenOptions.write"],
        why: "what a test build notes of its points; empty without the feature `crash-points`",
    },
    Allowed {
        file: "edge/journal/src/kernel.rs",
        calls: &[
            "DirBuilder::new",
            "OpenOptions.append",
            "OpenOptions.create_new",
            "OpenOptions.write",
            "remove_file",
            "rename",
            "renameat_with",
            "symlink",
        ],
        why: "what a `Disk` is on this machine, call by call; durable.rs and the journal say in which order",
    },
    Allowed {
        file: "edge/journal/src/journal.rs",
        calls: &["set_len"],
        why: "the journal itself: appended and synced record by record, and a torn tail cut",
    },
    Allowed {
        file: "edge/journal/src/lock.rs",
        calls: &["OpenOptions.create", "OpenOptions.write", "set_len"],
        why: "a lock is the kernel's; the name in it is for people and need not survive",
    },
    Allowed {
        file: "edge/helper/src/tree.rs",
        calls: &[
            "DirBuilder::new",
            "OpenOptions.create_new",
            "OpenOptions.write",
            "hard_link",
            "set_len",
            "set_permissions",
            "symlink",
        ],
        why: "fills a copy under construction, which counts only when it is synced and renamed into place",
    },
    Allowed {
        file: "edge/helper/src/backup.rs",
        calls: &["symlink"],
        why: "fills a backup under construction, which counts only with its receipt",
    },
    Allowed {
        file: "edge/helper/src/carry.rs",
        calls: &["hard_link"],
        why: "carries a snapshot over into the kept copy; the name is made durable on the next line",
    },
    Allowed {
        file: "edge/helper/src/stage.rs",
        calls: &["DirBuilder::new", "OpenOptions.create_new", "OpenOptions.write", "set_permissions"],
        why: "fills the slot, which is synced and then read again from the disk before it is a slot; scratch beside it",
    },
    Allowed {
        file: "edge/helper/src/etcd/sole_member.rs",
        calls: &["OpenOptions.create_new", "OpenOptions.write", "set_len"],
        why: "fills a data directory that is made beside the live one, and synced before it is exchanged",
    },
    Allowed {
        file: "edge/helper/src/etcd/commit.rs",
        calls: &["OpenOptions.write"],
        why: "commits one transaction into etcd's database as etcd does: pages, sync, meta page, sync",
    },
    Allowed {
        file: "edge/helper/src/etcd/snapshot.rs",
        calls: &["remove_file"],
        why: "takes away the snapshot that K3s made for us, after the copy of it that counts; a file too many is harmless",
    },
    Allowed {
        file: "edge/helper/src/disk.rs",
        calls: &["DirBuilder::new", "File::create", "remove_dir_all", "renameat_with", "write"],
        why: "tries in a scratch directory what the file system can do, and removes it at once",
    },
    Allowed {
        file: "edge/helper/src/down.rs",
        calls: &["OpenOptions.write"],
        why: "opens the database only to see whether somebody has it locked; nothing is written",
    },
    Allowed {
        file: "edge/runner/src/copy_off.rs",
        calls: NEW,
        why: "fills a copy under construction (`.partial`), each file synced; the rename that ends it is durable",
    },
    Allowed {
        file: "edge/runner/src/backup_copy.rs",
        calls: &["symlink"],
        why: "fills a copy under construction (`.partial`); the rename that ends it is durable",
    },
    Allowed {
        file: "edge/runner/src/vault/release.rs",
        calls: NEW,
        why: "fills a download (`.part`), which is verified and synced before the durable rename",
    },
    Allowed {
        file: "edge/node/src/fetch.rs",
        calls: NEW,
        why: "fills a file of a copy under construction, and syncs it",
    },
    Allowed {
        file: "face/cli/src/commands/plan.rs",
        calls: &["write"],
        why: "the file that a person names with -o; no state of ours, and perhaps a pipe",
    },
    Allowed {
        file: "face/cli/src/commands/check.rs",
        calls: &["write"],
        why: "the file that a person names with --save-facts or --write-baseline; no state of ours, and perhaps a pipe",
    },
    Allowed {
        file: "face/cli/src/commands/config/proposal.rs",
        calls: &["OpenOptions.create_new", "OpenOptions.write", "create_dir_all"],
        why: "the proposed files below the directory that a person names with --out; no state of ours, and nothing of K3s",
    },
    Allowed {
        file: "face/cli/src/commands/report.rs",
        calls: &["write"],
        why: "the file that a person names with --html; no state of ours, and perhaps a pipe",
    },
    Allowed {
        file: "face/cli/src/commands/man.rs",
        calls: &["create_dir_all"],
        why: "the directory that a person names for man pages; no state of ours",
    },
];
