use std::path::PathBuf;

use belay_runner::vault::CHANNELS;
use clap::Subcommand;

#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub verb: ConfigCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// What the target does with each key, flag and feature gate that is set: unchanged, changed default, ignored, fatal, gone
    ///
    /// Changes nothing. Exit code 1 when something would keep K3s from starting.
    Diff(ConfigDiffArgs),
    /// Proposes what to write so that the target obeys what is set: a drop-in, patches, and what needs you
    ///
    /// A proposal: nothing on a node is changed, no file of K3s is written, no unit is touched. A drop-in for `config.yaml.d` is
    /// proposed where a later file can say it; a key that has to go from its file becomes a patch, one that has to go from
    /// ExecStart a line to edit. With `--out` the drop-in and the patches are written below DIR, which may not lie in K3s' own
    /// directory, and the commands that put them in place are printed, each with a backup, ending in `belay check --to TAG`.
    /// Patches are made where the node's files are on this machine; they hold the lines that change and no others. What has no
    /// known successor is listed with its rule (`belay explain RULE`). Exit code 1 when something needs you.
    Fix(ConfigFixArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub struct ConfigFixArgs {
    #[command(flatten)]
    pub diff: ConfigDiffArgs,
    /// Write the proposed files below this directory; one that is there already is not overwritten
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct ConfigDiffArgs {
    /// The target: a tag, or a channel such as stable
    #[arg(long, value_name = "TAG|CHANNEL")]
    pub to: String,
    /// Take the configuration from saved facts instead of this node
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
    /// The channel server that `--to stable` asks
    #[arg(long, value_name = "URL", default_value = CHANNELS, env = "BELAY_CHANNELS")]
    pub channels: String,
}
