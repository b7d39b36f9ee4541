use std::fmt;

use belay_facts::K3sVersion;

use super::build::{Build, Etcd};

/// From which etcd on the next minor may follow: 3.5 keeps members in a place that only 3.5.26 tidies up
/// (https://etcd.io/blog/2025/zombie_members_upgrade/), and 3.7 wants every member at 3.6.11
/// (https://etcd.io/docs/v3.7/upgrades/upgrade_3_7/). Fields: the minor that is gone to, the least version before it.
const STEPS: [(u32, Etcd); 2] = [(6, Etcd(3, 5, 26)), (7, Etcd(3, 6, 11))];

/// The oldest minor of etcd that any release of the tables carries, and may therefore follow whatever runs.
const OLDEST: u32 = 5;

/// What speaks against one upgrade. Displays as a sentence about the build that is gone to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle<'a> {
    Bad(&'a str),
    Backwards { from: &'a K3sVersion, to: &'a K3sVersion },
    Minors { from: &'a K3sVersion, to: &'a K3sVersion },
    EtcdUnknown { tag: &'a K3sVersion },
    EtcdBackwards { from: Etcd, to: Etcd },
    EtcdStep { from: Option<Etcd>, to: Etcd, least: Option<Etcd> },
}

impl Obstacle<'_> {
    /// Whether no detour leads around it: it lies in the target itself.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Bad(_) | Self::Backwards { .. })
    }
}

/// What speaks against going from `from` to `to` at once; `etcd`: whether embedded etcd has to come along.
pub(super) fn obstacle<'a>(from: &'a Build, to: &'a Build, etcd: bool) -> Option<Obstacle<'a>> {
    if to.tag <= from.tag {
        return Some(Obstacle::Backwards { from: &from.tag, to: &to.tag });
    }
    if let Some(why) = &to.bad {
        return Some(Obstacle::Bad(why));
    }
    if to.tag.major != from.tag.major || to.tag.minor > from.tag.minor.saturating_add(1) {
        return Some(Obstacle::Minors { from: &from.tag, to: &to.tag });
    }
    if etcd { etcd_obstacle(from, to) } else { None }
}

fn etcd_obstacle<'a>(from: &Build, to: &'a Build) -> Option<Obstacle<'a>> {
    let Some(new) = to.etcd else { return Some(Obstacle::EtcdUnknown { tag: &to.tag }) };
    let least = STEPS.iter().find(|(minor, _)| (3, *minor) == (new.0, new.1)).map(|(_, least)| *least);
    match from.etcd {
        Some(old) if new < old => Some(Obstacle::EtcdBackwards { from: old, to: new }),
        Some(old) if (old.0, old.1) == (new.0, new.1) => None,
        Some(old) if least.is_some_and(|least| old >= least) => None,
        None if (new.0, new.1) == (3, OLDEST) => None,
        old => Some(Obstacle::EtcdStep { from: old, to: new, least }),
    }
}

impl fmt::Display for Obstacle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(why) => f.write_str(why),
            Self::Backwards { from, to } => write!(f, "{to} is older than {from}, and nothing goes back"),
            Self::Minors { from, to } => write!(
                f,
                "from {from} to {to} are {} minors, and Kubernetes goes one at a time",
                to.minor.saturating_sub(from.minor)
            ),
            Self::EtcdUnknown { tag } => write!(f, "which etcd {tag} carries is not known here"),
            Self::EtcdBackwards { from, to } => {
                write!(f, "its etcd {to} is older than {from}, and etcd does not go back")
            }
            Self::EtcdStep { from, to, least } => {
                match from {
                    Some(from) => write!(f, "etcd {from} must not go to {to} at once")?,
                    None => write!(f, "it brings etcd {to}, and which etcd comes before is not known here")?,
                }
                match least {
                    Some(least) => write!(f, ": 3.{} asks for {least} or later before it", to.1),
                    None => write!(f, ": from where on 3.{} may follow is not known here", to.1),
                }
            }
        }
    }
}
