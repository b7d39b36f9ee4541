use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::{Installation, Now, Places};

/// K3s reads its files in the first moments of its life, and the clocks of files and of systemd do not tick together.
const MARGIN: Duration = Duration::from_secs(2);

/// Files that were written after the unit's last start had begun, so that its next one need not be like it.
///
/// Not among them are a file that was removed, one whose time somebody set back, and the unit with the files of its environment:
/// install.sh writes those anew each time, and starts K3s only where they are others (`service_enable_and_start`).
#[derive(Default)]
pub(crate) struct NewerFiles {
    /// K3s' own: `config.yaml`, its drop-ins, `registries.yaml`. `None` where the unit is not active.
    pub config: Option<Vec<String>>,
    /// Of the unit: what an administrator laid beside it. None where it is not active, `None` where nobody can tell.
    pub drop_ins: Option<Vec<String>>,
}

impl NewerFiles {
    pub(crate) fn find(places: &Places, found: &Installation) -> Self {
        let Some(after) = since(places, found) else {
            return Self { config: None, drop_ins: found.unit.began.is_none().then(Vec::new) };
        };
        let mut config = found.config.files().to_vec();
        config.push(match found.config.last("private-registry").filter(|path| !path.is_empty()) {
            Some(named) => named.to_owned(),
            None => places.etc.join("rancher/k3s/registries.yaml").to_string_lossy().into_owned(),
        });
        config.retain(|path| is_newer(path, after));
        let mut drop_ins = found.unit.drop_ins.clone();
        // What a package brings has the time at which it was built.
        drop_ins.retain(|path| {
            let own = Path::new(path).starts_with(&places.etc) || Path::new(path).starts_with(&places.run);
            own && !path.ends_with(belay_wire::INTERLOCK) && is_newer(path, after)
        });
        Self { config: Some(config), drop_ins: Some(drop_ins) }
    }
}

/// When the last start began, with the margin. After a suspend it seems to be later than it was.
fn since(places: &Places, found: &Installation) -> Option<Duration> {
    let elapsed = clock_gettime(ClockId::Monotonic);
    let elapsed = Duration::new(u64::try_from(elapsed.tv_sec).ok()?, u32::try_from(elapsed.tv_nsec).ok()?);
    began(&Now::read(places), elapsed, found.unit.began?).map(|at| at + MARGIN)
}

/// The times of a file are whole seconds on some file systems.
fn is_newer(path: &str, than: Duration) -> bool {
    let written = fs::metadata(path).ok().and_then(|meta| u64::try_from(meta.mtime()).ok());
    written.is_some_and(|at| Duration::from_secs(at) > than)
}

/// When it began, since 1970, by the wall clock of now. `began` and `elapsed` are of the same clock.
fn began(now: &Now, elapsed: Duration, began: Duration) -> Option<Duration> {
    Duration::from_millis(now.wall).checked_sub(elapsed.checked_sub(began)?)
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
        for (name, at, newer) in [("old", 999, false), ("same", 1000, false), ("new", 1001, true)] {
            assert_eq!(is_newer(&file(name, at).to_string_lossy(), Duration::from_secs(1000)), newer, "{name}");
        }
        assert!(!is_newer("/none", Duration::ZERO));
    }
}
