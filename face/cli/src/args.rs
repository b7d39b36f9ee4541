use std::path::PathBuf;

use belay_facts::{Destination, Digest, Span, WayClass};
use belay_runner::vault::{CHANNELS, GITHUB, Origin};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

mod check;
mod config;
mod explain;
mod knowledge;
mod output;
mod versions;

pub use check::{CheckArgs, FailOn, Objects};
pub use config::{ConfigArgs, ConfigCommand, ConfigDiffArgs, ConfigFixArgs};
pub use explain::ExplainArgs;
pub use knowledge::{KnowledgeArgs, KnowledgeCommand, KnowledgeUpdateArgs};
pub use output::{Output, OutputFormat};
pub use versions::VersionsArgs;

/// Upgrades K3s so that it is never left worse than it was found.
///
/// Belay proves, before the first change, that the way forward and the way back work; it moves one step at a time behind
/// gates; it survives a kill at any instant; and it goes back by itself when a gate says no.
///
/// Exit codes: 0 done · 1 findings at or above --fail-on, or refused · 2 usage · 3 halted safe, or went back by itself ·
/// 4 needs a human · 130 left on a second Ctrl-C.
#[derive(Debug, Parser)]
#[command(
    name = "belay",
    version,
    max_term_width = 100,
    after_help = "Run it on the K3s server as root, or anywhere with --node root@SERVER. First: belay check --to stable"
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
    /// How to print: for people, or for machines from the same model; junit, sarif and markdown are of `check` only
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Reach the node over SSH, as ~/.ssh/config knows it, instead of acting on this machine
    #[arg(long, global = true, value_name = "[USER@]HOST[:PORT]", env = "BELAY_NODE")]
    pub node: Option<Destination>,
    /// The OpenSSH configuration to use with --node instead of ~/.ssh/config
    #[arg(long, global = true, value_name = "FILE", env = "BELAY_SSH_CONFIG")]
    pub ssh_config: Option<PathBuf>,
    /// Where runs and releases are kept [default: /var/lib/belay as root, else $XDG_STATE_HOME/belay]
    #[arg(long, global = true, value_name = "DIR", env = "BELAY_STATE")]
    pub state: Option<PathBuf>,
}

impl Args {
    #[must_use]
    pub fn wants_json(&self) -> bool {
        self.output == Output::Json
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What is true and what is risky; changes nothing
    Check(CheckArgs),
    /// What would happen, also to workloads, for how long, and what the way back is; changes nothing
    ///
    /// With -o the plan is written to a file and its summary shown; without, the plan itself is printed, as YAML. The release is
    /// fetched and verified meanwhile, and stays in --state for the upgrade; `belay prune` removes it.
    Plan(PlanVerb),
    /// Carry out a plan that was reviewed. Does not ask: to give it a plan is the yes; --dry-run looks first
    Apply(ApplyArgs),
    /// Check, plan and apply with one confirmation
    Upgrade(UpgradeArgs),
    /// Take a backup of this node and prove it; K3s goes on meanwhile
    Backup(BackupArgs),
    /// Take a run back; one that has committed only with the time from which on everything is lost
    Rollback(RollbackArgs),
    /// Make a backup live again, with the version that wrote it; without a run, list what there is
    Restore(RestoreArgs),
    /// Go on with a run that was left (killed, power cut)
    Resume(RunArgs),
    /// Ask a run that goes on in another terminal to halt: its current step is finished or undone, then it goes back. Ends
    /// when the run has, with 0 when everything is as it was, 1 when it had begun to commit, 4 when it needs a human
    Halt(HaltArgs),
    /// Follow a run from another terminal, as it shows itself; ends with the run's exit code
    Watch(RunArgs),
    /// What happened in a run, the last one unless named; with --list, which runs there are
    Report(ReportArgs),
    /// The records of a run, one by one, and whether they are whole
    Journal(JournalArgs),
    /// Which releases there are: channels, the newest of every minor, how long it is supported, what is wrong with it
    Versions(VersionsArgs),
    /// All that a rule says: how bad, what it means, what to do, where it is from; without a rule, list them
    Explain(ExplainArgs),
    /// What a release will do with this node's configuration
    Config(ConfigArgs),
    /// What Belay knows of risks and releases: of which day it is, and newer bundles of it
    Knowledge(KnowledgeArgs),
    /// Remove what old runs left: other binaries, kept copies, unused data, older backups, cached releases; lists it first
    Prune(PruneArgs),
    /// Print a completion script for a shell
    Completion {
        /// The shell that is to complete `belay`
        shell: Shell,
    },
    /// Write the man pages into a directory
    Man {
        /// Where one page a command is written; made if it is missing
        directory: PathBuf,
    },
}

/// Where the target comes from.
#[derive(Clone, Debug, clap::Args)]
pub struct SourceArgs {
    /// Where releases are: an address or a directory with <tag>/k3s and <tag>/sha256sum-<arch>.txt
    #[arg(long, value_name = "URL|DIR", default_value = GITHUB, env = "BELAY_MIRROR")]
    pub mirror: Origin,
    /// The digest that the binary must have, from a source that you trust
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<Digest>,
    /// Take sums over plain http from another machine, where anyone on the way can change them
    #[arg(long)]
    pub allow_plain_http: bool,
    /// The channel server that `--to stable` asks
    #[arg(long, value_name = "URL", default_value = CHANNELS, env = "BELAY_CHANNELS")]
    pub channels: String,
}

#[derive(Clone, Debug, clap::Args)]
pub struct AcceptArgs {
    /// Accept a risk: its rule, a reason, and the last day (`belay-disk-space=known small box@2026-12-31`); repeatable
    #[arg(long = "accept", value_name = "RULE=REASON@DATE")]
    pub accept: Vec<String>,
}

#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct PlanVerb {
    #[command(subcommand)]
    pub verb: Option<PlanCommand>,
    #[command(flatten)]
    pub make: PlanArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub enum PlanCommand {
    /// Show a plan that was made, from its file or its run; its digest is checked
    Show {
        /// A plan file, or a run such as 2026-11-23-3fa9
        #[arg(value_name = "FILE|RUN")]
        plan: String,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub struct PlanArgs {
    /// The release to upgrade to: a tag, or a channel such as stable
    // Not a plain String: `plan show` needs none, and clap asks for it wherever it is needed.
    #[arg(long, value_name = "TAG|CHANNEL", required = true)]
    pub to: Option<String>,
    /// Write the plan to this file, for review and `belay apply`. `belay plan` shows its summary then, and without prints it as YAML;
    /// `belay upgrade` writes it before it asks
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How long the gates must go on saying yes before the run commits
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub soak: Span,
    /// How to go back once the new version has run: put the stopped copy back (keep), or leave the data and swap only the
    /// binary (binary; within one minor of Kubernetes, etcd, kine and containerd), and keep if a gate then says no
    #[arg(long, value_enum, value_name = "CLASS", default_value_t = WayBack::Keep)]
    pub way_back: WayBack,
    /// Read the cluster's objects as well, as `check --objects` does: what they say is judged and foretold from
    #[arg(long, value_enum, value_name = "WHICH", num_args = 0..=1, require_equals = true,
        default_missing_value = "latest")]
    pub objects: Option<Objects>,
    #[command(flatten)]
    pub backup: BackupTo,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub accept: AcceptArgs,
}

/// The classes of ways back that can be asked for (design.md §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WayBack {
    Keep,
    Binary,
}

impl From<WayBack> for WayClass {
    fn from(way_back: WayBack) -> Self {
        match way_back {
            WayBack::Keep => Self::Keep,
            WayBack::Binary => Self::Binary,
        }
    }
}

#[derive(Clone, Debug, clap::Args)]
pub struct BackupTo {
    /// Copy the proven backup to this directory as well (a share, another disk), so that it is not lost with the node
    #[arg(long, value_name = "DIR")]
    pub backup_to: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct BackupArgs {
    #[command(flatten)]
    pub to: BackupTo,
}

#[derive(Clone, Debug, clap::Args)]
pub struct ApplyArgs {
    /// The plan file that `belay plan -o` wrote
    pub plan: PathBuf,
    /// Do everything short of the first change: read the facts again, judge the plan, fetch and verify the release, which
    /// stays in --state
    #[arg(long)]
    pub dry_run: bool,
    /// Where the release is, if not where the plan found it; the plan's digest decides
    #[arg(long, value_name = "URL|DIR", env = "BELAY_MIRROR")]
    pub mirror: Option<Origin>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct UpgradeArgs {
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Do not ask; for scripts
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Do everything short of the first change; the release that is fetched for it stays in --state
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The run, such as 2026-11-23-3fa9 [default: the last one]
    pub run: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct HaltArgs {
    /// The run, such as 2026-11-23-3fa9 [default: the one that goes on]
    pub run: Option<String>,
    /// Ask and leave; do not wait until the run has ended
    #[arg(long)]
    pub no_wait: bool,
}

/// What giving up the present asks for.
#[derive(Clone, Debug, clap::Args)]
pub struct DiscardArgs {
    /// Give up everything that was written since this time: that of the commit (rollback) or of the backup (restore).
    /// Without it, what would be lost is listed and nothing is changed
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub discard_writes_since: Option<jiff::Timestamp>,
    /// Make the plan and show it; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long the gates must go on saying yes to the earlier version before the present is given up
    #[arg(long, value_name = "TIME", default_value = "20s")]
    pub soak: Span,
}

/// Exactly the moment that was shown: about `yesterday` nobody could say what is lost.
fn since(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| {
        "it is a time such as 2026-11-23T16:40:02Z; the same command without it lists what would be lost, and names the time to type"
            .to_owned()
    })
}

#[derive(Clone, Debug, clap::Args)]
pub struct RollbackArgs {
    /// The run, such as 2026-11-23-3fa9 [default: the last one]
    pub run: Option<String>,
    #[command(flatten)]
    pub discard: DiscardArgs,
}

#[derive(Clone, Debug, clap::Args)]
pub struct RestoreArgs {
    /// The run whose backup is restored, such as 2026-11-23-3fa9
    pub run: Option<String>,
    #[command(flatten)]
    pub discard: DiscardArgs,
    #[command(flatten)]
    pub backup: BackupTo,
}

#[derive(Clone, Debug, clap::Args)]
pub struct ReportArgs {
    /// The run, such as 2026-11-23-3fa9 [default: the last one]
    pub run: Option<String>,
    /// List all runs instead, oldest first: when, what about, and how each ended
    #[arg(long, conflicts_with_all = ["run", "format", "html"])]
    pub list: bool,
    /// How to print it: markdown for a ticket, junit for a CI, html as one self-contained page [default: as --output]
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// Write the self-contained HTML report to this file as well
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Text,
    Json,
    Markdown,
    Junit,
    Html,
}

#[derive(Clone, Debug, clap::Args)]
pub struct JournalArgs {
    #[command(subcommand)]
    pub verb: JournalCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum JournalCommand {
    /// Every record with its time, as text or JSON
    Show(JournalOf),
    /// Check form, checksums, numbers, the chain of hashes, and that the records make sense; exit 1 names the first that
    /// does not. Of a run, the node's own journal as well, and that both tell one story
    Verify(JournalOf),
}

#[derive(Clone, Debug, clap::Args)]
pub struct JournalOf {
    /// The run, such as 2026-11-23-3fa9, or the file of a journal of either side [default: the last run]
    #[arg(value_name = "RUN|FILE")]
    pub run: Option<String>,
    /// Only the journal that the node keeps of the run
    #[arg(long)]
    pub node_side: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub struct PruneArgs {
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask; for scripts
    #[arg(short = 'y', long)]
    pub yes: bool,
}

#[cfg(test)]
mod tests;
