//! What the kernel has seen of the disk under a directory: its log since the boot, and what ext4 remembers.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::Places;

/// Lines that are told; the first ones say what broke first.
const TOLD: usize = 3;
/// The kernel's log is seldom larger than one.
const LONGEST: usize = 16 * 1024 * 1024;
/// `/dev/kmsg` (Documentation/admin-guide/devices.txt).
const KMSG: (u32, u32) = (1, 11);

/// Errors of the disk that holds `data_dir`; none where there is no disk of this node under it. `None` when the kernel's log may
/// not be read.
pub(crate) fn disk_errors(places: &Places, data_dir: &Path) -> Option<Vec<String>> {
    let devices = devices(places, data_dir);
    let mut found = Vec::new();
    for name in &devices {
        let count = fs::read_to_string(places.sys.join("fs/ext4").join(name).join("errors_count"));
        let count = count.ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
        if count > 0 {
            found.push(format!("ext4 on {name} counts {count} errors since it was last checked"));
        }
    }
    let log = if devices.is_empty() { String::new() } else { kernel_log(&places.kmsg)? };
    let lines: Vec<&str> = log.lines().filter_map(message).filter(|text| tells_of_error(text, &devices)).collect();
    found.extend(lines.iter().take(TOLD).map(|text| (*text).to_owned()));
    if lines.len() > TOLD {
        found.push(format!("and {} more lines like these in the kernel's log", lines.len() - TOLD));
    }
    Some(found)
}

/// Names of the block device that `path` is mounted from, and of those under it: `dm-0`, `sda2`, `sda`.
pub(crate) fn devices(places: &Places, path: &Path) -> Vec<String> {
    let Some(device) = mounted_from(places, path) else { return Vec::new() };
    let mut open = vec![device];
    let mut found = Vec::new();
    while let Some(device) = open.pop() {
        let Some(name) = device.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        if found.contains(&name) {
            continue;
        }
        found.push(name);
        if device.join("partition").exists() {
            open.extend(device.parent().map(Path::to_path_buf));
        }
        let slaves = fs::read_dir(device.join("slaves")).into_iter().flatten().flatten();
        open.extend(slaves.filter_map(|slave| fs::canonicalize(slave.path()).ok()));
    }
    found
}

/// The directory in sysfs of the device of the innermost mount over `path`.
fn mounted_from(places: &Places, path: &Path) -> Option<PathBuf> {
    let mounts = fs::read_to_string(places.proc.join("self/mountinfo")).ok()?;
    let over = mounts.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(2);
        let (number, point) = (fields.next()?, unescaped(fields.nth(1)?));
        path.starts_with(&point)
            .then(|| (point.as_os_str().len(), number, source.split(' ').nth(1).unwrap_or_default()))
    });
    // Of two on one point the later one hides the other.
    let (_, number, source) = over.max_by_key(|(length, ..)| *length)?;
    if let Ok(device) = fs::canonicalize(places.sys.join("dev/block").join(number)) {
        return Some(device);
    }
    // btrfs has numbers of its own.
    let name = fs::canonicalize(source).ok()?.file_name()?.to_os_string();
    fs::canonicalize(places.sys.join("class/block").join(name)).ok()
}

/// A path as mountinfo writes it: `\040` is a space.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))
}

/// The kernel's log; empty where there is none, `None` where it may not be read.
fn kernel_log(path: &Path) -> Option<String> {
    let open = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let mut file = match open {
        Ok(file) => file,
        Err(error) => return (error.kind() != ErrorKind::PermissionDenied).then(String::new),
    };
    // A container may have something else there, which would be waited for.
    if !is_log(&file) {
        return Some(String::new());
    }
    let (mut log, mut record) = (Vec::new(), vec![0; 8192]);
    while log.len() < LONGEST {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(length) => log.extend_from_slice(record.get(..length).unwrap_or_default()),
            // The oldest one was just written over.
            Err(error) if error.kind() == ErrorKind::BrokenPipe || error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    Some(String::from_utf8_lossy(&log).into_owned())
}

fn is_log(file: &File) -> bool {
    let Ok(meta) = file.metadata() else { return false };
    let number = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
    meta.is_file() || meta.file_type().is_char_device() && number == KMSG
}

/// The text of `4,1234,5678,-;I/O error, dev sda, sector 8`, if the kernel itself wrote it.
fn message(line: &str) -> Option<&str> {
    let (head, text) = line.split_once(';')?;
    let level: u32 = head.split(',').next()?.parse().ok()?;
    (level < 8).then_some(text)
}

fn tells_of_error(text: &str, devices: &[String]) -> bool {
    const ERRORS: [&str; 5] = ["I/O error", "medium error", "EXT4-fs error", "BTRFS error", "orruption"];
    ERRORS.iter().any(|error| text.contains(error)) && devices.iter().any(|device| names(text, device))
}

/// Whether the name stands there as a word of its own: `sda` is not `sda1`.
fn names(text: &str, device: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric();
    text.match_indices(device).any(|(at, _)| {
        let (before, after) = (text.get(..at), text.get(at + device.len()..));
        !before.is_some_and(|text| text.ends_with(is_word)) && !after.is_some_and(|text| text.starts_with(is_word))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A volume of LVM on the second partition of a disk.
    fn node(root: &Path) -> Places {
        let places = Places::under(root);
        let disk = places.sys.join("devices/pci/block/sda");
        for dir in ["sda1", "sda2"] {
            fs::create_dir_all(disk.join(dir)).unwrap();
            fs::write(disk.join(dir).join("partition"), "1\n").unwrap();
        }
        let volume = places.sys.join("devices/virtual/block/dm-0");
        fs::create_dir_all(volume.join("slaves")).unwrap();
        symlink(disk.join("sda2"), volume.join("slaves/sda2")).unwrap();
        fs::create_dir_all(places.sys.join("dev/block")).unwrap();
        symlink(&volume, places.sys.join("dev/block/253:0")).unwrap();
        symlink(disk.join("sda1"), places.sys.join("dev/block/8:1")).unwrap();
        fs::create_dir_all(places.proc.join("self")).unwrap();
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            23 22 253:0 /a /var/lib/ran\\040cher rw,relatime shared:1 - ext4 /dev/mapper/vg-k3s rw\n\
            24 22 0:50 / /run rw - tmpfs tmpfs rw\n";
        fs::write(places.proc.join("self/mountinfo"), mounts).unwrap();
        fs::create_dir_all(places.kmsg.parent().unwrap()).unwrap();
        places
    }

    /// F078: bad blocks were known for two months, and then a restart met them.
    #[test]
    fn errors_of_the_disk_under_the_data_are_told_and_those_of_others_are_not() {
        let root = tempfile::tempdir().unwrap();
        let places = node(root.path());
        let data = Path::new("/var/lib/ran cher/k3s");
        assert_eq!(devices(&places, data), ["dm-0", "sda2", "sda"]);
        assert_eq!(devices(&places, Path::new("/var")), ["sda1", "sda"]);
        assert_eq!(devices(&places, Path::new("/run/k3s")), [""; 0]);
        assert_eq!(disk_errors(&places, data), Some(Vec::new()), "there is no log");
        let log = "6,1,0,-;sd 0:0:0:0: [sda] Attached SCSI disk\n\
            3,2,9,-;I/O error, dev sda, sector 2056 op 0x0:(READ)\n SUBSYSTEM=scsi\n DEVICE=+scsi:0:0:0:0\n\
            3,3,9,-;I/O error, dev sdaa, sector 1\n3,4,9,-;EXT4-fs error (device sda1): ext4_lookup\n\
            14,5,9,-;systemd[1]: I/O error, dev sda\n\
            2,6,9,-;EXT4-fs error (device dm-0): ext4_find_entry:1455: inode #2\n";
        fs::write(&places.kmsg, log).unwrap();
        let found = disk_errors(&places, data).unwrap();
        assert_eq!(
            found,
            [
                "I/O error, dev sda, sector 2056 op 0x0:(READ)",
                "EXT4-fs error (device dm-0): ext4_find_entry:1455: inode #2"
            ]
        );
        fs::write(&places.kmsg, "3,2,9,-;critical medium error, dev sda, sector 1\n".repeat(7)).unwrap();
        fs::create_dir_all(places.sys.join("fs/ext4/dm-0")).unwrap();
        fs::write(places.sys.join("fs/ext4/dm-0/errors_count"), "2\n").unwrap();
        let found = disk_errors(&places, data).unwrap();
        assert_eq!(found.first().unwrap(), "ext4 on dm-0 counts 2 errors since it was last checked");
        assert_eq!(found.last().unwrap(), "and 4 more lines like these in the kernel's log");
        assert_eq!(disk_errors(&places, Path::new("/run/k3s")), Some(Vec::new()));
    }

    #[test]
    fn something_else_in_the_place_of_the_log_is_not_waited_for() {
        assert_eq!(kernel_log(Path::new("/dev/null")), Some(String::new()));
        assert_eq!(kernel_log(Path::new("/no/such")), Some(String::new()));
    }
}
