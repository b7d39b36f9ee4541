use std::fs;
use std::path::Path;
use std::time::Duration;

use belay_facts::Span;

use crate::Places;
use crate::disk_errors::devices;

/// What a flush of the disk under `path` has taken on average since the boot; of several disks the slowest.
///
/// The two last fields of a line (Linux `Documentation/admin-guide/iostats.rst`, since 5.5): flushes, and milliseconds of them. Only
/// the disk itself counts them, not its partitions.
pub(crate) fn mean_flush(places: &Places, path: &Path) -> Option<Span> {
    let disks = devices(places, path);
    let text = fs::read_to_string(places.proc.join("diskstats")).ok()?;
    let means = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(2);
        if !disks.iter().any(|disk| fields.clone().next() == Some(disk)) {
            return None;
        }
        let flushes: u64 = fields.nth(16)?.parse().ok()?;
        fields.next()?.parse::<u64>().ok()?.checked_div(flushes)
    });
    means.max().map(|mean| Duration::from_millis(mean).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_disk_counts_and_its_partition_does_not() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let disk = places.sys.join("devices/block/sda");
        for dir in [&disk.join("sda1"), &places.sys.join("dev/block"), &places.proc.join("self")] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(disk.join("sda1/partition"), "1\n").unwrap();
        symlink(disk.join("sda1"), places.sys.join("dev/block/8:1")).unwrap();
        fs::write(places.proc.join("self/mountinfo"), "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n").unwrap();
        let line = |name: &str, flushes: &str| format!(" 8 0 {name} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15{flushes}\n");
        let stats = |text: &str| fs::write(places.proc.join("diskstats"), text).unwrap();
        assert_eq!(mean_flush(&places, Path::new("/var")), None);
        stats(&[line("sda1", " 0 0"), line("sda", " 200 5000"), line("sdb", " 1 9000")].concat());
        assert_eq!(mean_flush(&places, Path::new("/var")), Some(Span::millis(25)));
        stats(&line("sda", " 0 0"));
        assert_eq!(mean_flush(&places, Path::new("/var")), None, "nothing was flushed yet");
        stats(&line("sda", ""));
        assert_eq!(mean_flush(&places, Path::new("/var")), None, "a kernel that does not count them");
    }
}
