use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::elf::Elf;
use super::succeed;
use super::tree::{Item, Scratch, Tree, lay};

/// Where `belay` and the boot unit look for a packaged helper: `belay_wire::HELPER_PATH`, which xtask must not see.
const HELPER: &str = "usr/local/lib/belay/belay-helper";

/// Writes `belay_<version>_amd64.deb` with dpkg-deb, which takes times from `SOURCE_DATE_EPOCH`.
///
/// # Errors
/// When it cannot be written, or `belay` needs a library of which no Debian package is known here.
pub(super) fn write(out: &Path, version: &str, tree: &Tree, belay: &Elf, epoch: u64) -> Result<(), String> {
    let scratch = Scratch::new("deb")?;
    let mut items = items(tree);
    let kib = items.iter().map(|item| item.content.len().div_ceil(1024)).sum::<usize>();
    items.push(Item::new("DEBIAN/control", 0o644, control(version, kib, &depends(belay)?).as_bytes()));
    lay(&scratch.0, &items, epoch)?;
    // Policy 12.3: manual pages are compressed, without a time in them.
    for (name, _) in &tree.man {
        let page = scratch.0.join("usr/share/man/man1").join(name);
        succeed(Command::new("gzip").args(["-9", "--no-name"]).arg(page))?;
    }
    succeed(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .arg(&scratch.0)
            .arg(out.join(format!("belay_{version}_amd64.deb")))
            .env("SOURCE_DATE_EPOCH", epoch.to_string())
            .stdout(std::process::Stdio::null()),
    )
}

fn items(tree: &Tree) -> Vec<Item> {
    let mut items = vec![
        Item::new("usr/bin/belay", 0o755, &tree.belay),
        Item::new(HELPER, 0o755, &tree.helper),
        Item::new("usr/share/doc/belay/README.md", 0o644, &tree.readme),
        Item::new("usr/share/doc/belay/copyright", 0o644, &tree.licence),
    ];
    items.extend(tree.rbac.iter().map(|(path, text)| Item::new(format!("usr/share/doc/belay/{path}"), 0o644, text)));
    items.extend(tree.man.iter().map(|(name, page)| Item::new(format!("usr/share/man/man1/{name}"), 0o644, page)));
    items.extend(tree.completions.iter().map(|(shell, script)| {
        let path = match *shell {
            "bash" => "usr/share/bash-completion/completions/belay",
            "zsh" => "usr/share/zsh/vendor-completions/_belay",
            _ => "usr/share/fish/vendor_completions.d/belay.fish",
        };
        Item::new(path, 0o644, script)
    }));
    items
}

/// The packages of the libraries that `belay` links.
fn depends(belay: &Elf) -> Result<String, String> {
    let mut packages = Vec::new();
    for library in &belay.needed {
        let package = match library.as_str() {
            "libgcc_s.so.1" => "libgcc-s1".to_owned(),
            "ld-linux-x86-64.so.2"
            | "libc.so.6"
            | "libdl.so.2"
            | "libm.so.6"
            | "libpthread.so.0"
            | "librt.so.1"
            | "libresolv.so.2"
            | "libutil.so.1" => {
                let (major, minor) = belay.glibc.unwrap_or_default();
                format!("libc6 (>= {major}.{minor})")
            }
            other => return Err(format!("belay links {other}, and no package of it is known (xtask/src/dist/deb.rs)")),
        };
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    packages.sort();
    Ok(packages.join(", "))
}

fn control(version: &str, kib: usize, depends: &str) -> String {
    let mut text = String::new();
    let fields = [
        ("Package", "belay"),
        ("Version", version),
        ("Architecture", "amd64"),
        ("Maintainer", "The Belay authors <belay@localhost>"),
        ("Installed-Size", &kib.to_string()),
        ("Depends", depends),
        ("Suggests", "openssh-client"),
        ("Section", "admin"),
        ("Priority", "optional"),
        ("Description", "Upgrades K3s so that it is never left worse than it was found"),
    ];
    for (name, value) in fields {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    text.push_str(
        " Belay proves, before the first change, that the way forward and the way back\n work; it moves one step at a \
         time behind gates; it survives a kill at any\n instant; and it goes back by itself when a gate says no.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helper_lies_where_belay_looks_for_it() {
        let wire = include_str!("../../../edge/wire/src/lib.rs");
        assert!(wire.contains(&format!("HELPER_PATH: &str = \"/{HELPER}\"")));
    }

    #[test]
    fn a_library_without_a_package_is_refused() {
        let elf = |needed: &[&str]| Elf {
            name: "belay".into(),
            size: 1,
            interpreter: true,
            needed: needed.iter().map(|&name| name.to_owned()).collect(),
            glibc: Some((2, 30)),
        };
        assert_eq!(depends(&elf(&["libm.so.6", "libc.so.6", "libgcc_s.so.1"])).unwrap(), "libc6 (>= 2.30), libgcc-s1");
        assert!(depends(&elf(&["libssl.so.3"])).unwrap_err().contains("libssl.so.3"));
    }

    #[test]
    fn control_is_what_dpkg_reads() {
        let text = control("0.1.0", 21_000, "libc6 (>= 2.30)");
        assert!(text.starts_with("Package: belay\nVersion: 0.1.0\nArchitecture: amd64\n") && text.ends_with(".\n"));
        assert!(text.lines().skip_while(|line| !line.starts_with("Description")).skip(1).all(|l| l.starts_with(' ')));
    }
}
