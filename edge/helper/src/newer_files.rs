use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::{Installation, Now, Places};

/// K3s reads its files in the first moments of its life, and the clocks of files and of systemd do not tick together.
const MARGIN: Duration = Duration::from_secs(2);

/// Files that were written after the unit's last start had begun, so that its next one need not be like it.
///
/// Not among them are a file that was removed, one whose time somebody set back, and the unit with the files of its environment:
/// install.sh writes those anew each time, and starts K3s only where they are others (`service_enable_and_start`).
pub(crate) struct NewerFiles {
    /// K3s' own: `config.yaml`, its drop-ins, `registries.yaml`.
    pub config: Vec<String>,
    /// Of the unit: what an administrator laid beside it.
    pub drop_ins: Vec<String>,
}

impl NewerFiles {
    /// `None` where the unit is not active.
    pub(crate) fn find(places: &Places, found: &Installation) -> Option<Self> {
        let elapsed = clock_gettime(ClockId::Monotonic);
        let elapsed = Duration::new(u64::try_from(elapsed.tv_sec).ok()?, u32::try_from(elapsed.tv_nsec).ok()?);
        let after = began(&Now::read(places), elapsed, found.unit.began?)? + MARGIN;
        let registries = found.config.last("private-registry").filter(|path| !path.is_empty());
        let registries = registries.map_or_else(|| places.etc.join("rancher/k3s/registries.yaml"), PathBuf::from);
        let own = found.config.files().iter().map(PathBuf::from).chain([registries]);
        // What a package brings has the time at which it was built.
        let drop_ins =
            found.unit.drop_ins.iter().filter(|path| !path.ends_with(belay_wire::INTERLOCK)).map(PathBuf::from);
        let drop_ins = drop_ins.filter(|path| path.starts_with(&places.etc) || path.starts_with(&places.run));
        Some(Self { config: newer(own, after), drop_ins: newer(drop_ins, after) })
    }
}

fn newer(files: impl Iterator<Item = PathBuf>, than: Duration) -> Vec<String> {
    let files = files.filter(|path| written(path).is_some_and(|at| at > than));
    files.map(|path| path.to_string_lossy().into_owned()).collect()
}

/// When it began, since 1970, by the wall clock of now. `began` and `elapsed` are of the same clock.
fn began(now: &Now, elapsed: Duration, began: Duration) -> Option<Duration> {
    Duration::from_millis(now.wall).checked_sub(elapsed.checked_sub(began)?)
}

fn written(path: &Path) -> Option<Duration> {
    let meta = fs::metadata(path).ok()?;
    Some(Duration::from_secs(u64::try_from(meta.mtime()).ok()?))
}

#[cfg(test)]
mod tests {
    use belay_facts::Span;

    use super::*;

    #[test]
    fn the_start_is_told_by_the_wall_clock_of_now() {
        let now = Now { wall: 1_795_000_000_000, uptime: Span::ZERO, boot_id: String::new() };
        let (elapsed, at) = (Duration::from_secs(1000), Duration::from_secs(400));
        assert_eq!(began(&now, elapsed, at), Some(Duration::from_secs(1_795_000_000 - 600)));
        assert_eq!(began(&now, at, elapsed), None, "two clocks");
    }

    #[test]
    fn only_what_was_written_later_is_newer() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, at: u64| {
            let path = dir.path().join(name);
            let file = fs::File::create(&path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(at)).unwrap();
            path
        };
        let files = [file("old", 999), file("same", 1000), file("new", 1001), dir.path().join("none")];
        let new = files.iter().find(|path| path.ends_with("new")).map(|path| path.display().to_string());
        assert_eq!(newer(files.iter().cloned(), Duration::from_secs(1000)), Vec::from_iter(new));
    }
}
