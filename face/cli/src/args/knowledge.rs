use belay_runner::vault::Origin;
use clap::Subcommand;

#[derive(Clone, Debug, clap::Args)]
pub struct KnowledgeArgs {
    #[command(subcommand)]
    pub verb: KnowledgeCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum KnowledgeCommand {
    /// Install a signed bundle of rules, advisories and hazards that is newer than this build
    ///
    /// Beside FILE or at URL there is its signature, with .minisig at the end of its name. Signed by Belay's own key a bundle
    /// may replace and withdraw what this build knows; signed by another, it can only add risks. What is not signed by
    /// either is refused, and nothing changes.
    Update(KnowledgeUpdateArgs),
    /// What is known here: of which day, from whom, how much, and whether it is old
    Show,
    /// Remove the installed bundles, and go back to what this build carries
    Remove,
}

#[derive(Clone, Debug, clap::Args)]
pub struct KnowledgeUpdateArgs {
    /// The bundle: a file, or an address of https
    #[arg(long, value_name = "FILE|URL")]
    pub from: Origin,
    /// A key of your own that you trust: the word that begins with RW, or its file (minisign.pub)
    #[arg(long, value_name = "FILE|RW...")]
    pub key: Option<String>,
    /// Install it even when a newer one of the same key is there
    #[arg(long)]
    pub allow_older: bool,
}
