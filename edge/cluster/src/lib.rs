//! The Kubernetes API of one cluster, asked through one server: the only crate that knows kube.
//!
//! Owns the facts of a cluster, the gates' questions (plain answers with their evidence; the runner decides), and the
//! prober that measures how long the API was away. Every question has its own deadline and is asked once: who wants an
//! answer polls, so that no retry hides what happened.
//! Does not own verdicts, nor where the administrator's credentials come from; a kubeconfig it reads itself.

mod address;
mod api;
mod canary;
mod canary_image;
mod canary_pod;
mod cleanup;
mod deprecated;
mod endpoint;
mod error;
mod gather;
mod identity;
mod kubeconfig;
mod list;
mod login;
mod node;
mod outage;
mod pods;
mod prober;
mod read;
mod readyz;
mod revision;
mod right;
mod served;
mod shot;
mod tls;
mod upgrade_tools;
mod workloads;
mod write_read;

pub use api::Api;
pub use canary::CanaryOutcome;
pub use canary_pod::CanaryTime;
pub use cleanup::Cleaned;
pub use endpoint::Endpoint;
pub use error::ClusterError;
pub use gather::Gathered;
pub use identity::Identity;
pub use kubeconfig::{Kubeconfig, KubeconfigError};
pub use login::Login;
pub use node::NodeReady;
pub use outage::{Causes, Outage, outages};
pub use prober::{Measured, Prober, few_probes};
pub use read::Read;
pub use right::Right;
pub use served::Served;
pub use shot::{Answer, Shot};
pub use write_read::WriteRead;
