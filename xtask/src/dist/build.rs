use std::path::{Path, PathBuf};
use std::process::Command;

use super::succeed;

/// The one target that is packaged.
pub(super) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Static. It aborts when it panics, so it needs no tables to unwind by, neither its own nor those of std and glibc, which
/// are a tenth of it each; `./dev` builds the lab's helper with the same. The linker runs in the root of the workspace.
const HELPER_FLAGS: &str = "-C target-feature=+crt-static -C force-unwind-tables=no \
    -C link-arg=-Wl,-z,pack-relative-relocs \
    -C link-arg=-Wl,-O2 -C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,edge/helper/static.ld";
const HELPER_CFLAGS: &str = "-fno-asynchronous-unwind-tables -fno-unwind-tables";

/// The two programs as they are shipped.
pub(super) struct Programs {
    pub belay: PathBuf,
    pub helper: PathBuf,
}

impl Programs {
    /// Builds the static helper, and `belay` against the symbols of `glibc`.
    ///
    /// # Errors
    /// When a build fails, or cargo-zigbuild is not there.
    pub(super) fn build(root: &Path, target_dir: &Path, glibc: (u32, u32)) -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let common = ["--locked", "--target"];
        succeed(
            Command::new(&cargo)
                .arg("build")
                .args(common)
                .args([TARGET, "--profile", "helper", "--bin", "belay-helper"])
                .env("RUSTFLAGS", HELPER_FLAGS)
                .env(format!("CFLAGS_{}", TARGET.replace('-', "_")), HELPER_CFLAGS)
                .current_dir(root),
        )?;
        // Not through `cargo zigbuild`: the cargo that runs this need not be the one that has it in its path.
        succeed(
            Command::new("cargo-zigbuild")
                .arg("zigbuild")
                .args(common)
                .arg(format!("{TARGET}.{}.{}", glibc.0, glibc.1))
                .args(["--profile", "dist", "--bin", "belay"])
                .current_dir(root),
        )
        .map_err(|error| format!("{error}\n./dev dist brings cargo-zigbuild and zig"))?;
        let built = target_dir.join(TARGET);
        Ok(Self { belay: built.join("dist/belay"), helper: built.join("helper/belay-helper") })
    }
}
