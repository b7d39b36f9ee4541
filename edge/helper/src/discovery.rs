use std::fs;
use std::path::{Path, PathBuf};

use belay_facts::NodeRole;
use belay_wire::Fault;

use crate::unit::{Unit, split_words};
use crate::{Config, Places};

/// The K3s of this node: its unit, what it is configured to be, and where its data are.
#[derive(Clone, Debug)]
pub struct Installation {
    pub unit: Unit,
    pub role: NodeRole,
    pub config: Config,
    pub data_dir: PathBuf,
    /// Names of other units that run K3s as well.
    pub others: Vec<String>,
}

impl Installation {
    /// Finds the service unit whose ExecStart runs a `k3s` with `server` or `agent`, whatever its name is: `k3s`,
    /// `k3s-agent`, `k3s-NAME` (install.sh), or an administrator's own. The running one is preferred.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn find(places: &Places) -> Result<Option<Self>, Fault> {
        let mut found = Vec::new();
        for name in unit_names(places) {
            let unit = Unit::show(places, &name)?;
            if let Some(role) = role(&unit.exec) {
                found.push((unit, role));
            }
        }
        found.sort_unstable_by_key(|(unit, role)| {
            (unit.active_state != "active", *role != NodeRole::Server, !unit.enabled, unit.name.clone())
        });
        let mut found = found.into_iter();
        let Some((unit, role)) = found.next() else { return Ok(None) };
        let others = found.map(|(unit, _)| unit.name).collect();
        Ok(Some(Self::of(places, unit, role, others)))
    }

    /// The installation behind a unit that is known by name.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn of_unit(places: &Places, name: &str) -> Result<Self, Fault> {
        let unit = Unit::show(places, name)?;
        let role = role(&unit.exec).unwrap_or(NodeRole::None);
        Ok(Self::of(places, unit, role, Vec::new()))
    }

    fn of(places: &Places, unit: Unit, role: NodeRole, others: Vec<String>) -> Self {
        let config = Config::read(places, &unit);
        let data_dir = config.data_dir(places);
        Self { unit, role, config, data_dir, others }
    }
}

/// What an argument vector makes of the node.
fn role(exec: &[String]) -> Option<NodeRole> {
    let program = Path::new(exec.first()?.trim_start_matches(['-', '@', ':', '+', '!'])).file_name()?.to_str()?;
    if program != "k3s" && !program.starts_with("k3s-") {
        return None;
    }
    match exec.iter().skip(1).find(|word| !word.starts_with('-')).map(String::as_str) {
        Some("server") => Some(NodeRole::Server),
        Some("agent") => Some(NodeRole::Agent),
        _ => None,
    }
}

/// Names of the service units whose file mentions such an ExecStart. Files, because systemd lists only what it has
/// loaded, and a stopped unit need not be.
fn unit_names(places: &Places) -> Vec<String> {
    let dirs = std::iter::once(&places.units).chain(&places.vendor_units);
    let entries = dirs.flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        // A link is an alias of, or the mask over, another unit.
        let regular = entry.file_type().ok()?.is_file() && name.ends_with(".service");
        (regular && runs_k3s(&fs::read_to_string(entry.path()).ok()?)).then_some(name)
    });
    let mut names: Vec<String> = named.collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn runs_k3s(text: &str) -> bool {
    let text = text.replace("\\\n", " ");
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("ExecStart="))
        .any(|line| role(&split_words(line)).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_known_by_what_it_runs() {
        assert!(runs_k3s("[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n    '--disable=traefik' \\\n\n"));
        assert!(runs_k3s("ExecStart=-/opt/bin/k3s agent --server https://x\n"));
        assert!(!runs_k3s("ExecStart=/usr/local/lib/belay/belay-helper recover\n"));
        assert!(!runs_k3s("ExecStart=/usr/local/bin/k3s etcd-snapshot save\n"));
        assert!(!runs_k3s("ExecStart=/usr/bin/k3sup server\n"));
        assert_eq!(role(&split_words("/usr/local/bin/k3s --debug server")), Some(NodeRole::Server));
    }
}
