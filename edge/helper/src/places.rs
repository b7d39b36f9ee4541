use std::path::{Path, PathBuf};

/// Where things are on a node: the only source of absolute paths, so that a test can use a directory of its own.
///
/// Paths of K3s itself (binary, data directory) are not here: they come from the unit and the configuration.
#[derive(Clone, Debug)]
pub struct Places {
    /// What Belay remembers on the node: `/var/lib/belay/node`.
    pub state: PathBuf,
    /// The helper as the boot unit starts it: `/usr/local/lib/belay/belay-helper`.
    pub helper: PathBuf,
    /// The file that this process runs from, which `fence` installs.
    pub own_exe: PathBuf,
    /// Where an administrator's units are, and Belay's: `/etc/systemd/system`.
    pub units: PathBuf,
    /// Where other units are, in systemd's order.
    pub vendor_units: Vec<PathBuf>,
    pub etc: PathBuf,
    pub proc: PathBuf,
    pub sys: PathBuf,
    pub run: PathBuf,
    /// The kernel's log: `/dev/kmsg`.
    pub kmsg: PathBuf,
    /// What the package k3s-selinux installs, and K3s' installer looks for.
    pub k3s_policy: PathBuf,
    /// The kubelet's root directory: `/var/lib/kubelet`.
    pub kubelet: PathBuf,
    /// K3s' own default; it uses assets extracted there even with another data directory (k3s-facts §2.2).
    pub default_data_dir: PathBuf,
    /// Where a program is looked for that K3s may call.
    pub programs: Vec<PathBuf>,
    /// What the packages' programs know: `/var/lib/dpkg/status`.
    pub dpkg_status: PathBuf,
    /// Modules of kernels: `/lib/modules`.
    pub modules: PathBuf,
    pub systemctl: PathBuf,
    pub journalctl: PathBuf,
    pub timedatectl: PathBuf,
}

impl Places {
    /// The real ones.
    #[must_use]
    pub fn host() -> Self {
        let mut places = Self::under(Path::new("/"));
        places.own_exe = "/proc/self/exe".into();
        places.systemctl = "systemctl".into();
        places.journalctl = "journalctl".into();
        places.timedatectl = "timedatectl".into();
        places
    }

    /// The same names below `root`, with programs from `root/bin`.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        Self {
            state: at(belay_wire::NODE_STATE),
            helper: at(belay_wire::HELPER_PATH),
            own_exe: at("/bin/belay-helper"),
            units: at("/etc/systemd/system"),
            vendor_units: ["/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"]
                .map(at)
                .into(),
            etc: at("/etc"),
            proc: at("/proc"),
            sys: at("/sys"),
            kmsg: at("/dev/kmsg"),
            k3s_policy: at("/usr/share/selinux/packages/k3s.pp"),
            run: at("/run"),
            kubelet: at("/var/lib/kubelet"),
            default_data_dir: at("/var/lib/rancher/k3s"),
            systemctl: at("/bin/systemctl"),
            journalctl: at("/bin/journalctl"),
            timedatectl: at("/bin/timedatectl"),
            programs: ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(at).into(),
            dpkg_status: at("/var/lib/dpkg/status"),
            modules: at("/lib/modules"),
        }
    }

    #[must_use]
    pub fn run_dir(&self, run: &str) -> PathBuf {
        self.state.join("runs").join(run)
    }

    #[must_use]
    pub fn backup_dir(&self, run: &str) -> PathBuf {
        self.state.join("backups").join(run)
    }

    /// The interlock's drop-in of `unit`.
    #[must_use]
    pub fn interlock(&self, unit: &str) -> PathBuf {
        self.units.join(format!("{unit}.d")).join(belay_wire::INTERLOCK)
    }

    #[must_use]
    pub fn guard_unit(&self) -> PathBuf {
        self.units.join(belay_wire::GUARD_UNIT)
    }

    #[must_use]
    pub fn guard_wanted(&self) -> PathBuf {
        self.units.join("multi-user.target.wants").join(belay_wire::GUARD_UNIT)
    }

    #[must_use]
    pub fn guard_timer(&self) -> PathBuf {
        self.units.join(belay_wire::GUARD_TIMER)
    }

    #[must_use]
    pub fn timer_wanted(&self) -> PathBuf {
        self.units.join("timers.target.wants").join(belay_wire::GUARD_TIMER)
    }

    /// What the timer starts.
    #[must_use]
    pub fn lease_unit(&self) -> PathBuf {
        self.units.join(belay_wire::LEASE_UNIT)
    }

    /// When a coordinator was heard of last: in memory, and gone with a boot.
    #[must_use]
    pub fn lease(&self) -> PathBuf {
        self.run.join("belay/lease")
    }
}
