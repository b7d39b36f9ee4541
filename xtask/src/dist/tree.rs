use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::build::Programs;
use super::{read, said, succeed};

/// What a release consists of besides its two programs is made by `belay` itself.
pub(super) struct Tree {
    pub belay: Vec<u8>,
    pub helper: Vec<u8>,
    pub readme: Vec<u8>,
    pub licence: Vec<u8>,
    /// The rights that a check needs, by their path in the repository: errors name it.
    pub rbac: [(&'static str, Vec<u8>); 2],
    /// Name and text of each page of section 1, by name.
    pub man: Vec<(String, Vec<u8>)>,
    /// Shell and script.
    pub completions: Vec<(&'static str, Vec<u8>)>,
}

/// One file of a package.
pub(super) struct Item {
    /// Inside the package, without a leading slash.
    pub path: String,
    pub mode: u32,
    pub content: Vec<u8>,
}

impl Item {
    pub(super) fn new(path: impl Into<String>, mode: u32, content: &[u8]) -> Self {
        Self { path: path.into(), mode, content: content.to_vec() }
    }
}

impl Tree {
    /// # Errors
    /// When a file is missing, or the built `belay` does not start here.
    pub(super) fn of(root: &Path, programs: &Programs) -> Result<Self, String> {
        let pages = Scratch::new("man")?;
        succeed(Command::new(&programs.belay).arg("man").arg(&pages.0))?;
        let mut man = Vec::new();
        for entry in fs::read_dir(&pages.0).map_err(|error| format!("no man pages: {error}"))?.flatten() {
            man.push((entry.file_name().to_string_lossy().into_owned(), read(&entry.path())?));
        }
        man.sort();
        let script = |shell: &'static str| {
            Ok((shell, said(Command::new(&programs.belay).args(["completion", shell]))?.into_bytes()))
        };
        let of = |path: &'static str| Ok::<_, String>((path, read(&root.join(path))?));
        Ok(Self {
            belay: read(&programs.belay)?,
            helper: read(&programs.helper)?,
            readme: read(&root.join("README.md"))?,
            licence: read(&root.join("LICENSE"))?,
            rbac: [of("docs/rbac/README.md")?, of("docs/rbac/belay-check.yaml")?],
            man,
            completions: ["bash", "zsh", "fish"].into_iter().map(script).collect::<Result<_, String>>()?,
        })
    }
}

/// Writes files below `dir`, every time and mode fixed.
pub(super) fn lay(dir: &Path, items: &[Item], epoch: u64) -> Result<(), String> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
    let fail = |path: &Path, error: std::io::Error| format!("could not write {}: {error}", path.display());
    let mut dirs: Vec<PathBuf> = vec![dir.to_path_buf()];
    for item in items {
        let path = dir.join(&item.path);
        let parents = path.ancestors().skip(1).take_while(|parent| *parent != dir);
        dirs.extend(parents.map(Path::to_path_buf));
        fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(|error| fail(&path, error))?;
        fs::write(&path, &item.content).map_err(|error| fail(&path, error))?;
        settle(&path, item.mode, time).map_err(|error| fail(&path, error))?;
    }
    for dir in dirs {
        settle(&dir, 0o755, time).map_err(|error| fail(&dir, error))?;
    }
    Ok(())
}

fn settle(path: &Path, mode: u32, time: SystemTime) -> std::io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    File::open(path)?.set_modified(time)
}

/// A directory of this process, gone with it.
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("belay-dist-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|error| format!("could not make {}: {error}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind in the temporary directory if it cannot be taken away; nothing depends on it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
