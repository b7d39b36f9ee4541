//! Fails on a write to the file system that does not go through `edge/journal/src/durable.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

mod allowed;

use allowed::{ALLOWED, Allowed};

/// What is looked at: every crate that writes what must survive a power cut.
const CRATES: [&str; 5] = ["edge/helper", "edge/runner", "edge/journal", "edge/node", "face/cli"];

/// Functions of `std::fs` and their like that write, by the last word of their path.
const FUNCTIONS: [&str; 19] = [
    "write",
    "rename",
    "copy",
    "hard_link",
    "symlink",
    "soft_link",
    "remove_file",
    "remove_dir",
    "remove_dir_all",
    "create_dir",
    "create_dir_all",
    "set_permissions",
    "renameat",
    "renameat_with",
    "linkat",
    "symlinkat",
    "unlinkat",
    "mkdirat",
    "truncate",
];

/// What such a function hangs on; `write` alone may be anything.
const OWNER: &str = "fs";

/// Associated functions that open a file for writing: `File::create`.
const OPENERS: [(&str, &str); 4] =
    [("File", "create"), ("File", "create_new"), ("File", "options"), ("DirBuilder", "new")];

/// The method that cuts a file, and those with which `OpenOptions` asks for writing.
const METHOD: &str = "set_len";
const ASKS: [&str; 4] = ["write", "append", "create", "create_new"];

/// One call that writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Write {
    file: String,
    /// The function that it stands in; empty outside of one.
    within: String,
    call: String,
}

/// Reads every source of the product and holds its writes against the list of those that are allowed.
///
/// # Errors
/// With one line per write that is not allowed, and per line of the list that allows nothing any more.
pub fn run() -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask lies nowhere")?.to_owned();
    let mut sources = Vec::new();
    for name in CRATES {
        rust_files(&root.join(name).join("src"), &mut sources)?;
    }
    let mut writes = Vec::new();
    for path in &sources {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
        writes.extend(of_source(&name, &text)?);
    }
    let wrong = judged(&writes, &ALLOWED);
    if !wrong.is_empty() {
        let rule =
            "Write through belay_journal::durable, or give the reason in xtask/src/writes/allowed.rs (ADR 0011).";
        return Err(format!("{}\n{rule}", wrong.join("\n")));
    }
    Ok(format!("{} sources, {} writes outside of durable.rs, each with its reason", sources.len(), writes.len()))
}

fn rust_files(dir: &Path, into: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", dir.display()))?.path();
        if path.is_dir() {
            rust_files(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    into.sort();
    Ok(())
}

/// The writes of one file that are no test's.
fn of_source(name: &str, text: &str) -> Result<Vec<Write>, String> {
    let in_a_test = ["tests.rs", "fixture.rs", "seeds.rs"].iter().any(|end| name.ends_with(&format!("/{end}")));
    if name.ends_with("journal/src/durable.rs") || name.contains("/tests/") || in_a_test {
        return Ok(Vec::new());
    }
    let file = syn::parse_file(text).map_err(|error| format!("{name} is no Rust: {error}"))?;
    let mut look =
        Look { file: name.to_owned(), within: String::new(), found: BTreeSet::new(), imported: BTreeSet::new() };
    for item in &file.items {
        if let syn::Item::Use(item) = item {
            look.imports(&item.tree, false);
        }
    }
    look.visit_file(&file);
    Ok(look.found.into_iter().collect())
}

/// Each write that no line allows, and each line that allows nothing.
fn judged(writes: &[Write], allowed: &[Allowed]) -> Vec<String> {
    let allows = |line: &Allowed, write: &Write| write.file == line.file && line.calls.contains(&write.call.as_str());
    let mut wrong: Vec<String> = writes
        .iter()
        .filter(|write| !allowed.iter().any(|line| allows(line, write)))
        .map(|write| format!("{}: `{}` in `{}` writes past durable.rs", write.file, write.call, write.within))
        .collect();
    for line in allowed {
        if line.why.trim().is_empty() {
            wrong.push(format!("{}: it is allowed for no reason", line.file));
        }
        for call in line.calls {
            if !writes.iter().any(|write| write.file == line.file && write.call == *call) {
                wrong.push(format!("{}: the list allows `{call}`, and nothing there does it any more", line.file));
            }
        }
    }
    wrong
}

struct Look {
    file: String,
    within: String,
    found: BTreeSet<Write>,
    /// Functions that are called by their bare name: `use std::os::unix::fs::symlink`.
    imported: BTreeSet<String>,
}

impl Look {
    fn imports(&mut self, tree: &syn::UseTree, in_fs: bool) {
        match tree {
            syn::UseTree::Path(path) => self.imports(&path.tree, in_fs || path.ident == "fs"),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.imports(tree, in_fs)),
            syn::UseTree::Name(name) if in_fs => {
                self.imported.insert(name.ident.to_string());
            }
            // Under another name it would be written past this lint.
            syn::UseTree::Rename(name) if in_fs && FUNCTIONS.contains(&name.ident.to_string().as_str()) => {
                self.write(format!("use … {} as {}", name.ident, name.rename));
            }
            _ => {}
        }
    }

    fn write(&mut self, call: String) {
        self.found.insert(Write { file: self.file.clone(), within: self.within.clone(), call });
    }

    /// Looks at a function under its name.
    fn inside(&mut self, name: &syn::Ident, look: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.within, name.to_string());
        look(self);
        self.within = outside;
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

impl<'a> Visit<'a> for Look {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.inside(&item.sig.ident, |look| visit::visit_item_fn(look, item));
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.inside(&item.sig.ident, |look| visit::visit_impl_item_fn(look, item));
    }

    fn visit_expr_path(&mut self, expression: &'a syn::ExprPath) {
        // A call, or the function handed on: `.map(fs::remove_file)`.
        let words: Vec<String> = expression.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let last = words.last().map_or("", String::as_str);
        let owner = words.len().checked_sub(2).and_then(|at| words.get(at)).map_or("", String::as_str);
        let function =
            FUNCTIONS.contains(&last) && (owner == OWNER || owner.is_empty() && self.imported.contains(last));
        if function || OPENERS.contains(&(owner, last)) {
            let call = if function { last.to_owned() } else { format!("{owner}::{last}") };
            self.write(call);
        }
        visit::visit_expr_path(self, expression);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        let name = call.method.to_string();
        let asks = ASKS.contains(&name.as_str()) && is_true(&call.args) && call.args.len() == 1;
        if name == METHOD {
            self.write(name);
        } else if asks {
            self.write(format!("OpenOptions.{name}"));
        }
        visit::visit_expr_method_call(self, call);
    }
}

fn literal(arguments: &syn::punctuated::Punctuated<syn::Expr, syn::Token![,]>) -> Option<bool> {
    match arguments.first()? {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Bool(value), .. }) => Some(value.value),
        _ => None,
    }
}

fn is_true(arguments: &syn::punctuated::Punctuated<syn::Expr, syn::Token![,]>) -> bool {
    literal(arguments) == Some(true)
}

#[cfg(test)]
mod tests;
