use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use belay_facts::Span;
use belay_journal::crash_point;
use belay_wire::Fault;

use crate::Places;
use crate::command::run_well;
use crate::fault::Attempt as _;

/// How long `systemctl` itself may take; it only talks to process 1.
const SYSTEMCTL: Duration = Duration::from_secs(20);

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,InvocationID,NRestarts,MainPID,ControlGroup,Job,\
    FragmentPath,DropInPaths,Type,KillMode,TimeoutStopUSec,UnitFileState,ExecStart,Environment,EnvironmentFiles,\
    ActiveEnterTimestampMonotonic,InactiveExitTimestampMonotonic,AssertResult,NeedDaemonReload";

/// A systemd unit at one moment, as `systemctl show` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    pub load_state: String,
    pub active_state: String,
    pub sub_state: String,
    pub result: String,
    pub invocation: String,
    pub restarts: u32,
    pub main_pid: u32,
    pub control_group: String,
    /// Number of a queued job; 0 when there is none.
    pub job: u32,
    pub fragment: String,
    pub drop_ins: Vec<String>,
    pub kind: String,
    pub kill_mode: String,
    pub timeout_stop: Span,
    pub enabled: bool,
    pub exec: Vec<String>,
    /// `Environment=` of the unit itself.
    pub environment: Vec<String>,
    pub environment_files: Vec<String>,
    /// From leaving `inactive` to `active` in its last start; `None` when it is not active.
    pub last_start: Option<Span>,
    /// An `Assert…=` of the unit was not met at its last start.
    pub assert_failed: bool,
    /// When its last start began, by the monotonic clock; `None` when it is not active.
    pub began: Option<Duration>,
    /// Its files are others than those that systemd has read.
    pub needs_reload: bool,
}

impl Unit {
    /// What systemd knows of `name`; a unit that does not exist has `load_state` `not-found`.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn show(places: &Places, name: &str) -> Result<Self, Fault> {
        let mut command = systemctl(places);
        command.args(["show", "--no-pager", "-p", PROPERTIES, "--", name]);
        let output = run_well(&mut command, SYSTEMCTL).attempt(|| format!("the state of {name} could not be read"))?;
        Ok(Self::parse(name, &output.stdout))
    }

    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            values.entry(key).or_default().push(value);
        }
        let all = |key: &str| values.get(key).cloned().unwrap_or_default();
        let one = |key: &str| all(key).last().copied().unwrap_or_default().to_owned();
        let number = |key: &str| one(key).parse::<u64>().unwrap_or_default();
        let small = |key: &str| u32::try_from(number(key)).unwrap_or_default();
        let id = one("Id");
        let active_state = one("ActiveState");
        let started = number("ActiveEnterTimestampMonotonic").checked_sub(number("InactiveExitTimestampMonotonic"));
        Self {
            name: if id.is_empty() { name.to_owned() } else { id },
            load_state: one("LoadState"),
            sub_state: one("SubState"),
            result: one("Result"),
            invocation: one("InvocationID"),
            restarts: small("NRestarts"),
            main_pid: small("MainPID"),
            control_group: one("ControlGroup"),
            job: small("Job"),
            fragment: one("FragmentPath"),
            drop_ins: one("DropInPaths").split_whitespace().map(str::to_owned).collect(),
            kind: one("Type"),
            kill_mode: one("KillMode"),
            timeout_stop: systemd_span(&one("TimeoutStopUSec")).unwrap_or(Span::seconds(90)),
            enabled: one("UnitFileState").starts_with("enabled"),
            exec: all("ExecStart").first().map(|text| exec_argv(text)).unwrap_or_default(),
            environment: all("Environment").iter().flat_map(|text| split_words(text)).collect(),
            environment_files: all("EnvironmentFiles")
                .iter()
                .map(|text| text.split(" (ignore_errors=").next().unwrap_or(text).to_owned())
                .filter(|path| !path.is_empty())
                .collect(),
            last_start: started.filter(|_| active_state == "active").map(|micros| Span::millis(micros / 1000)),
            assert_failed: one("AssertResult") == "no",
            began: (active_state == "active").then(|| Duration::from_micros(number("InactiveExitTimestampMonotonic"))),
            needs_reload: one("NeedDaemonReload") == "yes",
            active_state,
        }
    }

    /// Neither running nor on its way up or down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.active_state.as_str(), "inactive" | "failed")
    }

    /// The executable that it runs, as the unit names it.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        self.exec.first().map(|text| text.trim_start_matches(['-', '@', ':', '+', '!']))
    }
}

/// Queues a job and does not wait for it: a K3s unit has no start timeout, so waiting could last for ever.
pub(crate) fn queue(places: &Places, verb: &str, name: &str) -> Result<(), Fault> {
    let mut command = systemctl(places);
    command.args(["--no-block", verb, "--", name]);
    crash_point(format_args!("queueing {verb} {name}"));
    run_well(&mut command, SYSTEMCTL).attempt(|| format!("systemd did not accept to {verb} {name}"))?;
    crash_point(format_args!("queued {verb} {name}"));
    Ok(())
}

/// Forgets a failure and the start limit of a unit, so that a start is not refused for an earlier crash loop.
pub(crate) fn reset_failed(places: &Places, name: &str) {
    // A unit that systemd has unloaded meanwhile has nothing to forget; then this fails, rightly without effect.
    let _ = run_well(systemctl(places).args(["reset-failed", "--", name]), SYSTEMCTL);
}

/// A job of a unit of ours that is done at once. `what` says what it means that it was not.
pub(crate) fn command(places: &Places, words: &[&str], what: impl FnOnce() -> String) -> Result<(), Fault> {
    run_well(systemctl(places).args(words), SYSTEMCTL).attempt(what)?;
    Ok(())
}

pub(crate) fn daemon_reload(places: &Places) -> Result<(), Fault> {
    let mut command = systemctl(places);
    run_well(command.arg("daemon-reload"), Duration::from_secs(90)).attempt(|| "systemd did not reload its units")?;
    crash_point(format_args!("reloaded"));
    Ok(())
}

fn systemctl(places: &Places) -> Command {
    let mut command = Command::new(&places.systemctl);
    command.env("LC_ALL", "C").env("SYSTEMD_COLORS", "0");
    command
}

/// `{ path=… ; argv[]=/usr/local/bin/k3s server ; ignore_errors=no ; … }` to its argument vector.
fn exec_argv(text: &str) -> Vec<String> {
    let argv = text.split_once("argv[]=").map_or(text, |(_, rest)| rest);
    split_words(argv.split(" ; ").next().unwrap_or(argv))
}

/// Words as systemd writes them: separated by blanks, single or double quotes around words with blanks.
pub(crate) fn split_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => (quote, begun) = (Some(c), true),
            (_, '\\') => word.extend(chars.next()),
            (None, c) if c.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, c) => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

/// A duration as `systemctl show` prints it: `1min 30s`, `500ms`, `infinity` (`None`).
fn systemd_span(text: &str) -> Option<Span> {
    if text.is_empty() || text == "infinity" {
        return None;
    }
    let mut total = Span::ZERO;
    for part in text.split(' ') {
        let split = part.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = part.split_at_checked(split)?;
        let number: f64 = number.parse().ok()?;
        let seconds = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        total = total + Duration::try_from_secs_f64(number * seconds).ok()?.into();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURE: &str = "Type=notify\nTimeoutStopUSec=1min 30s\nMainPID=228\nNRestarts=0\nExecStart={ path=/usr/local/bin/k3s ; argv[]=/usr/local/bin/k3s server --kubelet-arg=v=1 ; ignore_errors=no ; start_time=[Mon 2026-11-23 17:11:57 UTC] ; stop_time=[n/a] ; pid=228 ; code=(null) ; status=0/0 }\nEnvironment=A=b \"C=d e\"\nEnvironmentFiles=/etc/default/k3s (ignore_errors=yes)\nEnvironmentFiles=/etc/systemd/system/k3s.service.env (ignore_errors=yes)\nKillMode=process\nActiveState=active\nSubState=running\nActiveEnterTimestampMonotonic=9000000\nInactiveExitTimestampMonotonic=1500000\nInvocationID=dd01\n";

    #[test]
    fn a_capture_of_systemctl_show_is_read() {
        let unit = Unit::parse("k3s.service", CAPTURE);
        assert_eq!(unit.exec, ["/usr/local/bin/k3s", "server", "--kubelet-arg=v=1"]);
        assert_eq!(unit.timeout_stop, Span::seconds(90));
        assert_eq!(unit.environment, ["A=b", "C=d e"]);
        assert_eq!(unit.environment_files, ["/etc/default/k3s", "/etc/systemd/system/k3s.service.env"]);
        assert_eq!(unit.last_start, Some(Span::millis(7500)));
        assert_eq!((unit.main_pid, unit.job, unit.is_down()), (228, 0, false));
        let down = Unit::parse("k3s.service", "ActiveState=failed\nActiveEnterTimestampMonotonic=5\n");
        assert_eq!((down.is_down(), down.last_start), (true, None));
    }

    #[test]
    fn durations_of_systemd_are_read() {
        assert_eq!(systemd_span("1min 30s"), Some(Span::seconds(90)));
        assert_eq!(systemd_span("1h 500ms"), Some(Span::millis(3_600_500)));
        for none in ["infinity", "", "1parsec", "s"] {
            assert_eq!(systemd_span(none), None, "{none}");
        }
    }
}
