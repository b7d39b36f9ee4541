use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use super::build::TARGET;
use super::{read, said};

/// The programs that are shipped; what only tests and xtask use is no part of them.
const PROGRAMS: [&str; 2] = ["belay", "belay-helper"];

/// What `cargo metadata` tells of the workspace for the packaged target, and the checksums of `Cargo.lock`.
#[derive(Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    target_directory: PathBuf,
    #[serde(skip)]
    checksums: BTreeMap<Release, String>,
    /// What is really built: `cargo metadata` follows the optional dependencies of features that are only mentioned.
    #[serde(skip)]
    built: BTreeSet<Release>,
}

/// Name and version of a crate.
type Release = (String, String);

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    /// None for a crate of ours.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    /// None is an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Metadata {
    /// # Errors
    /// When cargo does not answer, or says what is not expected.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET];
        let text = said(Command::new(cargo).args(arguments).current_dir(root))?;
        let metadata: Self = serde_json::from_str(&text)
            .map_err(|error| format!("cargo metadata said something unexpected: {error}"))?;
        let lock = String::from_utf8_lossy(&read(&root.join("Cargo.lock"))?).into_owned();
        let lock: Lock = toml::from_str(&lock).map_err(|error| format!("Cargo.lock could not be read: {error}"))?;
        let checksums = lock.package.into_iter().filter_map(|p| Some(((p.name, p.version), p.checksum?)));
        Ok(Self { checksums: checksums.collect(), built: built(root)?, ..metadata })
    }

    pub(super) fn target_directory(&self) -> PathBuf {
        self.target_directory.clone()
    }

    /// Every crate that the programs are built from, the programs included, with what each uses; in a fixed order.
    fn reachable(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let nodes: BTreeMap<&str, &Node> = self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let programs = self.packages.iter().filter(|p| p.source.is_none() && PROGRAMS.contains(&p.name.as_str()));
        let mut waiting: Vec<&str> = programs.map(|package| package.id.as_str()).collect();
        let mut reachable = BTreeMap::new();
        while let Some(id) = waiting.pop() {
            let Some(node) = nodes.get(id).filter(|_| !reachable.contains_key(id)) else { continue };
            let used = |dep: &&Dep| {
                self.is_built(&dep.pkg) && dep.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
            };
            let uses: BTreeSet<&str> = node.deps.iter().filter(used).map(|dep| dep.pkg.as_str()).collect();
            waiting.extend(&uses);
            reachable.insert(id, uses);
        }
        reachable
    }

    fn is_built(&self, id: &str) -> bool {
        let package = self.packages.iter().find(|package| package.id == id);
        package.is_some_and(|package| self.built.contains(&(package.name.clone(), package.version.clone())))
    }
}

fn built(root: &Path) -> Result<BTreeSet<Release>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.args([
        "tree",
        "--locked",
        "--target",
        TARGET,
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    for program in PROGRAMS {
        tree.args(["--package", program]);
    }
    let text = said(tree.current_dir(root))?;
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    });
    Ok(lines.collect())
}

/// The bill of materials in CycloneDX 1.5, without times or random numbers: the same lock gives the same file.
///
/// # Errors
/// Never in practice: plain data always has a JSON form.
pub(super) fn render(metadata: &Metadata, version: &str) -> Result<String, String> {
    let reachable = metadata.reachable();
    let packages: BTreeMap<&str, &Package> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
    let purl = |id: &str| packages.get(id).map(|p| format!("pkg:cargo/{}@{}", p.name, p.version.replace('+', "%2B")));
    let components: BTreeMap<String, Value> = reachable
        .keys()
        .filter_map(|id| Some((purl(id)?, component(packages.get(id)?, &purl(id)?, &metadata.checksums))))
        .collect();
    let dependencies: BTreeMap<String, Value> = reachable
        .iter()
        .filter_map(|(id, uses)| {
            let uses: BTreeSet<String> = uses.iter().filter_map(|id| purl(id)).collect();
            Some((purl(id)?, json!({"ref": purl(id)?, "dependsOn": uses})))
        })
        .collect();
    let whole = format!("belay-release@{version}");
    let programs: Vec<String> = PROGRAMS.iter().map(|name| format!("pkg:cargo/{name}@{version}")).collect();
    let mut graph = vec![json!({"ref": whole, "dependsOn": programs})];
    graph.extend(dependencies.into_values());
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": whole, "name": "belay-release", "version": version}},
        "components": components.into_values().collect::<Vec<_>>(),
        "dependencies": graph,
    });
    serde_json::to_string_pretty(&bill).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn component(package: &Package, purl: &str, checksums: &BTreeMap<Release, String>) -> Value {
    let kind = if PROGRAMS.contains(&package.name.as_str()) { "application" } else { "library" };
    let mut component = json!({
        "type": kind, "bom-ref": purl, "name": package.name, "version": package.version, "purl": purl,
    });
    let Some(fields) = component.as_object_mut() else { return component };
    if let Some(text) = &package.description {
        fields.insert("description".into(), text.trim().into());
    }
    if let Some(licence) = &package.license {
        // Old crates separate alternatives with a slash, which SPDX does not know.
        fields.insert("licenses".into(), json!([{"expression": licence.replace('/', " OR ")}]));
    }
    if let Some(sum) = checksums.get(&(package.name.clone(), package.version.clone())) {
        fields.insert("hashes".into(), json!([{"alg": "SHA-256", "content": sum}]));
    }
    if let Some(url) = &package.repository {
        fields.insert("externalReferences".into(), json!([{"type": "vcs", "url": url}]));
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_what_is_built_in_and_nothing_else() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let metadata = Metadata::read(&root).unwrap();
        let text = render(&metadata, env!("CARGO_PKG_VERSION")).unwrap();
        assert_eq!(text, render(&metadata, env!("CARGO_PKG_VERSION")).unwrap());
        let bill: Value = serde_json::from_str(&text).unwrap();
        let components = bill["components"].as_array().unwrap();
        let named = |name: &str| components.iter().find(|component| component["name"] == name);
        for built in ["belay", "belay-helper", "belay-facts", "libsqlite3-sys", "rustls"] {
            assert!(named(built).is_some(), "{built}");
        }
        for other in ["xtask", "proptest", "insta", "rcgen", "ring"] {
            assert!(named(other).is_none(), "{other}");
        }
        // Whatever comes from the registry is known by its hash and licence.
        let ours = |component: &Value| component["name"].as_str().unwrap().starts_with("belay");
        for component in components.iter().filter(|component| !ours(component)) {
            assert_eq!(component["hashes"][0]["content"].as_str().map(str::len), Some(64), "{component}");
            assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        }
    }
}
