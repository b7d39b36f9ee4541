//! `log`: the last words of the unit and of containerd, for an explanation.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Places;
use crate::command::run_well;
use crate::config::MASKED;

/// Last lines of the unit's log and of containerd's; what cannot be read is empty.
#[must_use]
pub fn log(places: &Places, unit: &str, data_dir: &Path, lines: u32) -> (Vec<String>, Vec<String>) {
    let lines = lines.min(1000);
    let mut command = Command::new(&places.journalctl);
    command.args(["--no-pager", "-q", "-o", "short-iso", "-n", &lines.to_string(), "-u", unit]);
    let unit = run_well(&mut command, Duration::from_secs(20)).map(|output| output.stdout).unwrap_or_default();
    let containerd = tail(&data_dir.join("agent/containerd/containerd.log")).unwrap_or_default();
    (last(&unit, lines), last(&containerd, lines))
}

/// The last line of the unit's log that says something.
pub(crate) fn last_words(places: &Places, unit: &str, data_dir: &Path) -> String {
    let (lines, _) = log(places, unit, data_dir, 20);
    let telling = ["level=fatal", "level=error", "panic:", "Error:"];
    let line = lines.iter().rev().find(|line| telling.iter().any(|word| line.contains(word))).or(lines.last());
    line.map(|line| line.chars().take(400).collect()).unwrap_or_else(|| "(its log is empty)".into())
}

fn last(text: &str, lines: u32) -> Vec<String> {
    let all: Vec<&str> = text.lines().collect();
    let skip = all.len().saturating_sub(usize::try_from(lines).unwrap_or(usize::MAX));
    all.into_iter().skip(skip).map(without_tokens).collect()
}

/// The last 256 KiB of a file.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(256 * 1024)))?;
    let mut bytes = Vec::new();
    file.take(256 * 1024).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// K3s' tokens (`K10<hash>::user:password`) do not belong into a report, should K3s ever log one.
fn without_tokens(line: &str) -> String {
    let mut words = line.split(' ').map(|word| match word.find("K10").zip(word.find("::")) {
        Some((begin, middle)) if begin < middle => format!("{}{MASKED}", word.get(..begin).unwrap_or_default()),
        _ => word.to_owned(),
    });
    let first = words.next().unwrap_or_default();
    words.fold(first, |line, word| line + " " + &word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_log_is_masked() {
        let line = "level=info msg=\"join with\" token=K10abc::server:canary done";
        assert_eq!(without_tokens(line), "level=info msg=\"join with\" token=(secret) done");
        assert_eq!(last("a\nb\nc\n", 2), ["b", "c"]);
    }
}
