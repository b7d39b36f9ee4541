use std::fmt;
use std::path::Path;
use std::process::Command;

use super::said;

/// What a program asks of the machine that starts it, as binutils' readelf tells it.
#[derive(Debug)]
pub(super) struct Elf {
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// Whether a dynamic linker has to start it.
    pub interpreter: bool,
    /// Shared libraries.
    pub needed: Vec<String>,
    /// The newest version of a glibc symbol.
    pub glibc: Option<(u32, u32)>,
}

impl Elf {
    /// # Errors
    /// When readelf is not there, or the file is no program.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let size = path.metadata().map_err(|error| format!("{} was not built: {error}", path.display()))?.len();
        let text = said(
            Command::new("readelf")
                .args(["--wide", "--program-headers", "--dynamic", "--version-info"])
                .arg(path)
                .env("LC_ALL", "C"),
        )?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { size, ..Self::parse(&name, &text) })
    }

    fn parse(name: &str, text: &str) -> Self {
        let needed = text.lines().filter(|line| line.contains("(NEEDED)"));
        let needed =
            needed.filter_map(|line| Some(line.split_once('[')?.1.trim_end().trim_end_matches(']').to_owned()));
        let versions = text.split("Name: GLIBC_").skip(1).filter_map(|rest| {
            let word = rest.split_whitespace().next()?;
            let mut numbers = word.split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        Self {
            name: name.to_owned(),
            size: 0,
            interpreter: text.lines().any(|line| line.trim_start().starts_with("INTERP ")),
            needed: needed.collect(),
            glibc: versions.max(),
        }
    }

    pub(super) fn is_static(&self) -> bool {
        !self.interpreter && self.needed.is_empty() && self.glibc.is_none()
    }
}

impl fmt::Display for Elf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = if self.is_static() { "static".to_owned() } else { self.needed.join(", ") };
        write!(f, "{}: {} bytes, {links}", self.name, self.size)?;
        self.glibc.map_or(Ok(()), |(major, minor)| write!(f, ", glibc {major}.{minor} or newer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_symbol_counts_as_a_number() {
        let text = "  INTERP         0x000318 0x0000000000000318 0x0000000000000318 0x00001c 0x00001c R   0x1\n\
            \x20   [Requesting program interpreter: /lib64/ld-linux-x86-64.so.2]\n\
            \x200x0000000000000001 (NEEDED)             Shared library: [libm.so.6]\n\
            \x200x0000000000000001 (NEEDED)             Shared library: [libc.so.6]\n\
            Version needs section '.gnu.version_r' contains 2 entries:\n\
            \x20 0x0010:   Name: GLIBC_2.9  Flags: none  Version: 3\n\
            \x20 0x0020:   Name: GLIBC_2.28  Flags: none  Version: 4\n\
            \x20 0x0030:   Name: GLIBC_2.2.5  Flags: none  Version: 2\n";
        let elf = Elf::parse("belay", text);
        assert!(elf.interpreter && !elf.is_static());
        assert_eq!(elf.needed, ["libm.so.6", "libc.so.6"]);
        assert_eq!(elf.glibc, Some((2, 28)));
        assert!(Elf::parse("belay-helper", "There is no dynamic section in this file.").is_static());
    }
}
