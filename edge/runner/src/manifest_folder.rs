//! Folders of manifests on the machine of whoever asks: read as they lie there, nothing is rendered and nothing is followed out
//! of them. Whoever can write into a repository can write anything into it, so everything has a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use belay_facts::{ManifestFolder, UnreadFile, WrittenApi, WrittenPlace};
use belay_manifests::{Templated, Written};
use rustix::fs::{Mode, OFlags};

use crate::RunError;

/// The longest file that is looked into; rendered charts of everything in a cluster are some megabytes.
const LONGEST: u64 = 8 * 1024 * 1024;
/// How deep, how many files and directories, and how much of them together.
const DEEPEST: usize = 40;
const MOST: usize = 100_000;
const ALL: u64 = 1024 * 1024 * 1024;
/// So many files that could not be read are named.
const UNREAD: usize = 2000;

/// What version control keeps for itself.
const NOT_OURS: [&str; 4] = [".git", ".hg", ".svn", ".jj"];
const ENDS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads one folder, or one file. What cannot be read in it is a part of what is told.
///
/// # Errors
/// When there is no such folder.
pub fn manifest_folder(dir: &Path) -> Result<ManifestFolder, RunError> {
    let why = |source| RunError::Manifests { path: dir.display().to_string(), source };
    let root = fs::canonicalize(dir).map_err(why)?;
    if root.is_dir() {
        fs::read_dir(&root).map_err(why)?;
    }
    let mut reading = Reading { root, named: dir.to_owned(), ..Reading::default() };
    reading.walk();
    Ok(reading.finish())
}

#[derive(Default)]
struct Reading {
    root: PathBuf,
    /// As somebody named it.
    named: PathBuf,
    files: u64,
    bytes: u64,
    objects: u64,
    /// Count and places, by version and kind.
    apis: BTreeMap<(String, String), (u64, Vec<WrittenPlace>)>,
    unread: Vec<UnreadFile>,
}

impl Reading {
    fn walk(&mut self) {
        // A part of a chart may be named as well.
        let in_chart = self.root.ancestors().skip(1).take(2).any(|above| above.join("Chart.yaml").is_file());
        let mut open = vec![(PathBuf::new(), in_chart)];
        let mut seen = 0_usize;
        // The last is the next: directories are walked in the order of their names.
        while let Some((below, in_chart)) = open.pop() {
            let path = self.path(&below);
            seen = seen.saturating_add(1);
            if seen > MOST {
                return self.fail(&below, 0, format!("more than {MOST} files: the rest was not read"));
            }
            let Ok(meta) = fs::symlink_metadata(&path) else {
                self.fail(&below, 0, "it is gone, or may not be read".to_owned());
                continue;
            };
            if meta.is_symlink() {
                self.link(&below, in_chart);
            } else if meta.is_dir() {
                if below.components().count() > DEEPEST {
                    self.fail(&below, 0, format!("deeper than {DEEPEST} directories"));
                    continue;
                }
                let in_chart = in_chart || path.join("Chart.yaml").is_file();
                match names(&path) {
                    Ok(names) => {
                        let ours = names.into_iter().rev().filter(|name| !NOT_OURS.contains(&name.as_str()));
                        open.extend(ours.map(|name| (below.join(name), in_chart)));
                    }
                    Err(error) => self.fail(&below, 0, error.to_string()),
                }
            } else if is_manifest(&path) || below.as_os_str().is_empty() {
                if meta.is_file() {
                    self.file(&below, in_chart);
                } else {
                    let what = if meta.file_type().is_fifo() { "a pipe" } else { "no regular file" };
                    self.fail(&below, 0, format!("it is {what}"));
                }
            }
        }
    }

    /// A link is read where it leads, if that is a part of the folder: then it is read there by its own name.
    fn link(&mut self, below: &Path, in_chart: bool) {
        let path = self.path(below);
        match fs::canonicalize(&path) {
            Ok(to) if to.starts_with(&self.root) => {
                let is_own = to.is_dir() || is_manifest(&to);
                if !is_own
                    && is_manifest(&path)
                    && let Ok(own) = to.strip_prefix(&self.root)
                {
                    self.file(own, in_chart);
                }
            }
            Ok(_) => self.fail(below, 0, "a link that leads out of the folder is not followed".to_owned()),
            Err(_) if is_manifest(&path) => self.fail(below, 0, "a link that leads nowhere".to_owned()),
            Err(_) => {}
        }
    }

    fn file(&mut self, below: &Path, in_chart: bool) {
        let text = match self.text(below) {
            Ok(text) => text,
            Err(why) => return self.fail(below, 0, why),
        };
        self.files = self.files.saturating_add(1);
        if text.starts_with("$ANSIBLE_VAULT") {
            return self.fail(below, 0, "it is encrypted (Ansible vault)".to_owned());
        }
        // Whatever it is, it names no API.
        if !text.contains("apiVersion") {
            return;
        }
        let templates = self.path(below).components().any(|part| part.as_os_str() == "templates");
        let has_actions = text.contains("{{") || text.contains("{%");
        // JSON may be indented by tabs, which YAML does not take.
        let is_json = below.extension().is_some_and(|end| end == "json");
        let yaml = if is_json { text.replace('\t', " ") } else { text };
        match Written::all(&yaml) {
            Ok(objects) if !(has_actions && in_chart && templates) => self.take(below, objects, false),
            Err(error) if !has_actions => self.fail(below, error.line, "it is not YAML".to_owned()),
            _ => {
                let read = Templated::read(&yaml);
                self.take(below, read.objects, true);
                for line in read.computed {
                    self.fail(below, line, "the template computes which API it uses".to_owned());
                }
            }
        }
    }

    fn text(&mut self, below: &Path) -> Result<String, String> {
        // What was a file a moment ago may be a link or a pipe now: neither is opened, nor waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = self.path(below);
        let file = rustix::fs::open(&path, flags, Mode::empty()).map(File::from).map_err(|error| error.to_string())?;
        let meta = file.metadata().map_err(|error| error.to_string())?;
        if !meta.is_file() {
            return Err("it is no regular file".to_owned());
        }
        if meta.len() > LONGEST {
            return Err(format!("it has {} bytes; up to {LONGEST} are read", meta.len()));
        }
        if self.bytes.saturating_add(meta.len()) > ALL {
            return Err(format!("the folder has more than {ALL} bytes of manifests"));
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if bytes.len() as u64 > LONGEST || bytes.contains(&0) {
            return Err("it is binary, or grows while it is read".to_owned());
        }
        String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
    }

    fn take(&mut self, below: &Path, objects: Vec<Written>, template: bool) {
        let file = self.shown(below);
        self.objects = self.objects.saturating_add(objects.len() as u64);
        for Written { line, api_version, kind, name } in objects {
            // An action where a version should be was no template's own text.
            if api_version.contains("{{") || kind.contains("{{") {
                self.fail(below, line, "the template computes which API it uses".to_owned());
                continue;
            }
            let (count, places) = self.apis.entry((api_version, kind)).or_default();
            *count = count.saturating_add(1);
            if places.len() < WrittenApi::KEPT {
                places.push(WrittenPlace { file: file.clone(), line, name, template });
            }
        }
    }

    /// The root itself may be a file, which takes no slash behind it.
    fn path(&self, below: &Path) -> PathBuf {
        if below.as_os_str().is_empty() { self.root.clone() } else { self.root.join(below) }
    }

    /// As it is found from where the folder was named.
    fn shown(&self, below: &Path) -> String {
        let path = if below.as_os_str().is_empty() { self.named.clone() } else { self.named.join(below) };
        path.strip_prefix(".").unwrap_or(&path).to_string_lossy().into_owned()
    }

    fn fail(&mut self, below: &Path, line: u32, why: String) {
        let file = self.shown(below);
        match self.unread.len() {
            ..UNREAD => self.unread.push(UnreadFile { file, line, why }),
            UNREAD => self.unread.push(UnreadFile { file, line, why: format!("{why}; more are not named") }),
            _ => {}
        }
    }

    fn finish(mut self) -> ManifestFolder {
        self.unread.sort();
        self.unread.dedup();
        let api = |((api_version, kind), (count, mut places)): ((String, String), (u64, Vec<WrittenPlace>))| {
            places.sort();
            WrittenApi { api_version, kind, count, places }
        };
        ManifestFolder {
            dir: self.named.to_string_lossy().into_owned(),
            files: self.files,
            objects: self.objects,
            apis: self.apis.into_iter().map(api).collect(),
            unread: self.unread,
        }
    }
}

fn names(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir)?.take(MOST) {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names.into_iter().collect())
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(|end| end.to_str()).is_some_and(|end| ENDS.contains(&end.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests;
