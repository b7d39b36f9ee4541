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
}

#[derive(Clone, Debug, clap::Args)]
pub struct ConfigDiffArgs {
    /// The release to compare with: a tag, or a channel such as stable
    #[arg(long, value_name = "TAG|CHANNEL")]
    pub to: String,
    /// Take the configuration from saved facts instead of this node
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
    /// The channel server that `--to stable` asks
    #[arg(long, value_name = "URL", default_value = CHANNELS, env = "BELAY_CHANNELS")]
    pub channels: String,
}
