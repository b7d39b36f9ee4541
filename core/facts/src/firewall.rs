use serde::{Deserialize, Serialize};

/// Who holds the rules of packets on a node, beside kube-proxy and flannel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirewallFacts {
    /// What the host's `iptables` writes: `nft`, `legacy`, the program's name where it is something else, or `none`: then K3s uses
    /// the one that it brings.
    pub iptables: String,
    /// Tables of the kernel's old interface (`/proc/net/ip_tables_names`), sorted: those that somebody has used since the boot. Before
    /// Linux 5.15 a table is there as soon as its module is loaded, which K3s does at each start.
    pub legacy_tables: Vec<String>,
    /// `firewalld`, `ufw`: what writes rules of its own and is switched on.
    pub fronts: Vec<String>,
}
