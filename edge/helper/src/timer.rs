//! The timer that looks after the lease: installed by `arm-guard`, removed with the run.
//!
//! What it starts is a unit of its own. The boot unit is ordered before K3s, so a start of K3s that it waited for would
//! wait for it.

use std::fs;
use std::path::{Path, PathBuf};

use belay_journal::durable;
use belay_wire::{Fault, GUARD_TIMER, LEASE_UNIT};

use crate::Places;
use crate::fault::{Attempt as _, failed};
use crate::fence::{is_text, quoted};
use crate::lease::Lease;
use crate::step::Step;
use crate::unit::{Unit, command, daemon_reload};

/// Both units, and that they are what they shall be.
fn units(step: &Step<'_>) -> [(PathBuf, String); 2] {
    let run = &step.mutation.run;
    let helper = step.places.helper.to_string_lossy();
    let paths =
        [step.places.state.as_path(), &step.data_dir()].map(|path: &Path| quoted(&path.to_string_lossy())).join(" ");
    let service = format!(
        "# Written by Belay for run {run}; removed when it ends.\n\
         [Unit]\nDescription=Belay: go back when the coordinator is silent past its lease\nRequiresMountsFor={paths}\n\n\
         [Service]\nType=oneshot\nExecStart={helper} guard\nTimeoutStartSec=3600\n\
         # It looks every few seconds, and only what it does is worth a line.\nSyslogLevel=notice\nLogLevelMax=notice\n"
    );
    let timer = format!(
        "# Written by Belay for run {run}; removed when it ends.\n\
         [Unit]\nDescription=Belay: look whether the coordinator is silent past its lease\n\n\
         [Timer]\nOnActiveSec=5s\nOnUnitInactiveSec=5s\nAccuracySec=1s\nUnit={LEASE_UNIT}\n\n\
         [Install]\nWantedBy=timers.target\n"
    );
    [(step.places.lease_unit(), service), (step.places.guard_timer(), timer)]
}

/// Whether it looks now, and will after a boot.
pub(crate) fn is_armed(step: &Step<'_>) -> Result<bool, Fault> {
    let linked = fs::read_link(step.places.timer_wanted()).ok().as_deref() == Some(step.places.guard_timer().as_path());
    let written = units(step).iter().all(|(path, text)| is_text(path, text));
    Ok(linked && written && Unit::show(step.places, GUARD_TIMER)?.active_state == "active")
}

/// Installs and starts it, as far as that is not yet so.
pub(crate) fn arm(step: &Step<'_>) -> Result<(), Fault> {
    let places = step.places;
    for (path, text) in units(step) {
        if !is_text(&path, &text) {
            durable::replace(&path, text.as_bytes(), 0o644)
                .attempt(|| format!("{} could not be written", path.display()))?;
        }
    }
    let wanted = places.timer_wanted();
    let what = || format!("{} could not be enabled", wanted.display());
    if let Some(dir) = wanted.parent() {
        durable::create_dir(dir, 0o755).attempt(what)?;
    }
    if fs::read_link(&wanted).ok().as_deref() != Some(places.guard_timer().as_path()) {
        durable::replace_link(&wanted, &places.guard_timer()).attempt(what)?;
    }
    // Also when nothing was written: a crash may have come between the files and the reload.
    daemon_reload(places)?;
    command(places, &["start", "--", GUARD_TIMER], || format!("{GUARD_TIMER} could not be started"))?;
    match is_armed(step)? {
        true => Ok(()),
        false => Err(failed(format!("{GUARD_TIMER} was started and is not active"))),
    }
}

/// Stops it and removes it with its lease; the caller makes systemd read its units again.
pub(crate) fn remove(places: &Places) -> Result<(), Fault> {
    // One that is not loaded has nothing to stop; what remains is a look at a run that has ended.
    let _ = command(places, &["stop", "--", GUARD_TIMER], || format!("{GUARD_TIMER} could not be stopped"));
    for path in [places.timer_wanted(), places.guard_timer(), places.lease_unit()] {
        durable::remove(&path).attempt(|| format!("{} could not be removed", path.display()))?;
    }
    Lease::remove(places)
}

/// The run needs a human, so nothing more is done by itself.
pub(crate) fn disarm(places: &Places) -> Result<(), Fault> {
    let there = places.guard_timer().exists() || places.timer_wanted().is_symlink() || places.lease_unit().exists();
    remove(places)?;
    if there { daemon_reload(places) } else { Ok(()) }
}
