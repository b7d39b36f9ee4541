//! `cargo xtask dist`: the files of a release, each proven before it is named in `sha256sums.txt`.

mod build;
mod deb;
mod elf;
mod sbom;
mod tarball;
mod tree;

use std::path::{Path, PathBuf};
use std::process::Command;

use belay_facts::Digest;

use self::build::Programs;
use self::elf::Elf;
use self::tree::Tree;

/// Largest `belay-helper`, in bytes: it is uploaded to every node.
const MAX_HELPER: u64 = 3_000_000;

/// Largest `belay`, in bytes.
const MAX_BELAY: u64 = 25_000_000;

/// The oldest glibc on which `belay` starts: that of Debian 11.
const GLIBC: (u32, u32) = (2, 31);

/// Builds both programs, proves their sizes and what they link, and writes tarball, deb, SBOM and sums to `--out`,
/// by default `packages` in cargo's target directory (its `dist` is cargo's own, named after the profile).
///
/// # Errors
/// With what could not be built, or which promise a built file breaks.
pub fn run(arguments: &[String]) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let metadata = sbom::Metadata::read(&root)?;
    let out = match arguments {
        [] => metadata.target_directory().join("packages"),
        [flag, dir] if flag == "--out" => PathBuf::from(dir),
        _ => return Err("usage: cargo xtask dist [--out DIR]".to_owned()),
    };
    let version = env!("CARGO_PKG_VERSION");
    let epoch = epoch(&root)?;

    let programs = Programs::build(&root, &metadata.target_directory(), GLIBC)?;
    let belay = Elf::read(&programs.belay)?;
    let helper = Elf::read(&programs.helper)?;
    promises(&belay, &helper)?;

    let tree = Tree::of(&root, &programs)?;
    replace_dir(&out)?;
    let name = format!("belay-{version}-x86_64-linux");
    tarball::write(&out, &name, &tree, epoch)?;
    deb::write(&out, version, &tree, &belay, epoch)?;
    write(&out.join(format!("{name}.cdx.json")), sbom::render(&metadata, version)?.as_bytes())?;
    std::fs::copy(&programs.belay, out.join("belay"))
        .and_then(|_| std::fs::copy(&programs.helper, out.join("belay-helper")))
        .map_err(|error| format!("could not copy the programs to {}: {error}", out.display()))?;
    let sums = sums(&out)?;
    write(&out.join("sha256sums.txt"), sums.as_bytes())?;
    Ok(format!("{belay}\n{helper}\n{}:\n{sums}", out.display()))
}

/// What is promised of the two programs (issue 4, "done when" 4).
fn promises(belay: &Elf, helper: &Elf) -> Result<(), String> {
    let mut broken = Vec::new();
    if helper.size > MAX_HELPER {
        broken.push(format!("belay-helper has {} bytes; at most {MAX_HELPER} are promised", helper.size));
    }
    if belay.size > MAX_BELAY {
        broken.push(format!("belay has {} bytes; at most {MAX_BELAY} are promised", belay.size));
    }
    if !helper.is_static() {
        broken.push(format!("belay-helper is not static: {helper}"));
    }
    if belay.glibc.is_some_and(|needs| needs > GLIBC) {
        broken.push(format!("belay needs a newer glibc than {}.{}: {belay}", GLIBC.0, GLIBC.1));
    }
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// The time of every packaged file, in seconds since 1970, so that the same commit gives the same archives:
/// `SOURCE_DATE_EPOCH`, else that of the commit.
fn epoch(root: &Path) -> Result<u64, String> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => said(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root))?,
    };
    text.trim().parse().map_err(|_| format!("`{}` is no time in seconds since 1970", text.trim()))
}

/// `sha256sum`'s own format, sorted by name.
fn sums(dir: &Path) -> Result<String, String> {
    let fail = |error: std::io::Error| format!("could not read {}: {error}", dir.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if entry.file_type().map_err(fail)?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let line = |name: &String| Ok(format!("{}  {name}\n", Digest::of(&read(&dir.join(name))?).hex()));
    names.iter().map(line).collect()
}

/// Makes `dir` anew. Only what an earlier run wrote is taken away: a directory of anything else is refused.
fn replace_dir(dir: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("could not make {}: {error}", dir.display());
    let strange =
        dir.is_dir() && !dir.join("sha256sums.txt").is_file() && std::fs::read_dir(dir).map_err(fail)?.next().is_some();
    if strange {
        return Err(format!("{} holds something else than a release; name an empty directory", dir.display()));
    }
    if dir.is_dir() {
        std::fs::remove_dir_all(dir).map_err(fail)?;
    }
    std::fs::create_dir_all(dir).map_err(fail)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("could not read {}: {error}", path.display()))
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    std::fs::write(path, content).map_err(|error| format!("could not write {}: {error}", path.display()))
}

/// Runs a command whose progress people want to see.
fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?} could not be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}

/// Runs a command for what it says.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?} could not be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{command:?} said something that is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(size: u64, glibc: Option<(u32, u32)>, libraries: &[&str]) -> Elf {
        let needed = libraries.iter().map(|&name| name.to_owned()).collect();
        Elf { name: "x".into(), size, interpreter: !libraries.is_empty(), needed, glibc }
    }

    #[test]
    fn each_broken_promise_is_named() {
        let (good, small) = (elf(20 << 20, Some((2, 31)), &["libc.so.6"]), elf(2 << 20, None, &[]));
        assert_eq!(promises(&good, &small), Ok(()));
        let wrong = promises(&elf(26 << 20, Some((2, 34)), &["libc.so.6"]), &elf(4 << 20, None, &["libc.so.6"]));
        let wrong = wrong.unwrap_err();
        assert_eq!(wrong.lines().count(), 4, "{wrong}");
    }

    #[test]
    fn a_directory_of_something_else_is_never_taken_away() {
        let dir = std::env::temp_dir().join(format!("xtask-dist-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("thesis.txt"), "years of work").unwrap();
        assert!(replace_dir(&dir).unwrap_err().contains("something else"));
        std::fs::write(dir.join("sha256sums.txt"), "").unwrap();
        replace_dir(&dir).unwrap();
        assert_eq!(sums(&dir).unwrap(), "");
        std::fs::write(dir.join("b"), "b").unwrap();
        std::fs::write(dir.join("a"), "a").unwrap();
        let names: Vec<String> = sums(&dir).unwrap().lines().map(|line| line[64..].to_owned()).collect();
        assert_eq!(names, ["  a", "  b"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
