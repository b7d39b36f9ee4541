//! The server's token: without the one that it was written with, a datastore cannot be decrypted (k3s-facts §2.3).

use std::fs;
use std::path::Path;

use crate::Config;

/// Whether the token in the configuration, if there is one, is that of the `server` directory. Compares passwords:
/// the configuration may hold the bare password, the file holds `K10<hash>::server:<password>`. Never shown.
pub(crate) fn matches(config: &Config, server: &Path) -> Result<(), &'static str> {
    let configured = match (config.last("token"), config.last("token-file")) {
        (Some(token), _) if !token.is_empty() => token.to_owned(),
        (_, Some(file)) if !file.is_empty() => {
            fs::read_to_string(file).map_err(|_| "the token file of the configuration could not be read")?
        }
        _ => return Ok(()),
    };
    let kept = fs::read_to_string(server.join("token")).map_err(|_| "the kept server token could not be read")?;
    if password(&configured) == password(&kept) {
        Ok(())
    } else {
        Err("the token in the configuration is not the one that the kept datastore was written with")
    }
}

/// The password of a token in any of its forms.
pub(crate) fn password(token: &str) -> &str {
    let token = token.trim();
    let token = if token.starts_with("K10") { token.split_once("::").map_or(token, |(_, rest)| rest) } else { token };
    token.split_once("server:").filter(|(before, _)| before.is_empty()).map_or(token, |(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn the_password_is_compared_whatever_its_form() {
        for token in ["K10abc::server:s3cret\n", "s3cret", "server:s3cret"] {
            assert_eq!(password(token), "s3cret");
        }
        assert_eq!(password("a:b::c"), "a:b::c");
    }
}
