use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::Path;

use crate::Places;

/// Names of packages that the system's updates leave as they are, sorted; `None` where it could not be read.
pub(crate) fn package_holds(places: &Places) -> Option<Vec<String>> {
    let mut found = dpkg(&places.dpkg_status)?;
    // dnf 4 has patterns there (`k3s-selinux-0:1.6-1.el9.*`), dnf 5 `name = "k3s-selinux"`, zypper `solvable_name: k3s-selinux`.
    for file in ["dnf/plugins/versionlock.list", "dnf/versionlock.toml", "zypp/locks"] {
        let text = match fs::read_to_string(places.etc.join(file)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(_) => return None,
        };
        let plain = file.ends_with(".list");
        found.extend(text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!'])).filter_map(|line| {
            let named = line.strip_prefix("name").or_else(|| line.strip_prefix("solvable_name"));
            let name =
                if plain { Some(line) } else { named.and_then(|rest| rest.trim_start().strip_prefix(['=', ':'])) };
            name.map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty())
        }));
    }
    found.sort();
    Some(found)
}

/// `Status: hold ok installed` of dpkg's list, which has some megabytes.
fn dpkg(status: &Path) -> Option<Vec<String>> {
    let file = match File::open(status) {
        Ok(file) => file,
        Err(error) => return (error.kind() == ErrorKind::NotFound).then(Vec::new),
    };
    let (mut held, mut package) = (Vec::new(), String::new());
    for line in BufReader::new(file).split(b'\n') {
        let line = line.ok()?;
        if let Some(name) = line.strip_prefix(b"Package: ") {
            package = String::from_utf8_lossy(name).into_owned();
        } else if line.starts_with(b"Status: hold ") {
            held.push(std::mem::take(&mut package));
        }
    }
    Some(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_packages_are_named_and_others_are_not() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        assert_eq!(package_holds(&places), Some(Vec::new()), "no packages are known here");
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let status = "Package: adduser\nStatus: install ok installed\n\nPackage: k3s\nStatus: hold ok installed\n\n\
            Package: curl\nStatus: deinstall ok config-files\nDescription: Status: hold ok\n";
        write(&places.dpkg_status, status);
        assert_eq!(package_holds(&places).unwrap(), ["k3s"]);
        write(&places.etc.join("dnf/plugins/versionlock.list"), "# Added by hand\n!bad-1\nk3s-selinux-0:1.6-1.el9.*\n");
        write(&places.etc.join("dnf/versionlock.toml"), "version = \"1.0\"\n[[packages]]\nname = \"kernel\"\n");
        write(&places.etc.join("zypp/locks"), "\ntype: package\nmatch_type: glob\nsolvable_name: podman\n");
        assert_eq!(package_holds(&places).unwrap(), ["k3s", "k3s-selinux-0:1.6-1.el9.*", "kernel", "podman"]);
    }
}
