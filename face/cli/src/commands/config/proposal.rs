use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use belay_checks::{ConfigEdit, ConfigFix, config_patch};
use belay_facts::{Digest, K3sVersion, NodeFacts};
use belay_report::{Mark, Style};
use serde::Serialize;

use crate::error::CommandError;
use crate::output;

/// Where K3s' own files lie. A proposal never goes there by itself.
const RANCHER: &str = "/etc/rancher";

/// What is proposed for one node, and the files and commands that it comes to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Proposal {
    #[serde(flatten)]
    pub(super) fix: ConfigFix,
    pub(super) files: Vec<ProposedFile>,
    /// Why a file has no patch, so that its edits are made by hand.
    pub(super) unpatched: Vec<String>,
    /// The commands that put the files in place, once they are written.
    pub(super) apply: Vec<String>,
}

/// A file as it would be written below `--out`.
#[derive(Debug, Serialize)]
pub(super) struct ProposedFile {
    name: String,
    text: String,
    /// The file of the node that it becomes, or is a patch of.
    target: String,
}

impl ProposedFile {
    fn is_patch(&self) -> bool {
        self.name.ends_with(".patch")
    }
}

impl Proposal {
    pub(super) fn of(node: &NodeFacts, fix: ConfigFix, to: &K3sVersion) -> Self {
        let mut files = Vec::new();
        let mut unpatched = Vec::new();
        if let Some(drop_in) = &fix.drop_in {
            let name = drop_in.path.rsplit('/').next().map_or_else(|| format!("90-belay-{to}.yaml"), str::to_owned);
            files.push(ProposedFile { name, text: drop_in.text.clone(), target: drop_in.path.clone() });
        }
        let mut by_file: BTreeMap<&str, Vec<&ConfigEdit>> = BTreeMap::new();
        for edit in fix.edits.iter().filter(|edit| edit.source.starts_with('/')) {
            by_file.entry(&edit.source).or_default().push(edit);
        }
        let texts = if by_file.is_empty() { None } else { texts(node) };
        for (file, edits) in by_file {
            let patch = match texts.as_ref().and_then(|texts| texts.get(file)) {
                Some(text) => config_patch(file, text, &edits).map_err(|error| error.to_string()),
                None => Err(format!("{file} as the facts know it is not on this machine")),
            };
            match patch {
                Ok(text) => {
                    let name = format!("{}.patch", file.trim_start_matches('/').replace('/', "-"));
                    files.push(ProposedFile { name, text, target: file.to_owned() });
                }
                Err(why) => unpatched.push(why),
            }
        }
        Self { fix, files, unpatched, apply: Vec::new() }
    }

    /// The patches, and what is done with all of it.
    pub(super) fn show(&self, style: Style) {
        for file in self.files.iter().filter(|file| file.is_patch()) {
            output::print(&style.paragraph(Mark::Known, &format!("{}: a patch, {}", self.fix.node, file.name)));
            for line in file.text.lines() {
                output::print(&format!("    {}\n", style.plain(line)));
            }
        }
        for why in &self.unpatched {
            output::print(&style.paragraph(Mark::Unsure, &format!("{}: no patch: {why}", self.fix.node)));
        }
        if !self.apply.is_empty() {
            output::print(&style.paragraph(Mark::Known, &format!("{}: to apply it there, as root:", self.fix.node)));
            for command in &self.apply {
                output::print(&format!("    {}\n", style.plain(command)));
            }
        }
    }

    /// Writes the files below `out`, and says how they are put in place.
    pub(super) fn write(&mut self, out: &Path, node: &NodeFacts, to: &K3sVersion) -> Result<(), CommandError> {
        if self.files.is_empty() {
            return Ok(());
        }
        let dir = out.join(directory_name(&self.fix.node));
        let own = self.files.iter().filter_map(|file| Path::new(&file.target).parent());
        let real = resolved(&dir);
        if own.chain([Path::new(RANCHER)]).any(|own| real.starts_with(resolved(own))) {
            let why = format!("{} is K3s' own directory: a proposal is not written there", out.display());
            return Err(CommandError::refused(why).hinted("name a directory of yours with --out DIR"));
        }
        let failed = |path: &Path, error: &std::io::Error| {
            let hint = match error.kind() {
                ErrorKind::AlreadyExists => {
                    "it may have been edited, and is not overwritten: move it away, or name another directory: --out DIR"
                }
                _ => "name a directory that you may write: --out DIR",
            };
            CommandError::refused(format!("could not write {}: {error}", path.display())).hinted(hint)
        };
        fs::create_dir_all(&dir).map_err(|error| failed(&dir, &error))?;
        for file in &self.files {
            let path = dir.join(&file.name);
            // Settings are nobody else's business, and a proposal that was edited is not lost.
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            let opened = options.open(&path);
            opened.and_then(|mut made| made.write_all(file.text.as_bytes())).map_err(|error| failed(&path, &error))?;
        }
        self.apply = self.commands(&dir, node, to);
        Ok(())
    }

    fn commands(&self, dir: &Path, node: &NodeFacts, to: &K3sVersion) -> Vec<String> {
        let mut commands = Vec::new();
        for file in &self.files {
            let (from, to) = (quoted(&dir.join(&file.name).to_string_lossy()), quoted(&file.target));
            let backup = quoted(&format!("{}.before-belay", file.target));
            if file.is_patch() {
                commands.push(format!("cp -a -n {to} {backup} && patch {to} < {from}   # back: mv {backup} {to}"));
            } else {
                commands.push(format!("install -D -m 600 {from} {to}   # back: rm {to}"));
            }
        }
        let unit = node.unit.as_ref();
        if self.fix.edits.iter().any(|edit| !edit.source.starts_with('/')) {
            let fragment = unit.map_or("the unit", |unit| unit.fragment.as_str());
            commands.push(format!("cp -a -n {0} {0}.before-belay   # then edit it as said above", quoted(fragment)));
            commands.push("systemctl daemon-reload".to_owned());
        }
        commands.push(format!("systemctl restart {}", quoted(unit.map_or("k3s", |unit| unit.name.as_str()))));
        commands.push(format!("belay config diff --to {to}"));
        commands.push(format!("belay check --to {to}"));
        commands
    }
}

/// The node's configuration files, when this machine has exactly those that the facts were taken from.
fn texts(node: &NodeFacts) -> Option<BTreeMap<String, String>> {
    let mut bytes = Vec::new();
    let mut texts = BTreeMap::new();
    for file in &node.config.files {
        let content = fs::read(file).ok()?;
        bytes.extend_from_slice(&content);
        texts.insert(file.clone(), String::from_utf8(content).ok()?);
    }
    (node.config.digest.as_ref() == Some(&Digest::of(&bytes))).then_some(texts)
}

/// The path with links resolved as far as it is there, so that no link and no `..` leads into K3s' directory.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::from("/");
    for part in absolute.components() {
        match part {
            Component::ParentDir => {
                real.pop();
            }
            Component::Normal(name) => {
                real.push(name);
                real = fs::canonicalize(&real).unwrap_or(real);
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    real
}

/// The node's name as a directory: facts are written by others.
fn directory_name(node: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = node.chars().map(safe).collect();
    if name.is_empty() || name.starts_with('.') { format!("node-{}", name.replace('.', "_")) } else { name }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '+' | '-' | ':' | '@');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
