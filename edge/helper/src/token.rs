//! The server's token: without the one that it was written with, a datastore cannot be decrypted (k3s-facts §2.3).

use std::fs;
use std::path::Path;

use crate::Config;

/// Whether the token in the configuration, if there is one, is that of the `server` directory. Compares passwords:
/// the configuration may hold the bare password, the file holds `K10<hash>::server:<password>`. Never shown.
pub(crate) fn matches(config: &Config, server: &Path) -> Result<(), &'static str> {
    let Some(configured) = configured(config)? else { return Ok(()) };
    let kept = fs::read_to_string(server.join("token")).map_err(|_| "the kept server token could not be read")?;
    if password(&configured) == password(&kept) {
        Ok(())
    } else {
        Err("the token in the configuration is not the one that the kept datastore was written with")
    }
}

/// The token that the next start takes: that of the configuration, else that of the `server` directory.
pub(crate) fn in_effect(config: &Config, server: &Path) -> Result<String, &'static str> {
    match configured(config)? {
        Some(token) => Ok(token),
        None => fs::read_to_string(server.join("token")).map_err(|_| "the server token could not be read"),
    }
}

/// A file goes before the token itself (K3s `pkg/cli/server`), and an empty one counts as none.
fn configured(config: &Config) -> Result<Option<String>, &'static str> {
    let token = match (config.last("token-file"), config.last("token")) {
        (Some(file), _) if !file.is_empty() => {
            fs::read_to_string(file).map_err(|_| "the token file of the configuration could not be read")?
        }
        (_, Some(token)) => token.to_owned(),
        _ => return Ok(None),
    };
    Ok(Some(token).filter(|token| !token.trim().is_empty()))
}

/// The password of a token, as K3s takes it from either form (`pkg/clientaccess`, parseToken): what is no `K10…` is all of it
/// password.
pub(crate) fn password(token: &str) -> &str {
    let token = token.trim();
    let Some(rest) = token.strip_prefix("K10") else { return token };
    let login = rest.split_once("::").map_or(rest, |(_, login)| login);
    login.split_once(':').map_or(login, |(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Places;
    use crate::unit::Unit;

    #[test]
    fn the_password_is_compared_whatever_its_form() {
        for token in ["K10abc::server:s3cret\n", "s3cret", "K10abc::node:s3cret", "K10::server:s3cret"] {
            assert_eq!(password(token), "s3cret");
        }
        assert_eq!(password("a:b::c"), "a:b::c");
    }

    #[test]
    fn a_bare_token_that_looks_like_a_login_was_cut_to_its_second_half() {
        assert_eq!(password("server:s3cret"), "server:s3cret");
        assert_eq!(password("K10abc::server:server:s3cret"), "server:s3cret");
    }

    #[test]
    fn a_token_file_did_not_go_before_a_token_as_in_k3s() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let file = root.path().join("token-file");
        fs::write(&file, "from-file\n").unwrap();
        let with = |exec: &str| {
            let exec = exec.split(' ').map(str::to_owned).collect();
            in_effect(&Config::read(&places, &Unit { exec, ..Unit::default() }), root.path())
        };
        let both = format!("k3s server --token bare --token-file {}", file.display());
        assert_eq!(with(&both).as_deref(), Ok("from-file\n"));
        assert_eq!(with("k3s server --token bare").as_deref(), Ok("bare"));
        assert!(with("k3s server").is_err());
        fs::write(root.path().join("token"), "K10abc::server:kept\n").unwrap();
        assert_eq!(with("k3s server").as_deref(), Ok("K10abc::server:kept\n"));
    }
}
