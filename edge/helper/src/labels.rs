use std::fs;
use std::path::Path;

use belay_facts::SelinuxLabels;
use rustix::fs::getxattr;

use crate::{Installation, Places};

/// How SELinux labels K3s' binary and its process. Called where it enforces.
pub(crate) fn labels(places: &Places, found: Option<&Installation>) -> Option<SelinuxLabels> {
    let unit = &found?.unit;
    let binary = fs::canonicalize(unit.program()?).ok()?;
    let process = places.proc.join(unit.main_pid.to_string()).join("attr/current");
    Some(SelinuxLabels {
        binary: label_of(&binary),
        process: fs::read(process).map(|bytes| text(&bytes)).unwrap_or_default(),
        policy: places.k3s_policy.exists(),
    })
}

/// Empty when it has none.
fn label_of(path: &Path) -> String {
    let mut value = [0_u8; 512];
    match getxattr(path, "security.selinux", &mut value[..]) {
        Ok(length) => text(value.get(..length).unwrap_or_default()),
        Err(_) => String::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\0', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use rustix::fs::{XattrFlags, setxattr};

    use super::*;

    #[test]
    fn the_label_of_a_file_is_read_without_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(label_of(Path::new("/no/such")), "");
        let label = "system_u:object_r:container_runtime_exec_t:s0";
        // Where SELinux is off root may write any; others may not, and the file then has none.
        let written = setxattr(file.path(), "security.selinux", format!("{label}\0").as_bytes(), XattrFlags::empty());
        let expected = if written.is_ok() { label } else { "" };
        assert_eq!(label_of(file.path()), expected);
        assert_eq!(text(b"system_u:system_r:container_runtime_t:s0\0"), "system_u:system_r:container_runtime_t:s0");
    }
}
