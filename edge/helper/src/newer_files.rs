use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Installation, Now, Places};

/// Ticks a second, as Linux tells them to programs on every architecture that K3s is built for (`USER_HZ`).
const TICKS: u64 = 100;
/// K3s reads its files in the first moments of its life, and the clocks of files and of processes do not tick together.
const MARGIN: Duration = Duration::from_secs(2);

/// Files of the configuration that were written after the process of `start_ticks` had started. A file whose time somebody set
/// back is not among them.
pub(crate) fn newer_files(places: &Places, found: &Installation, start_ticks: u64) -> Vec<String> {
    let started = started(&Now::read(places), start_ticks) + MARGIN;
    let unit = &found.unit;
    let own = unit.drop_ins.iter().filter(|path| !path.ends_with(belay_wire::INTERLOCK));
    let mut files: Vec<PathBuf> = [&unit.fragment].into_iter().chain(own).map(PathBuf::from).collect();
    files.extend(unit.environment_files.iter().chain(found.config.files()).map(PathBuf::from));
    files.push(
        found
            .config
            .last("private-registry")
            .filter(|path| !path.is_empty())
            .map_or_else(|| places.etc.join("rancher/k3s/registries.yaml"), PathBuf::from),
    );
    files.retain(|path| written(path).is_some_and(|at| at > started));
    files.iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

/// Since 1970.
fn started(now: &Now, start_ticks: u64) -> Duration {
    let age = now.uptime.duration().saturating_sub(Duration::from_millis(start_ticks.saturating_mul(1000 / TICKS)));
    Duration::from_millis(now.wall).saturating_sub(age)
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
        assert_eq!(started(&now, 400 * TICKS), Duration::from_secs(1_795_000_000 - 600));
        assert_eq!(started(&now, 2000 * TICKS), Duration::from_secs(1_795_000_000), "a clock that lies");
    }
}
