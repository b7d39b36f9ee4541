use std::path::Path;
use std::process::Command;

use super::succeed;
use super::tree::{Item, Scratch, Tree, lay};

/// Writes `<name>.tar.gz`: unpacked anywhere it runs, because `belay` looks for its helper beside itself. The same tree
/// and time give the same bytes.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(out: &Path, name: &str, tree: &Tree, epoch: u64) -> Result<(), String> {
    let scratch = Scratch::new("tarball")?;
    lay(&scratch.0.join(name), &items(tree), epoch)?;
    // By hand instead of `tar -z`, because gzip would note the time of its own run.
    let tar = scratch.0.join("tar");
    succeed(
        Command::new("tar")
            .args(["--create", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{epoch}"))
            .arg("--file")
            .arg(&tar)
            .arg("--directory")
            .arg(&scratch.0)
            .arg(name),
    )?;
    succeed(Command::new("gzip").args(["-9", "--no-name"]).arg(&tar))?;
    let file = out.join(format!("{name}.tar.gz"));
    std::fs::copy(tar.with_extension("gz"), &file)
        .map(|_| ())
        .map_err(|error| format!("could not write {}: {error}", file.display()))
}

fn items(tree: &Tree) -> Vec<Item> {
    let mut items = vec![
        Item::new("belay", 0o755, &tree.belay),
        Item::new("belay-helper", 0o755, &tree.helper),
        Item::new("README.md", 0o644, &tree.readme),
        Item::new("LICENSE", 0o644, &tree.licence),
    ];
    items.extend(tree.rbac.iter().map(|(path, text)| Item::new(*path, 0o644, text)));
    items.extend(tree.man.iter().map(|(name, page)| Item::new(format!("man/{name}"), 0o644, page)));
    items.extend(
        tree.completions.iter().map(|(shell, text)| Item::new(format!("completion/belay.{shell}"), 0o644, text)),
    );
    items
}
