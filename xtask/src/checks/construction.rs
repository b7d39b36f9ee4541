use std::fs;
use std::path::Path;

/// A failure that no rule looks for, because Belay cannot bring it about or refuses such a cluster as a whole. A test holds what
/// prevents it.
pub struct Prevented {
    pub case: &'static str,
    pub how: &'static str,
    pub file: &'static str,
    pub test: &'static str,
}

/// In the order of their numbers.
pub const PREVENTED: [Prevented; 10] = [
    Prevented {
        case: "F006",
        how: "the sum is found by the exact name of the file; what is not what its sum says is never kept, and never run",
        file: "edge/runner/src/vault/release.rs",
        test: "what_is_not_what_its_sum_says_never_enters_the_cache",
    },
    Prevented {
        case: "F017",
        how: "names are exchanged; the file that runs is never written into, and every step can be asked for twice",
        file: "edge/helper/src/tests/exchange.rs",
        test: "a_swap_exchanges_names_and_never_writes_into_the_file_that_runs",
    },
    Prevented {
        case: "F019",
        how: "an artifact counts by its length and its hash, read again from the disk",
        file: "edge/helper/src/tests/stage.rs",
        test: "truncated_endless_and_mislabelled_artifacts_are_refused_and_leave_nothing",
    },
    Prevented {
        case: "F065",
        how: "a backup holds token and keys beside the datastore, and gets its receipt when they open it; SQL servers are refused",
        file: "edge/helper/src/tests/backup.rs",
        test: "a_receipt_says_decrypts_only_where_the_saved_token_opens_the_cluster_keys",
    },
    Prevented {
        case: "F073",
        how: "refused: with one member nothing can diverge, and several are not changed by this version",
        file: "edge/helper/src/tests/etcd.rs",
        test: "several_members_are_refused_by_name",
    },
    Prevented {
        case: "F089",
        how: "no step removes a datastore: the two states of a server are exchanged, and the other one stays beside it",
        file: "edge/helper/src/tests/restore.rs",
        test: "a_restore_is_put_back_to_the_present_exactly",
    },
    Prevented {
        case: "F096",
        how: "refused: MySQL and PostgreSQL, whose ids end at 2,147,483,647, are not changed by this version",
        file: "core/checks/tests/checks/check.rs",
        test: "what_belay_cannot_do_cannot_be_accepted",
    },
    Prevented {
        case: "F123",
        how: "no script of K3s is run; what is removed is a leftover of Belay's own, whatever was asked for",
        file: "xtask/src/checks/construction.rs",
        test: "the_product_starts_no_script_of_k3s_and_no_kubectl",
    },
    Prevented {
        case: "F147",
        how: "one type holds a version, and each place that needs it in another form converts it",
        file: "core/facts/src/version.rs",
        test: "a_tag_reads_back_as_itself",
    },
    Prevented {
        case: "F164",
        how: "nothing is drained, pods outlive the restart of K3s, and no kubectl is run but the new version's own for its extraction",
        file: "xtask/src/checks/construction.rs",
        test: "the_product_starts_no_script_of_k3s_and_no_kubectl",
    },
];

/// The table, for `docs/risks.md`.
///
/// # Errors
/// When a test that it names is not there any more: then nothing holds what it says.
pub fn markdown() -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let gone = gone(&PREVENTED, |file| fs::read_to_string(root.join(file)).unwrap_or_default());
    if !gone.is_empty() {
        return Err(gone.join("\n"));
    }
    let rows = PREVENTED
        .iter()
        .map(|Prevented { case, how, file, test }| format!("| {case} | {how} | [`{test}`](../{file}) |\n"));
    Ok(format!("| case | how | held by |\n|---|---|---|\n{}", rows.collect::<String>()))
}

/// One line per test that is not there.
fn gone(prevented: &[Prevented], read: impl Fn(&str) -> String) -> Vec<String> {
    let lacking = prevented.iter().filter(|one| !has_test(&read(one.file), one.test));
    lacking.map(|one| format!("{}: {} has no test `{}`", one.case, one.file, one.test)).collect()
}

/// A function of that name, marked as a test, or one that proptest makes one of.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.trim_start().trim_start_matches("async ").starts_with(&format!("fn {name}(")));
    let before = at.and_then(|at| lines.get(at.saturating_sub(4)..at)).unwrap_or_default();
    before.iter().any(|line| line.contains("#[test]") || line.contains("#[tokio::test"))
        && !before.iter().any(|l| l.contains("#[ignore"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_test_that_is_gone_or_is_none_any_more_is_named() {
        let one = [Prevented { case: "F001", how: "so", file: "a.rs", test: "it_holds" }];
        let with = |text: &str| gone(&one, |_| text.to_owned());
        assert_eq!(with("#[test]\nfn it_holds() {}\n"), [""; 0]);
        assert_eq!(with("#[tokio::test]\n    async fn it_holds() {}\n"), [""; 0]);
        for text in
            ["", "fn it_holds() {}\n", "#[test]\nfn it_holds_no_more() {}\n", "#[test]\n#[ignore]\nfn it_holds() {}\n"]
        {
            assert_eq!(with(text), ["F001: a.rs has no test `it_holds`"], "{text}");
        }
    }

    #[test]
    fn each_case_is_there_once_and_its_test_too() {
        assert!(PREVENTED.windows(2).all(|pair| pair[0].case < pair[1].case), "sorted, each once");
        assert!(markdown().is_ok(), "{:?}", markdown());
    }

    fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "tests" && name != "examples") {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }

    /// F123: an uninstall script removed a user's data; F164: `kubectl drain` no longer knew a flag. What Belay starts is K3s
    /// itself, systemd's programs, and its own helper; so neither script nor drain can come in unnoticed.
    #[test]
    fn the_product_starts_no_script_of_k3s_and_no_kubectl() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        for floor in ["core", "edge", "face"] {
            sources(&root.join(floor), &mut files);
        }
        files.retain(|file| !file.starts_with(root.join("edge/sim")));
        let mut started = BTreeSet::new();
        for file in &files {
            let text = fs::read_to_string(file).unwrap();
            let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            for after in product.split("Command::new(").skip(1) {
                started.insert(after.split(')').next().unwrap().to_owned());
            }
            for gone in ["k3s-killall", "k3s-uninstall", "k3s-agent-uninstall", "\"drain\""] {
                let line = product.lines().find(|line| line.contains(gone) && !line.trim_start().starts_with("//"));
                assert_eq!(line, None, "{}", file.display());
            }
        }
        let known =
            ["&path", "&places.journalctl", "&places.systemctl", "&places.timedatectl", "&resolved", "binary", "slot"];
        assert_eq!(
            started.iter().map(String::as_str).collect::<Vec<_>>(),
            known,
            "what is new here, is it run on a node?"
        );
    }
}
