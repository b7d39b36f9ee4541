use belay_facts::{DatastoreKind, K3sVersion};
use belay_runner::vault::{CHANNELS, Origin};
use clap::ValueEnum;

#[derive(Clone, Debug, clap::Args)]
pub struct VersionsArgs {
    /// The channel server to ask, or a file with its answer
    #[arg(long, value_name = "URL|FILE", default_value = CHANNELS, env = "BELAY_CHANNELS")]
    pub channels: String,
    /// Say of a mirror which of these releases it has
    #[arg(long, value_name = "URL|DIR", env = "BELAY_MIRROR")]
    pub mirror: Option<Origin>,
    /// List what is known to be wrong with this release, and where it is repaired; asks nobody
    #[arg(long, value_name = "TAG")]
    pub hazards: Option<K3sVersion>,
    /// Show the safe ladder from this release: exact builds over minors, etcd and known hazards, and why
    #[arg(long, value_name = "TAG", conflicts_with = "hazards")]
    pub from: Option<K3sVersion>,
    /// Where the ladder is to lead: a tag, or a channel such as stable [default: the newest that can be reached]
    #[arg(long, value_name = "TAG|CHANNEL", requires = "from")]
    pub to: Option<String>,
    /// The datastore of the cluster [default: judged as etcd, which asks for the most]
    #[arg(long, value_enum, requires = "from")]
    pub datastore: Option<Datastore>,
    /// Draw the ladder, for Graphviz: belay versions --from TAG --dot | dot -Tsvg
    #[arg(long, requires = "from")]
    pub dot: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Datastore {
    Sqlite,
    Etcd,
    External,
}

impl From<Datastore> for DatastoreKind {
    fn from(datastore: Datastore) -> Self {
        match datastore {
            Datastore::Sqlite => Self::Sqlite,
            Datastore::Etcd => Self::Etcd,
            Datastore::External => Self::External,
        }
    }
}
