use std::fs;
use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use belay_facts::{ContainerdTemplate, Manifest, Surroundings, Sysctl};
use belay_objects::named_apis;

use crate::command::run_well;
use crate::disk_errors::disk_errors;
use crate::firewall::firewall;
use crate::holds::package_holds;
use crate::kernel_modules::kernel_modules;
use crate::labels::labels;
use crate::registries::mirrors;
use crate::{Installation, Places};

/// The longest file of manifests that is looked into, and how many of them: a directory of a whole cluster is smaller.
const LONGEST: u64 = 4 * 1024 * 1024;
const MOST: usize = 500;

/// What a kubelet with `protect-kernel-defaults` insists on, and what pods need of the network.
const SYSCTLS: &str = "kernel/keys/root_maxbytes kernel/keys/root_maxkeys kernel/panic kernel/panic_on_oops kernel/pid_max \
    net/bridge/bridge-nf-call-iptables net/ipv4/conf/all/forwarding net/ipv4/ip_unprivileged_port_start \
    net/ipv6/conf/all/disable_ipv6 net/ipv6/conf/all/forwarding vm/max_map_count vm/overcommit_memory vm/panic_on_oom";

/// `timedatectl` starts a service of systemd's the first time.
const CLOCK: Duration = Duration::from_secs(2);

/// Reads what surrounds K3s: small files, and one question to systemd.
pub(crate) fn look(places: &Places, data_dir: &Path, found: Option<&Installation>) -> Surroundings {
    let number = |path: &str| text(&places.proc.join(path))?.trim().parse().ok();
    let counted = |path: &str, key: &str, unit: u64| {
        let text = text(&places.proc.join(path))?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * unit)
    };
    let agent = data_dir.join("agent");
    let selinux = match fs::read_to_string(places.sys.join("fs/selinux/enforce")) {
        Ok(text) => Some(text.trim() == "1"),
        Err(error) => (error.kind() == ErrorKind::NotFound).then_some(false),
    };
    Surroundings {
        addresses: addresses(places),
        inotify_instances: number("sys/fs/inotify/max_user_instances"),
        inotify_watches: number("sys/fs/inotify/max_user_watches"),
        cgroup_controllers: cgroup_controllers(places),
        page_size: Some(rustix::param::page_size() as u64),
        cpu_features: cpu_features(places),
        swap: counted("meminfo", "SwapTotal:", 1024),
        oom_kills: counted("vmstat", "oom_kill ", 1),
        containerd_templates: containerd_templates(&agent.join("etc/containerd")),
        manifests: manifests(&data_dir.join("server/manifests")),
        image_archives: names(&agent.join("images")).map(|mut names| {
            names.retain(|name| [".tar", ".tar.gz", ".tar.zst", ".tgz", ".zst"].iter().any(|end| name.ends_with(end)));
            names
        }),
        static_pods: names(&agent.join("pod-manifests")),
        auto_updates: auto_updates(places),
        other_units: found.map(|found| found.others.clone()),
        labels: if selinux == Some(true) { labels(places, found) } else { None },
        disk_errors: disk_errors(places, data_dir),
        node_password: node_password(&places.etc.join("rancher/node/password")),
        mirrors: mirrors(places, found),
        sysctls: sysctls(places),
        modules: kernel_modules(places),
        firewall: firewall(places),
        clock_synchronized: clock_synchronized(places),
        container: text(&places.run.join("systemd/container")).unwrap_or_default().trim().to_owned(),
        package_holds: package_holds(places),
        containerd_drop_ins: containerd_drop_ins(&agent.join("etc/containerd")),
        selinux,
    }
}

/// Whether there is one that K3s would take.
fn node_password(path: &Path) -> Option<bool> {
    match fs::read_to_string(path) {
        Ok(text) => Some(!text.trim().is_empty()),
        Err(error) => (error.kind() == ErrorKind::NotFound).then_some(false),
    }
}

/// Each of them may be missing: a kernel without IPv6, or without the module that knows it.
fn sysctls(places: &Places) -> Option<Vec<Sysctl>> {
    let mut found = Vec::new();
    for name in SYSCTLS.split_whitespace() {
        match fs::read_to_string(places.proc.join("sys").join(name)) {
            Ok(text) => found.push(Sysctl { name: name.replace('/', "."), value: text.trim().to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(found)
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Names in a directory, sorted; none where it is not there, `None` where it cannot be read.
fn names(dir: &Path) -> Option<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return (error.kind() == ErrorKind::NotFound).then(Vec::new),
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Some(names)
}

/// IPv4 from the routing table's local entries, IPv6 from the list of interfaces' addresses.
fn addresses(places: &Places) -> Option<Vec<String>> {
    let routes = text(&places.proc.join("net/fib_trie"))?;
    let mut found = Vec::new();
    let mut last = "";
    for line in routes.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address;
        } else if line.starts_with("/32 host LOCAL") && !last.starts_with("127.") {
            found.push(last.to_owned());
        }
    }
    for line in text(&places.proc.join("net/if_inet6")).unwrap_or_default().lines() {
        let hex = line.split_whitespace().next().and_then(|word| u128::from_str_radix(word, 16).ok());
        found.extend(hex.map(Ipv6Addr::from).filter(|address| !address.is_loopback()).map(|a| a.to_string()));
    }
    found.sort();
    found.dedup();
    Some(found)
}

/// Those of the first processor.
fn cpu_features(places: &Places) -> Option<Vec<String>> {
    let info = text(&places.proc.join("cpuinfo"))?;
    let (_, words) =
        info.lines().find(|line| ["flags", "Features"].iter().any(|key| line.starts_with(key)))?.split_once(':')?;
    let mut found: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    found.sort();
    Some(found)
}

fn cgroup_controllers(places: &Places) -> Option<Vec<String>> {
    let mut found: Vec<String> = match text(&places.sys.join("fs/cgroup/cgroup.controllers")) {
        Some(words) => words.split_whitespace().map(str::to_owned).collect(),
        None => text(&places.proc.join("cgroups"))?
            .lines()
            .filter(|line| !line.starts_with('#') && line.split_whitespace().last() == Some("1"))
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect(),
    };
    found.sort();
    Some(found)
}

fn containerd_templates(dir: &Path) -> Option<Vec<ContainerdTemplate>> {
    let mut found = Vec::new();
    for name in names(dir)?.into_iter().filter(|name| name.ends_with(".toml.tmpl")) {
        let text = text(&dir.join(&name))?;
        found.push(ContainerdTemplate {
            base: text.contains("template \"base\""),
            data_path: text
                .split("/data/")
                .skip(1)
                .any(|rest| rest.chars().take_while(char::is_ascii_hexdigit).count() == 64),
            runtime_v1: text.contains("io.containerd.runtime.v1.linux"),
            cri_v1: text.contains("io.containerd.grpc.v1.cri"),
            name,
        });
    }
    Some(found)
}

fn containerd_drop_ins(dir: &Path) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for below in ["config-v3.toml.d", "config.toml.d"] {
        let names = names(&dir.join(below))?.into_iter().filter(|name| name.ends_with(".toml"));
        found.extend(names.map(|name| format!("{below}/{name}")));
    }
    Some(found)
}

/// What systemd says of the kernel's clock; where it does not answer, whether its own client has set it since the boot.
fn clock_synchronized(places: &Places) -> Option<bool> {
    let mut command = Command::new(&places.timedatectl);
    let answer = run_well(command.args(["show", "-p", "NTPSynchronized", "--value"]), CLOCK);
    match answer.as_ref().map(|output| output.stdout.trim()) {
        Ok("yes") => Some(true),
        Ok("no") => Some(false),
        Ok(_) | Err(_) => places.run.join("systemd/timesync/synchronized").exists().then_some(true),
    }
}

/// K3s walks the directory to its leaves and takes `.yaml`, `.yml` and `.json` (`pkg/deploy`).
fn manifests(dir: &Path) -> Option<Vec<Manifest>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for name in names(&dir.join(&below))? {
            let file = below.join(&name);
            let path = dir.join(&file);
            let Ok(meta) = fs::metadata(&path) else { continue };
            let known = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
            if meta.is_dir() && file.components().count() < 8 {
                open.push(file);
            } else if meta.is_file() && known && meta.len() <= LONGEST && found.len() < MOST {
                let objects = named_apis(&text(&path)?);
                if !objects.is_empty() {
                    found.push(Manifest { file: file.to_string_lossy().into_owned(), objects });
                }
            }
        }
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    Some(found)
}

/// unattended-upgrades of Debian and Ubuntu, dnf-automatic of Fedora and RHEL, where they install and not only look.
fn auto_updates(places: &Places) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let apt = places.etc.join("apt/apt.conf.d");
    for name in names(&apt)? {
        let file = apt.join(name);
        let on = |line: &str| line.trim().starts_with("APT::Periodic::Unattended-Upgrade \"1\"");
        if text(&file).is_some_and(|text| text.lines().any(on)) {
            found.push(file.to_string_lossy().into_owned());
        }
    }
    let dnf = places.etc.join("dnf/automatic.conf");
    let on = |line: &str| line.replace(' ', "") == "apply_updates=yes";
    if text(&dnf).is_some_and(|text| text.lines().any(on)) {
        found.push(dnf.to_string_lossy().into_owned());
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_gone_or_empty_is_none_that_k3s_takes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        assert_eq!(node_password(&path), Some(false));
        fs::write(&path, "\n").unwrap();
        assert_eq!(node_password(&path), Some(false));
        fs::write(&path, "s3cret\n").unwrap();
        assert_eq!(node_password(&path), Some(true));
        assert_eq!(node_password(dir.path()), None);
    }

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("k3s");
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let hash = "a".repeat(64);
        write(&data.join("agent/etc/containerd/config.toml.tmpl"), &format!("root = \"/k3s/data/{hash}/bin\""));
        write(&data.join("agent/images/k3s-airgap-images-amd64.tar.zst"), "");
        write(&data.join("agent/images/.cache.json"), "");
        write(&data.join("server/manifests/own/pdb.yaml"), "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n");
        let templates = containerd_templates(&data.join("agent/etc/containerd")).unwrap();
        assert!(templates[0].data_path && !templates[0].base && !templates[0].cri_v1);
        let manifests = manifests(&data.join("server/manifests")).unwrap();
        assert_eq!(manifests[0].file, "own/pdb.yaml");
        assert_eq!(names(&data.join("none")), Some(Vec::new()));
        let places = Places::under(dir.path());
        assert_eq!(cpu_features(&places), None);
        write(
            &places.proc.join("cpuinfo"),
            "processor\t: 0\nFeatures\t: fp asimd aes\n\nprocessor\t: 1\nFeatures\t: fp\n",
        );
        assert_eq!(cpu_features(&places).unwrap(), ["aes", "asimd", "fp"]);
        write(&places.proc.join("cpuinfo"), "vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse4_2\nbugs\t\t: x\n");
        assert_eq!(cpu_features(&places).unwrap(), ["fpu", "sse4_2"]);
        assert_eq!(names(&data.join("agent/images/.cache.json")), None);
    }
}
