use belay_engine::{EndState, Verdict};
use belay_plan::{Goal, Reached, StepKind, WayClass};

use crate::model::{Report, StepOutcome, StepReport, TurnReport};

/// The run in one sentence.
pub(crate) fn verdict(report: &Report) -> String {
    let (node, from, to) = (report.subject(), &report.from, &report.to);
    let Some(end) = &report.end else { return open(report) };
    let turn = report.turn.as_ref();
    match end.state {
        EndState::Committed if report.goal == Goal::Backup => {
            let receipt = report.receipt.as_ref();
            let path = receipt.and_then(|receipt| receipt.path.as_deref()).unwrap_or("a place that is not known");
            let level = receipt.and_then(|receipt| receipt.level.as_deref()).unwrap_or("not proven");
            let copied = report.copied.as_ref().map_or_else(String::new, |copied| format!(", and again in {copied}"));
            format!("{node} is backed up in {path}{copied}; proven: {level}.")
        }
        EndState::Committed => format!("{node} runs {to}, and every gate said yes through the soak."),
        EndState::Restored if turn.is_some_and(|turn| turn.asked) => {
            format!("{node} is back on {from}, as asked. The cluster is {}.", as_it_was(report))
        }
        // Nobody had shown yet whether it holds.
        EndState::Restored if turn.is_some_and(TurnReport::is_no_verdict) => {
            let cause = turn.map_or_else(String::new, cause);
            format!("{node} is back on {from}: {cause}. The cluster is {}.", as_it_was(report))
        }
        EndState::Restored => {
            let cause = turn.map_or_else(|| end.why.clone(), cause);
            format!(
                "{to} did not hold on {node}: {cause}. It went back to {from} by itself, and the cluster is {}.",
                as_it_was(report)
            )
        }
        EndState::Unchanged if turn.is_some_and(|turn| turn.asked) => {
            format!("The run was given up before K3s on {node} was touched, as asked. {node} still runs {from}.")
        }
        EndState::Unchanged => {
            let cause = turn.map_or_else(|| end.why.clone(), cause);
            format!("Nothing was changed: {cause} before K3s on {node} was touched. It still runs {from}.")
        }
        EndState::NeedsHuman => {
            let tried = if turn.is_some() {
                format!("neither {to} nor {from} could be shown to be well")
            } else {
                format!("{to} could not be shown to be well")
            };
            format!("{node} needs a human: {tried}, and nothing further is tried.")
        }
    }
}

/// What a way back that was reached gives again.
pub(crate) fn as_it_was(report: &Report) -> String {
    match (&report.fall, report.went_back_by) {
        (Some(fall), _) => {
            let (why, to) = (cause(fall), &report.to);
            format!("as it was before the swap: over the data of {to}, {why}, so the stopped copy was put back")
        }
        (None, Some(WayClass::Binary)) => "as it was, with everything that was written meanwhile".to_owned(),
        (None, _) => "as it was".to_owned(),
    }
}

/// What made it turn, in a clause.
pub(crate) fn cause(turn: &TurnReport) -> String {
    if turn.asked {
        return "somebody asked for it".to_owned();
    }
    if let Some(halted) = &turn.halted {
        return format!("it was {halted}");
    }
    match (turn.gates.first(), &turn.step) {
        (Some(gate), _) if gate.answer.verdict == Verdict::No => format!("the gate {} said no", gate.answer.name),
        (Some(gate), _) => format!("the gate {} gave no answer in time", gate.answer.name),
        (None, Some(step)) => format!("the step {step} failed"),
        (None, None) => turn.why.clone(),
    }
}

fn open(report: &Report) -> String {
    let node = report.subject();
    let begun = report.steps.iter().rfind(|step| step.state != StepOutcome::NotReached);
    let on = match (&report.turn, begun) {
        (_, None) => "before its first step".to_owned(),
        (None, Some(step)) => format!("at {}", step.id),
        (Some(turn), Some(step)) if step.back => format!("at {}, on its way back because {}", step.id, cause(turn)),
        (Some(turn), Some(_)) => format!("as it turned back because {}", cause(turn)),
    };
    format!("This run is not over: it was left on {node} {on}.")
}

/// What to do next.
pub(crate) fn next(report: &Report) -> Vec<String> {
    let run = &report.run;
    let Some(state) = report.state() else {
        let mut next = vec![if report.turn.is_some() {
            format!("`belay resume {run}` finishes the way back.")
        } else {
            format!("`belay resume {run}` goes on with it, `belay rollback {run}` goes back.")
        }];
        if down(report) {
            next.push("K3s may be down until then. Do not start it by hand.".to_owned());
        }
        return next;
    };
    let hint = report.turn.as_ref().and_then(|turn| turn.fault.as_ref()).and_then(|fault| fault.hint.clone());
    let to = &report.to;
    match state {
        EndState::Committed if report.goal == Goal::Backup => {
            vec!["nothing. `belay restore` lists this backup with the others; `belay prune` never removes the last good one.".to_owned()]
        }
        EndState::Committed => {
            vec!["nothing. What leads back stays on the node until the next run commits.".to_owned()]
        }
        EndState::Restored | EndState::Unchanged if report.turn.as_ref().is_some_and(TurnReport::is_no_verdict) => {
            let halted = report.turn.as_ref().is_some_and(|turn| turn.halted.is_some());
            let cause = report.turn.as_ref().map_or_else(String::new, cause);
            let so = if halted { "nothing was at fault" } else { "whether it would have held is not known" };
            vec![format!("{so}: {cause}."), again(report)]
        }
        EndState::Restored | EndState::Unchanged if report.goal == Goal::Restore => {
            let mut next: Vec<String> = hint.into_iter().collect();
            next.push(
                "read the report. The present is as it was; `belay restore` lists what could be restored.".to_owned(),
            );
            next
        }
        EndState::Restored | EndState::Unchanged if report.turn.as_ref().is_some_and(|turn| turn.asked) => {
            vec![format!("nothing. The plan is closed; `belay plan --to {to}` makes a new one.")]
        }
        EndState::Restored => {
            let mut next: Vec<String> = hint.into_iter().collect();
            next.push("read the report. The plan is closed; make a new one after fixing the release.".to_owned());
            next
        }
        EndState::Unchanged if report.goal == Goal::Backup => {
            let mut next: Vec<String> = hint.into_iter().collect();
            next.push("fix the cause, then give `belay backup` again.".to_owned());
            next
        }
        EndState::Unchanged => {
            let mut next: Vec<String> = hint.into_iter().collect();
            next.push(format!("fix the cause, then `belay plan --to {to}` makes a new plan; this one is closed."));
            next
        }
        EndState::NeedsHuman => human(report),
    }
}

/// What to type where only the time was wrong.
fn again(report: &Report) -> String {
    let to = &report.to;
    match report.goal {
        Goal::Upgrade => format!(
            "`belay upgrade --to {to}`, with the options that it had, can be given again; a plan is carried out once, so `belay apply` wants a new one."
        ),
        Goal::Backup => "`belay backup` can be given again.".to_owned(),
        Goal::Restore => {
            "the same command can be given again; `belay restore` lists what could be restored.".to_owned()
        }
    }
}

fn human(report: &Report) -> Vec<String> {
    let failed = report.steps.iter().rev().find_map(|step| step.fault());
    let mut next: Vec<String> = failed.and_then(|fault| fault.hint.clone()).into_iter().collect();
    for node in &report.nodes {
        next.push(format!("look at the unit on {node} with `systemctl status` and `journalctl -u`: K3s may be down or serve what was not checked."));
    }
    next.push(format!(
        "when the cause is mended: `belay resume {}` asks again. Where K3s was started meanwhile, by systemd or by hand, stop it first: the run \
         starts it itself, and takes no other start for its own.",
        report.run
    ));
    let kept: Vec<&str> = report.steps.iter().filter_map(leads_back).collect();
    if !kept.is_empty() {
        next.push(format!("keep what leads back until it is well: {}.", kept.join(", ")));
    }
    next
}

/// What a step left on the node that a human may need: the backup, the stopped copy, the other binary.
fn leads_back(step: &StepReport) -> Option<&str> {
    let field = match step.kind? {
        StepKind::ProveBackup | StepKind::Keep => "path",
        StepKind::Swap => "slot",
        _ => return None,
    };
    step.proof()?.get(field)?.as_str()
}

/// K3s was stopped and no start is known to have succeeded since.
fn down(report: &Report) -> bool {
    use StepKind::{Start, Stop};
    let last = report
        .steps
        .iter()
        .rfind(|step| matches!(step.kind, Some(Start | Stop)) && step.state != StepOutcome::NotReached);
    let restored = report.turn.as_ref().is_some_and(|turn| turn.reached == Reached::Prepared);
    !restored && last.is_some_and(|step| !(step.kind == Some(Start) && step.state == StepOutcome::Done))
}
