use serde::{Deserialize, Serialize};

use crate::{FirewallFacts, ModuleFacts};

/// What surrounds K3s on a node and decides whether its next start is like the last one. `None` means "could not be read".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Surroundings {
    /// Every address of the node itself, loopback left out, sorted.
    pub addresses: Option<Vec<String>>,
    /// `fs.inotify.max_user_instances` and `max_user_watches`.
    pub inotify_instances: Option<u64>,
    pub inotify_watches: Option<u64>,
    /// Controllers of the cgroup hierarchy that are on, such as `memory`.
    pub cgroup_controllers: Option<Vec<String>>,
    /// Bytes of a page of memory: 4096, or on some kernels for ARM 16384 or 65536.
    pub page_size: Option<u64>,
    /// What the processor can do, as the kernel names it (`flags` of `/proc/cpuinfo`, `Features` on ARM), sorted.
    pub cpu_features: Option<Vec<String>>,
    /// Bytes of swap.
    pub swap: Option<u64>,
    /// Processes that the kernel killed for memory since it booted.
    pub oom_kills: Option<u64>,
    /// Templates for containerd that somebody put in place of K3s' own.
    pub containerd_templates: Option<Vec<ContainerdTemplate>>,
    /// Files in `server/manifests`, K3s' own included, without those that hold none.
    pub manifests: Option<Vec<Manifest>>,
    /// `agent/images`: names of archives that are imported at a start.
    pub image_archives: Option<Vec<String>>,
    /// `agent/pod-manifests`: names of static pods.
    pub static_pods: Option<Vec<String>>,
    /// Files that make the system install updates by itself.
    pub auto_updates: Option<Vec<String>>,
    /// Other units that run K3s on this node.
    pub other_units: Option<Vec<String>>,
    /// SELinux enforces.
    pub selinux: Option<bool>,
    /// Where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<SelinuxLabels>,
    /// What the kernel has seen break of the disk under the data directory, since the boot and, of ext4, before.
    pub disk_errors: Option<Vec<String>>,
    /// `/etc/rancher/node/password` is there: K3s makes another one where it is not, and the cluster refuses the node with that.
    pub node_password: Option<bool>,
    /// `mirrors` of `registries.yaml`; none where there is no such file.
    pub mirrors: Option<Vec<RegistryMirror>>,
    /// What systemd runs in, such as `systemd-nspawn` or `lxc`; empty on a machine of its own. Clock and modules are its host's.
    pub container: String,
    /// Settings of the kernel that K3s, its kubelet and its pods depend on; those that there are.
    pub sysctls: Option<Vec<Sysctl>>,
    pub modules: Option<ModuleFacts>,
    pub firewall: Option<FirewallFacts>,
    /// The kernel says that something keeps its clock right (`NTPSynchronized` of `timedatectl`).
    pub clock_synchronized: Option<bool>,
    /// Packages that the system's updates leave as they are: `apt-mark hold`, `dnf versionlock`, `zypper addlock`. Sorted.
    pub package_holds: Option<Vec<String>>,
    /// Files in `config.toml.d` and `config-v3.toml.d` of `agent/etc/containerd`, relative to that. K3s names one of the two directories in
    /// what it writes, by the schema of that (`pkg/agent/templates/templates.go`, since February 2026).
    pub containerd_drop_ins: Option<Vec<String>>,
}

/// Where images of a registry are pulled from instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryMirror {
    /// `docker.io`, or `*` for every registry.
    pub name: String,
    /// Addresses, without logins.
    pub endpoints: Vec<String>,
}

/// `user:role:type:level` as SELinux has them; empty where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelinuxLabels {
    pub binary: String,
    /// Empty while K3s is down.
    pub process: String,
    /// The package k3s-selinux is installed.
    pub policy: bool,
}

/// A setting of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// As `sysctl` writes it: `vm.overcommit_memory`.
    pub name: String,
    pub value: String,
}

/// A template in `agent/etc/containerd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerdTemplate {
    /// `config.toml.tmpl` or `config-v3.toml.tmpl`.
    pub name: String,
    /// It extends K3s' own (`{{ template "base" . }}`).
    pub base: bool,
    /// It names a path in `data/<hash>`.
    pub data_path: bool,
    /// It names the runtime of containerd 1.x that is gone (`io.containerd.runtime.v1.linux`).
    pub runtime_v1: bool,
    /// It has tables of containerd 1.x' CRI plugin (`io.containerd.grpc.v1.cri`).
    pub cri_v1: bool,
}

/// What a file of manifests holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Relative to `server/manifests`.
    pub file: String,
    /// `apiVersion kind` of each document: `policy/v1beta1 PodDisruptionBudget`.
    pub objects: Vec<String>,
}
