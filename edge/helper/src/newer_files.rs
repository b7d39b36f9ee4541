use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Installation, Now, Places};

/// Ticks a second, as Linux tells them to programs on every architecture that K3s is built for (`USER_HZ`).
const TICKS: u64 = 100;
/// K3s reads its files in the first moments of its life, and the clocks of files and of processes do not tick together.
const MARGIN: Duration = Duration::from_secs(2);

/// Files of K3s' configuration that were written after the process of `start_ticks` had started; `None` where the two clocks do not fit
/// together, as in some containers. Not among them are a file that was removed, one whose time somebody set back, and the unit with its
/// environment: install.sh writes those anew each time, and starts K3s only where they are others (`service_enable_and_start`).
pub(crate) fn newer_files(places: &Places, found: &Installation, start_ticks: u64) -> Option<Vec<String>> {
    let started = started(&Now::read(places), start_ticks)? + MARGIN;
    let mut files: Vec<PathBuf> = found.config.files().iter().map(PathBuf::from).collect();
    files.push(
        found
            .config
            .last("private-registry")
            .filter(|path| !path.is_empty())
            .map_or_else(|| places.etc.join("rancher/k3s/registries.yaml"), PathBuf::from),
    );
    files.retain(|path| written(path).is_some_and(|at| at > started));
    Some(files.iter().map(|path| path.to_string_lossy().into_owned()).collect())
}

/// Since 1970.
fn started(now: &Now, start_ticks: u64) -> Option<Duration> {
    let age = now.uptime.duration().checked_sub(Duration::from_millis(start_ticks.checked_mul(1000 / TICKS)?))?;
    Duration::from_millis(now.wall).checked_sub(age)
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
        let now = Now { wall: 1_795_000_000_000, uptime: Span::seconds(1000), boot_id: String::new() };
        assert_eq!(started(&now, 400 * TICKS), Some(Duration::from_secs(1_795_000_000 - 600)));
        assert_eq!(started(&now, 2000 * TICKS), None, "the uptime is of another clock");
    }
}
