//! Lists `knowledge/rules/*.toml` for the crate, so that a new rule is one new file and nothing to register.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let rules = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("knowledge/rules");
    println!("cargo::rerun-if-changed={}", rules.display());
    let mut files: Vec<PathBuf> =
        fs::read_dir(&rules)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut source = String::from("pub(crate) const RULES: &[(&str, &str)] = &[\n");
    let mut ids =
        String::from("/// The id of every rule that this build carries, sorted.\npub const RULE_IDS: &[&str] = &[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(source, "    ({stem:?}, include_str!({:?})),", file.display().to_string())?;
        writeln!(ids, "    \"belay-{stem}\",")?;
    }
    source.push_str("];\n");
    ids.push_str("];\n");
    source.push_str(&ids);
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("rules.rs"), source)?;
    Ok(())
}
