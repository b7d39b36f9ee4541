use std::fs;
use std::io::ErrorKind;

use belay_facts::ModuleFacts;

use crate::Places;

/// What the kernel that runs has loaded, and whether what it can load is there.
pub(crate) fn kernel_modules(places: &Places) -> Option<ModuleFacts> {
    let mut loaded: Vec<String> = match fs::read_to_string(places.proc.join("modules")) {
        Ok(text) => text.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(_) => return None,
    };
    loaded.sort();
    let release = fs::read_to_string(places.proc.join("sys/kernel/osrelease")).ok()?;
    Some(ModuleFacts { loaded, loadable: places.modules.join(release.trim()).join("modules.dep").is_file() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_another_kernel_cannot_be_loaded() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        assert_eq!(kernel_modules(&places), None, "which kernel runs is not known");
        fs::create_dir_all(places.proc.join("sys/kernel")).unwrap();
        fs::write(places.proc.join("sys/kernel/osrelease"), "6.1.0-28-amd64\n").unwrap();
        let mut expected = ModuleFacts { loaded: Vec::new(), loadable: false };
        assert_eq!(kernel_modules(&places), Some(expected.clone()), "a kernel without modules");
        let lines = "vxlan 155648 0 - Live 0x0\nbr_netfilter 36864 0 - Live 0x0\n";
        fs::write(places.proc.join("modules"), lines).unwrap();
        for release in ["6.1.0-31-amd64", "6.1.0-28-amd64"] {
            assert!(!kernel_modules(&places).unwrap().loadable, "before those of {release} are there");
            fs::create_dir_all(places.modules.join(release)).unwrap();
            fs::write(places.modules.join(release).join("modules.dep"), "").unwrap();
        }
        expected = ModuleFacts { loaded: vec!["br_netfilter".into(), "vxlan".into()], loadable: true };
        assert_eq!(kernel_modules(&places), Some(expected));
    }
}
