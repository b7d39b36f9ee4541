use std::path::PathBuf;

use belay_runner::vault::CHANNELS;
use clap::ValueEnum;

use super::AcceptArgs;

#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// The release to judge by: a tag, or a channel such as stable
    #[arg(long, value_name = "TAG|CHANNEL")]
    pub to: Option<String>,
    /// Judge saved facts instead of this node
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
    /// Ask the API as this kubeconfig says (its current context: a token or a client certificate), and not as the cluster's
    /// administrator; what it may not read is unknown. docs/rbac/README.md says how to make one that may read what a check needs
    #[arg(long, value_name = "FILE", conflicts_with = "facts")]
    pub kubeconfig: Option<PathBuf>,
    /// Read the cluster's objects as well, in the datastore and not from the API: from its latest copy of the last day, or
    /// as they are now
    #[arg(long, value_enum, value_name = "WHICH", num_args = 0..=1, require_equals = true,
        default_missing_value = "latest", conflicts_with = "facts")]
    pub objects: Option<Objects>,
    /// Read all of what K3s has extracted as well, as a plan does, and compare it with its list: seconds on a slow disk
    #[arg(long, conflicts_with = "facts")]
    pub deep: bool,
    /// Read the manifests in this folder as well (YAML and JSON, in Git or rendered; templates of charts by their lines), and say
    /// which use an API that the target no longer serves; repeatable. On a machine without K3s the folders alone are judged
    #[arg(long, value_name = "DIR")]
    pub manifests: Vec<PathBuf>,
    /// Save the facts to a file that can be sent and judged elsewhere; secrets are masked
    #[arg(long, value_name = "FILE")]
    pub save_facts: Option<PathBuf>,
    /// The severity from which on the exit code is 1; never: it is 0 whatever was found
    #[arg(long, value_enum, default_value_t = FailOn::Block)]
    pub fail_on: FailOn,
    /// The channel server that `--to stable` asks
    #[arg(long, value_name = "URL", default_value = CHANNELS, env = "BELAY_CHANNELS")]
    pub channels: String,
    /// Findings that this file names are shown as known and do not fail; an upgrade is judged without it
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write what was found to this file, for --baseline
    #[arg(long, value_name = "FILE")]
    pub write_baseline: Option<PathBuf>,
    #[command(flatten)]
    pub accept: AcceptArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Objects {
    Latest,
    Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Info,
    Warn,
    Block,
    Never,
}
