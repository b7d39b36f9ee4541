use std::path::{Path, PathBuf};

/// What K3s leaves on every machine that it was started on, whatever its data directory and its unit are called.
const TRACES: [&str; 4] = ["etc/rancher", "var/lib/rancher", "run/k3s", "usr/local/bin/k3s"];

/// Something that says that this machine has, or had, K3s; `None` on a laptop and in a CI. What cannot be looked at is taken as there.
#[must_use]
pub fn trace_of_k3s() -> Option<PathBuf> {
    trace_below(Path::new("/"))
}

fn trace_below(root: &Path) -> Option<PathBuf> {
    TRACES.iter().map(|trace| root.join(trace)).find(|path| path.try_exists().unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_trace_is_one() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(trace_below(root.path()), None);
        let run = root.path().join("run/k3s");
        std::fs::create_dir_all(&run).unwrap();
        assert_eq!(trace_below(root.path()), Some(run));
    }
}
