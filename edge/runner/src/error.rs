use belay_cluster::ClusterError;
use belay_engine::IllegalEvent;
use belay_journal::JournalError;
use belay_node::LinkError;

use crate::Holding;

/// Why a run could not be begun or gone on with. What a step runs into is a fault, and the engine's to decide about.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    #[error("the journal of the run: {0}")]
    Journal(#[from] JournalError),
    #[error("the journal of run {run} does not tell a possible story: {source}")]
    Story { run: String, source: IllegalEvent },
    #[error("{what} {path}: {source}")]
    File { what: &'static str, path: String, source: std::io::Error },
    #[error(
        "the kubeconfig {file} is of another cluster than {node}: no CA in it is the one of the node's server-ca.crt"
    )]
    OtherCluster { file: String, node: String },
    #[error("could not read the manifests in {path}: {source}")]
    Manifests { path: String, source: std::io::Error },
    #[error("there is no run {run}")]
    NoRun { run: String, last: Option<String> },
    #[error("{0}")]
    OpenRun(Box<Holding>),
    #[error("no run was ever made here")]
    NoRuns,
    #[error("run {run} has ended ({state}); there is nothing to go on with")]
    Ended { run: String, state: String },
    #[error("the plan of run {run} could not be read: {why}")]
    Plan { run: String, why: String },
    #[error("node {node} went away {times} times in a row while run {run} was under way; the last time: {last}")]
    Lost { run: String, node: String, times: u32, last: String },
    #[error("run {run} is not this process's any more, and it has left the node alone: {why}")]
    Superseded { run: String, why: String },
    #[error("the journal of run {run} takes no records any more: {source}. {instead}")]
    Unwritten { run: String, source: JournalError, instead: String },
}

impl RunError {
    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Link(error) => error.hint(),
            Self::Manifests { .. } => {
                Some("name a folder of manifests, or one file, that is there: --manifests DIR".to_owned())
            }
            Self::OtherCluster { .. } => Some(
                "name a kubeconfig of this cluster (docs/rbac/README.md), or none: then the administrator's own credentials are taken"
                    .to_owned(),
            ),
            Self::NoRun { last: Some(last), .. } => Some(format!("the last run here is {last}; all of them: belay report --list")),
            Self::NoRun { last: None, .. } | Self::NoRuns => Some(first_run(rustix::process::geteuid().is_root())),
            Self::OpenRun(holding) => Some(holding.hint()),
            Self::Superseded { run, .. } => Some(format!(
                "read what was done there, and go on from it: belay resume {run}; follow whoever holds it: belay watch {run}"
            )),
            Self::Unwritten { run, .. } => Some(format!(
                "mend the disk (dmesg, df, mount), then `belay resume {run}`: the node has its own journal of what was done"
            )),
            Self::Journal(JournalError::Locked(_)) => Some(
                "another process carries this run out; follow it with `belay watch`, stop it with `belay halt`"
                    .to_owned(),
            ),
            Self::Ended { run, .. } => {
                Some(format!("see how it ended: belay report {run}; the next one: belay plan --to TAG -o plan.yaml"))
            }
            Self::Lost { run, .. } => Some(format!("when the node is back: `belay resume {run}`")),
            Self::Story { .. } | Self::Journal(_) => {
                Some("nothing further was done; keep the directory of the run and ask for help with it".to_owned())
            }
            _ => None,
        }
    }
}

/// Another user has another directory of runs, and most are root's.
fn first_run(root: bool) -> String {
    let here = "make the first one: belay upgrade --to TAG";
    if root {
        here.to_owned()
    } else {
        format!("those of root are in /var/lib/belay: sudo belay report --list; or {here}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_root_the_runs_of_root_were_said_not_to_be_there() {
        assert!(
            first_run(false).contains("sudo belay report --list")
                && first_run(false).contains("belay upgrade --to TAG")
        );
        assert_eq!(first_run(true), "make the first one: belay upgrade --to TAG");
    }
}
