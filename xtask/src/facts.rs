//! docs/facts.md: every fact that a rule can ask about, in the words of rules, with its shape and where it is read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use syn::{Attribute, Expr, Fields, GenericArgument, Item, ItemStruct, Lit, Meta, PathArguments, Type, Visibility};

mod sources;

use sources::SOURCES;

const CRATE: &str = "core/facts/src";

/// Structs whose fields have a source each, under the name that rules have for them. A field that is one of them is told there.
const TOLD: [(&str, &str); 6] = [
    ("cluster", "ClusterFacts"),
    ("cluster.nodes[]", "KubeNode"),
    ("node", "NodeFacts"),
    ("node.around", "Surroundings"),
    ("node.datastore", "DatastoreFacts"),
    ("node.datastore.etcd", "EtcdFacts"),
];

type Structs = BTreeMap<String, ItemStruct>;

/// The page.
pub fn markdown(root: &Path) -> Result<String, String> {
    let structs = structs(&root.join(CRATE))?;
    let mut text = "# Facts\n\nWhat a check knows, in the words of rules (`when` in `core/checks/knowledge/rules/`, and in bundles). `belay check \
        --save-facts FILE` writes all of it. A fact with a `?` may be missing: then it could not be read, and a rule that asks for it \
        is unknown. Written by `cargo xtask docs` from `core/facts/src/` and `xtask/src/facts/sources.rs`; `node` has some more that is \
        made from these (`core/checks/src/variables.rs`).\n"
        .to_owned();
    for (prefix, name) in TOLD {
        let told = structs.get(name).ok_or_else(|| format!("no struct {name} in {CRATE}"))?;
        let _ = write!(
            text,
            "\n## `{prefix}`\n\n{}\n\n| fact | shape | what it is | where it is read |\n|---|---|---|---|\n",
            docs(&told.attrs)
        );
        for (field, shape, what) in fields(told) {
            let fact = format!("{prefix}.{field}");
            let source = source(&fact).ok_or_else(|| format!("{fact} has no source: xtask/src/facts/sources.rs"))?;
            let _ = writeln!(text, "| `{fact}` | {} | {} | {} |", cell(&shape), cell(&what), cell(source));
        }
    }
    let beside = "\n## `objects` and `manifests`\n\n";
    let _ = write!(text, "{beside}| fact | where it is read |\n|---|---|\n");
    for fact in ["objects", "manifests"] {
        let _ = writeln!(text, "| `{fact}` | {} |", cell(source(fact).ok_or_else(|| format!("{fact} has no source"))?));
    }
    text.push_str("\n## Shapes\n");
    for (name, told) in structs.iter().filter(|(name, _)| TOLD.iter().all(|(_, told)| told != name)) {
        let fields = fields(told);
        if fields.is_empty() {
            continue;
        }
        let _ =
            write!(text, "\n### {name}\n\n{}\n\n| field | shape | what it is |\n|---|---|---|\n", docs(&told.attrs));
        for (field, shape, what) in fields {
            let _ = writeln!(text, "| `{field}` | {} | {} |", cell(&shape), cell(&what));
        }
    }
    Ok(text)
}

fn source(fact: &str) -> Option<&'static str> {
    SOURCES.iter().find(|(of, _)| *of == fact).map(|(_, source)| *source)
}

/// Public structs with names of fields, of the whole crate.
fn structs(dir: &Path) -> Result<Structs, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", dir.display());
    let mut found = Structs::new();
    for entry in std::fs::read_dir(dir).map_err(|error| failed(&error))?.flatten() {
        let text = std::fs::read_to_string(entry.path()).map_err(|error| failed(&error))?;
        for item in syn::parse_file(&text).map_err(|error| failed(&error))?.items {
            match item {
                Item::Struct(told) if matches!(told.vis, Visibility::Public(_)) => {
                    found.insert(told.ident.to_string(), told);
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Name, shape and meaning of each public field.
fn fields(of: &ItemStruct) -> Vec<(String, String, String)> {
    let Fields::Named(named) = &of.fields else { return Vec::new() };
    let public = named.named.iter().filter(|field| matches!(field.vis, Visibility::Public(_)));
    public.filter_map(|field| Some((field.ident.as_ref()?.to_string(), shape(&field.ty), docs(&field.attrs)))).collect()
}

/// `[text]?` of `Option<Vec<String>>`.
fn shape(ty: &Type) -> String {
    let Type::Path(path) = ty else { return String::new() };
    let Some(last) = path.path.segments.last() else { return String::new() };
    let inner: Vec<String> = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(shape(ty)),
                _ => None,
            })
            .collect(),
        PathArguments::None | PathArguments::Parenthesized(_) => Vec::new(),
    };
    let first = inner.first().map_or("", String::as_str);
    match last.ident.to_string().as_str() {
        "Option" => format!("{first}?"),
        "Vec" => format!("[{first}]"),
        "Box" => first.to_owned(),
        "BTreeMap" => format!("{{{}}}", inner.join(": ")),
        "String" => "text".to_owned(),
        "bool" => "yes or no".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "number".to_owned(),
        "Timestamp" => "time".to_owned(),
        other => other.to_owned(),
    }
}

/// The sentences above an item, on one line.
fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`").replace("crate::", "")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fact_has_a_source_and_every_source_a_fact() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let structs = structs(&root.join(CRATE)).unwrap();
        let mut facts: BTreeSet<String> = ["objects".to_owned(), "manifests".to_owned()].into();
        for (prefix, name) in TOLD {
            facts.extend(fields(&structs[name]).into_iter().map(|(field, ..)| format!("{prefix}.{field}")));
        }
        let sources: BTreeSet<String> = SOURCES.iter().map(|(fact, _)| (*fact).to_owned()).collect();
        assert_eq!(sources.len(), SOURCES.len(), "one of them twice");
        let (without, of_none) = (facts.difference(&sources), sources.difference(&facts));
        assert_eq!((without.collect::<Vec<_>>(), of_none.collect::<Vec<_>>()), (vec![], vec![]));
    }

    #[test]
    fn shapes_are_words() {
        for (ty, words) in [
            ("Option<Vec<String>>", "[text]?"),
            ("BTreeMap<String, DiskFacts>", "{text: DiskFacts}"),
            ("jiff::Timestamp", "time"),
            ("Option<Box<Inventory>>", "Inventory?"),
        ] {
            assert_eq!(shape(&syn::parse_str(ty).unwrap()), words);
        }
    }
}
