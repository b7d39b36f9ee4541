use belay_facts::Readiness;

use crate::{Api, ClusterError, Read};

const READ: Read = Read::Readyz;
const LONGEST: usize = 256 * 1024;

impl Api {
    /// `/readyz?verbose` of this server, as its administrator. An answer of 5xx with a list of checks is an answer: not
    /// ready, and why. One without a list (K3s says 503 for itself before the apiserver is up) is an error.
    pub async fn readyz(&self) -> Result<Readiness, ClusterError> {
        let (status, text) = self.get(READ.asking(), "/readyz?verbose", LONGEST).await?;
        match parse(status.is_success(), &text) {
            Some(readiness) => Ok(readiness),
            None if status.is_success() => {
                Err(ClusterError::Unreadable { asking: READ.asking().to_owned(), why: "it lists no checks".to_owned() })
            }
            None => Err(ClusterError::of_status(READ.asking(), status.as_u16(), &text).lacking(&READ.right(""))),
        }
    }
}

/// Lines of `[+]etcd ok` and `[-]etcd failed: reason withheld`; `None` when there is none of them.
fn parse(success: bool, text: &str) -> Option<Readiness> {
    let check = |line: &str, mark| -> Option<String> {
        Some(line.strip_prefix(mark)?.split_whitespace().next().unwrap_or_default().to_owned())
    };
    let passing = text.lines().filter(|line| line.starts_with("[+]")).count();
    let failing: Vec<String> = text.lines().filter_map(|line| check(line, "[-]")).collect();
    (passing + failing.len() > 0).then_some(Readiness { ok: success && failing.is_empty(), failing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_k3s_says() {
        let text =
            "[+]ping ok\n[+]etcd ok\n[+]poststarthook/rbac/bootstrap-roles ok\n[+]shutdown ok\nreadyz check passed\n";
        assert_eq!(parse(true, text), Some(Readiness { ok: true, failing: vec![] }));
    }

    #[test]
    fn names_the_checks_that_fail() {
        let text = "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n";
        let failing = vec!["etcd".to_owned(), "poststarthook/rbac/bootstrap-roles".to_owned()];
        assert_eq!(parse(false, text), Some(Readiness { ok: false, failing }));
    }

    #[test]
    fn a_failing_status_is_never_ok() {
        assert_eq!(parse(false, "[+]ping ok\n"), Some(Readiness { ok: false, failing: vec![] }));
    }

    #[test]
    fn something_else_is_no_answer() {
        assert_eq!(parse(true, "<html>ok</html>"), None);
        assert_eq!(parse(false, "apiserver not ready"), None);
    }
}
