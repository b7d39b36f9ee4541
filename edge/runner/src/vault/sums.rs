use belay_facts::Digest;

use super::VaultError;

/// Finds the sum of `name` in a `sha256sum-<arch>.txt`: lines of 64 hex digits, spaces, name. By name, never by line
/// number, because K3s changes the order (k3s-facts §3.1).
///
/// # Errors
/// When the text is no such list, or does not name the file.
pub(super) fn find(text: &str, name: &str, origin: &str) -> Result<Digest, VaultError> {
    let mut found = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let entry =
            line.split_once(char::is_whitespace).map(|(sum, file)| (sum, file.trim_start().trim_start_matches('*')));
        let parsed = entry.and_then(|(sum, file)| Some((sum.parse::<Digest>().ok()?, file)));
        let Some((digest, file)) = parsed else {
            let begins = line.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(VaultError::NoSums { origin: origin.to_owned(), begins });
        };
        if file == name {
            found = Some(digest);
        }
    }
    found.ok_or_else(|| VaultError::NotListed { origin: origin.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_found_by_name() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let text = format!("{}  k3s-airgap-images-amd64.tar\n{}  k3s\n", a.hex(), b.hex());
        assert_eq!(find(&text, "k3s", "x").unwrap(), b);
        assert_eq!(find(&format!("{} *k3s\n", a.hex()), "k3s", "x").unwrap(), a);
        assert!(matches!(find(&text, "k3s-arm64", "x"), Err(VaultError::NotListed { .. })));
        assert!(matches!(find("", "k3s", "x"), Err(VaultError::NotListed { .. })));
    }

    #[test]
    fn a_web_page_is_no_list_of_sums() {
        let page = "<!DOCTYPE html>\n<html>Not found</html>";
        let error = find(page, "k3s", "https://mirror/x").unwrap_err();
        assert!(error.to_string().contains("<!DOCTYPE html>"), "{error}");
    }
}
