use std::path::Path;
use std::time::Duration;

use belay_facts::Digest;
use belay_wire::HELPER_PATH;

use super::error::shown;
use super::{ASK, Ssh, SshError};
use crate::LinkError;
use crate::link::find_helper;

/// The helper is 3 MB: enough for a line of 50 kB/s.
const UPLOAD: Duration = Duration::from_secs(120);

/// Owner, mode and digest of what is there. Only root may be able to change what root will run.
const LOOK: &str = r#"if [ -f "$1" ]; then stat -Lc '%u %a' -- "$1"; sha256sum <"$1"; fi"#;

/// Written beside, proven, renamed: the path names a whole helper at every moment, and never one that was not proven.
const PUT: &str = r#"set -eu; umask 022; d=${1%/*}; mkdir -p -- "$d"; find "$d" -maxdepth 1 -name '.belay-helper.*' -mmin +60 -delete || true; t=$(mktemp "$d/.belay-helper.XXXXXX"); trap 'rm -f -- "$t"' EXIT; cat >"$t"; h=$(sha256sum <"$t"); [ "${h%% *}" = "$2" ] || { echo "it arrived as ${h%% *} instead of $2" >&2; exit 65; }; chown 0:0 "$t"; chmod 0755 "$t"; sync; mv -f -- "$t" "$1"; sync"#;

impl Ssh {
    /// Makes sure that the helper on the node is this coordinator's own, byte for byte.
    pub(super) async fn install(&self) -> Result<(), SshError> {
        let says = |says: String| SshError::Upload { to: self.to.clone(), path: HELPER_PATH, says };
        let path = find_helper().map_err(|error: LinkError| says(error.to_string()))?;
        let read = tokio::fs::read(&path).await;
        let helper = read.map_err(|error| says(format!("{} could not be read: {error}", path.display())))?;
        self.ensure_fits(&path, &helper)?;
        let digest = Digest::of(&helper).to_string();
        let digest = digest.strip_prefix("sha256:").unwrap_or(&digest);
        let there = self.as_root(LOOK, &[HELPER_PATH], None, ASK).await?;
        if there.code != 0 {
            return Err(says(format!("it could not be looked at: {}", shown(&there.err))));
        }
        let words: Vec<&str> = there.out.split_whitespace().take(3).collect();
        if words == ["0", "755", digest] {
            return Ok(());
        }
        let put = self.as_root(PUT, &[HELPER_PATH, digest], Some(&helper), UPLOAD).await?;
        if put.code == 0 { Ok(()) } else { Err(says(shown(&put.err))) }
    }

    /// A helper for another machine would be a riddle for whoever reads `Exec format error`.
    fn ensure_fits(&self, path: &Path, helper: &[u8]) -> Result<(), SshError> {
        let ours = match helper.get(18..20) {
            Some([62, 0]) => "x86_64",
            Some([183, 0]) => "aarch64",
            Some([40, 0]) => "armv7l",
            _ => return Ok(()),
        };
        if ours == self.machine {
            return Ok(());
        }
        Err(SshError::Arch {
            to: self.to.clone(),
            path: path.display().to_string(),
            ours,
            theirs: shown(&self.machine),
        })
    }
}
