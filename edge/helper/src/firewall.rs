use std::fs;
use std::io::ErrorKind;

use belay_facts::FirewallFacts;

use crate::Places;

/// What the host's `iptables` writes, what the kernel's old interface was used for, and what else writes rules.
pub(crate) fn firewall(places: &Places) -> Option<FirewallFacts> {
    let mut legacy_tables = Vec::new();
    for file in ["net/ip_tables_names", "net/ip6_tables_names"] {
        match fs::read_to_string(places.proc.join(file)) {
            Ok(text) => legacy_tables.extend(text.lines().map(str::to_owned)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    legacy_tables.sort();
    legacy_tables.dedup();
    let mut fronts = Vec::new();
    // A link of an enabled unit, which may point to nowhere in a root of a test.
    if fs::symlink_metadata(places.units.join("multi-user.target.wants/firewalld.service")).is_ok() {
        fronts.push("firewalld".to_owned());
    }
    let ufw = fs::read_to_string(places.etc.join("ufw/ufw.conf")).unwrap_or_default();
    if ufw.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes")) {
        fronts.push("ufw".to_owned());
    }
    Some(FirewallFacts { iptables: iptables(places), legacy_tables, fronts })
}

/// The first `iptables` there, by the program that its links end at: `xtables-nft-multi`.
fn iptables(places: &Places) -> String {
    let found = places.programs.iter().find_map(|dir| fs::canonicalize(dir.join("iptables")).ok());
    let Some(found) = found else { return "none".to_owned() };
    let name = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ["nft", "legacy"].iter().find(|kind| name.contains(**kind)).map_or(name, |kind| (*kind).to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_backend_is_the_program_behind_the_links() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let none = FirewallFacts { iptables: "none".into(), legacy_tables: Vec::new(), fronts: Vec::new() };
        assert_eq!(firewall(&places), Some(none));
        let sbin = root.path().join("usr/sbin");
        let alternatives = places.etc.join("alternatives");
        for dir in [&sbin, &alternatives, &places.etc.join("ufw"), &places.proc.join("net")] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(sbin.join("xtables-nft-multi"), "").unwrap();
        fs::write(sbin.join("xtables-legacy-multi"), "").unwrap();
        symlink("xtables-nft-multi", sbin.join("iptables-nft")).unwrap();
        symlink(sbin.join("iptables-nft"), alternatives.join("iptables")).unwrap();
        symlink(alternatives.join("iptables"), sbin.join("iptables")).unwrap();
        fs::write(places.proc.join("net/ip_tables_names"), "nat\nfilter\n").unwrap();
        fs::write(places.proc.join("net/ip6_tables_names"), "filter\n").unwrap();
        fs::write(places.etc.join("ufw/ufw.conf"), "# ENABLED=no\nENABLED=yes\n").unwrap();
        let told = firewall(&places).unwrap();
        assert_eq!(
            (told.iptables.as_str(), told.legacy_tables, told.fronts),
            ("nft", vec!["filter".into(), "nat".into()], vec!["ufw".into()])
        );
        fs::remove_file(sbin.join("iptables")).unwrap();
        symlink("xtables-legacy-multi", sbin.join("iptables")).unwrap();
        assert_eq!(firewall(&places).unwrap().iptables, "legacy");
    }
}
