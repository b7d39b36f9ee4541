use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// What each crate may use on its own floor; everything on a floor below is allowed besides (design §3).
/// `b: a` is the arrow `a ─► b`: b may use a.
const ARROWS: [(&str, &[&str]); 16] = [
    ("belay-facts", &[]),
    // How an object at rest is read; the helper decodes what it walks over.
    ("belay-objects", &["belay-facts"]),
    // Texts of people; the helper has none of it.
    ("belay-manifests", &[]),
    ("belay-checks", &["belay-facts"]),
    ("belay-plan", &["belay-facts", "belay-checks"]),
    ("belay-engine", &["belay-facts", "belay-checks", "belay-plan"]),
    ("belay-wire", &[]),
    ("belay-journal", &[]),
    ("belay-cluster", &[]),
    ("belay-helper", &["belay-wire", "belay-journal"]),
    // Who asks signs a request as it signs its lock (ADR 0011).
    ("belay-node", &["belay-wire", "belay-journal"]),
    // The runner speaks the protocol through a link: it is who says what (ADR 0003).
    ("belay-runner", &["belay-wire", "belay-node", "belay-cluster", "belay-journal"]),
    // The real engine, planner and journal in a simulated world; what it has of helper and runner are twins (ADR 0012).
    ("belay-sim", &["belay-journal"]),
    ("belay-report", &[]),
    ("belay", &["belay-report"]),
    ("xtask", &[]),
];

/// Crates that may use even less of the floors below than their floor would allow.
const ONLY: [(&str, &[&str]); 1] = [("belay-helper", &["belay-facts", "belay-objects", "belay-wire", "belay-journal"])];

/// Crates of a floor that sees core only, not edge.
const CORE_ONLY: [&str; 2] = ["belay-report", "xtask"];

/// Core is pure: no I/O, clock, randomness or runtime. Their families (`tokio-rustls`, `hyper-util`) count as well.
const NOT_IN_CORE: [&str; 7] = ["tokio", "rustix", "reqwest", "rusqlite", "hyper", "kube", "rand"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    Core,
    Edge,
    Face,
    /// xtask: stands beside the house.
    Beside,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

/// Reads `cargo metadata` and holds every dependency against the house.
///
/// # Errors
/// With one line per arrow that is not allowed, or when `cargo metadata` cannot be read.
pub fn run() -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| format!("cargo metadata could not be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata said something unexpected: {error}"))?;
    let wrong = wrong_arrows(&metadata);
    if !wrong.is_empty() {
        let rule = "The floors and arrows are those of xtask/src/layers.rs (ARCHITECTURE.md says why).";
        return Err(format!("{}\n{rule}", wrong.join("\n")));
    }
    Ok(format!("{} crates, every arrow is allowed", metadata.packages.len()))
}

/// One line per dependency that the house does not allow, in a fixed order.
fn wrong_arrows(metadata: &Metadata) -> Vec<String> {
    let floors: BTreeMap<&str, Option<Floor>> = metadata
        .packages
        .iter()
        .map(|package| (package.name.as_str(), floor(package, &metadata.workspace_root)))
        .collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(floor) = floors.get(name).copied().flatten() else {
            wrong.push(format!("{name} lies on no floor: {}", package.manifest_path));
            continue;
        };
        let Some((_, same_floor)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            wrong.push(format!("{name} has no line in the table of arrows"));
            continue;
        };
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            let allowed = match floors.get(used) {
                Some(None) => continue,
                Some(Some(below)) => arrow_allowed(name, floor, same_floor, used, *below),
                None => floor != Floor::Core || !NOT_IN_CORE.iter().any(|family| belongs(used, family)),
            };
            if !allowed {
                wrong.push(format!("{name} must not use {used}"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

fn arrow_allowed(name: &str, floor: Floor, same_floor: &[&str], used: &str, below: Floor) -> bool {
    let only = ONLY.iter().find(|(from, _)| *from == name);
    let core_only = CORE_ONLY.contains(&name) && below != Floor::Core;
    let down = below < floor && below != Floor::Beside;
    let along = below == floor && same_floor.contains(&used);
    (down || along) && !core_only && only.is_none_or(|(_, names)| names.contains(&used))
}

fn belongs(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

fn floor(package: &Package, root: &str) -> Option<Floor> {
    let path = Path::new(&package.manifest_path).strip_prefix(root).ok()?;
    match path.components().next()?.as_os_str().to_str()? {
        "core" => Some(Floor::Core),
        "edge" => Some(Floor::Edge),
        "face" => Some(Floor::Face),
        "xtask" => Some(Floor::Beside),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace with these crates, each `floor/name` with what it uses.
    fn wrong(crates: &[(&str, &[&str])]) -> Vec<String> {
        let package = |(path, uses): &(&str, &[&str])| Package {
            name: path.rsplit_once('/').unwrap().1.to_owned(),
            manifest_path: format!("/w/{path}/Cargo.toml"),
            dependencies: uses.iter().map(|name| Dependency { name: (*name).to_owned() }).collect(),
        };
        wrong_arrows(&Metadata { packages: crates.iter().map(package).collect(), workspace_root: "/w".into() })
    }

    const HOUSE: [(&str, &[&str]); 5] = [
        ("core/belay-facts", &["serde"]),
        ("core/belay-checks", &["belay-facts"]),
        ("edge/belay-wire", &["belay-facts"]),
        ("edge/belay-node", &["belay-wire", "belay-checks", "tokio"]),
        ("face/belay", &["belay-node", "belay-checks"]),
    ];

    /// The house with one crate more, or one of its crates built otherwise.
    fn with(extra: (&str, &[&str])) -> Vec<String> {
        let mut crates: Vec<(&str, &[&str])> = HOUSE.to_vec();
        crates.retain(|(path, _)| *path != extra.0);
        crates.push(extra);
        wrong(&crates)
    }

    #[test]
    fn the_house_stands() {
        assert_eq!(wrong(&HOUSE), [""; 0]);
    }

    #[test]
    fn an_arrow_up_or_across_fails() {
        assert_eq!(with(("core/belay-facts", &["belay-checks"])), ["belay-facts must not use belay-checks"]);
        assert_eq!(with(("core/belay-checks", &["belay-wire"])), ["belay-checks must not use belay-wire"]);
        assert_eq!(with(("edge/belay-wire", &["belay-node"])), ["belay-wire must not use belay-node"]);
        assert_eq!(with(("edge/belay-node", &["belay"])), ["belay-node must not use belay"]);
        assert_eq!(with(("edge/belay-cluster", &["belay-wire"])), ["belay-cluster must not use belay-wire"]);
    }

    #[test]
    fn the_helper_and_the_report_see_less_than_their_floor() {
        assert_eq!(with(("edge/belay-helper", &["belay-facts", "belay-wire"])), [""; 0]);
        assert_eq!(with(("edge/belay-helper", &["belay-checks"])), ["belay-helper must not use belay-checks"]);
        assert_eq!(with(("face/belay-report", &["belay-checks"])), [""; 0]);
        assert_eq!(with(("face/belay-report", &["belay-wire"])), ["belay-report must not use belay-wire"]);
    }

    #[test]
    fn core_stays_pure() {
        for family in ["tokio", "tokio-rustls", "hyper-util", "rand_core", "kube", "rusqlite"] {
            assert_eq!(with(("core/belay-facts", &[family])).len(), 1, "{family}");
        }
        assert_eq!(with(("core/belay-facts", &["randomness", "kubernetes"])), [""; 0]);
    }

    #[test]
    fn a_crate_that_nobody_placed_fails() {
        assert_eq!(with(("attic/belay-attic", &[])), ["belay-attic lies on no floor: /w/attic/belay-attic/Cargo.toml"]);
        assert_eq!(with(("edge/belay-vault", &[])), ["belay-vault has no line in the table of arrows"]);
    }
}
