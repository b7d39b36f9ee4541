//! The gates: questions that must be answered yes before the next step (design.md §7). One file a question.
//!
//! A question is asked once by its file and answers yes, no, or not yet; this module polls it until yes, no, or the
//! step's deadline, and journals the verdict. Silence is inconclusive, never a no.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use belay_engine::{Event, Fault, FaultKind, GateAnswer, Verdict};
use belay_facts::{Digest, K3sVersion, Span, Workload};
use belay_plan::{GateName, Step};
use serde_json::Value;

use crate::RunError;
use crate::book::Book;
use crate::session::Session;

mod canary_pod;
mod datastore;
mod dns;
mod identity;
mod invocation;
mod kubelet;
mod probe;
mod readyz;
mod workloads;

/// How often a question is asked again: at first often, since most answers come within seconds and all wait for the
/// slowest, then as often as costs a small server nothing (I23).
const AGAIN: [(Duration, Duration); 2] =
    [(Duration::from_secs(5), Duration::from_millis(100)), (Duration::MAX, Duration::from_millis(500))];
/// How long a question may go unanswered in a soak before the silence counts.
const SILENCE: Span = Span::seconds(30);

/// How long an API may take to tell why a gate did not say yes.
const CAUSE: Duration = Duration::from_secs(2);

/// What the answers are measured against.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The version that should serve.
    pub version: K3sVersion,
    /// When the start was begun, by this machine's calendar: a lease renewed after it was renewed by the new kubelet,
    /// since the old one was proven gone. `None` before a stop.
    pub start_begun: Option<jiff::Timestamp>,
    /// The same on the boot clock, where that has gone on since: the calendar may have been set meanwhile.
    pub start_begun_since_boot: Option<Span>,
    /// The node has booted since the start: the life to be judged began with that boot.
    pub rebooted: bool,
    /// When READY came.
    pub ready: Option<jiff::Timestamp>,
    /// The same on the boot clock, from which waiting is measured.
    pub ready_since_boot: Option<Span>,
    /// The life that was started; it must not end before the commit.
    pub invocation: Option<String>,
    /// Where the running executable must lie, and what it must be.
    pub data_hash: Option<String>,
    pub executable: Option<Digest>,
    /// What ran before the stop.
    pub workloads: Vec<Workload>,
}

/// One answer to one asking.
pub enum Answer {
    Yes { says: String, evidence: Value },
    No { says: String, evidence: Value },
    NotYet { says: String, evidence: Value },
}

impl Answer {
    fn not_yet(says: impl std::fmt::Display) -> Self {
        Self::NotYet { says: says.to_string(), evidence: Value::Null }
    }
}

type Asking<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

fn put<'a>(gate: GateName, session: &'a mut Session, expected: &'a Expectation) -> Asking<'a> {
    match gate {
        GateName::Identity => Box::pin(identity::ask(session)),
        GateName::Invocation => Box::pin(invocation::ask(session, expected)),
        GateName::Readyz => Box::pin(readyz::ask(session)),
        GateName::Kubelet => Box::pin(kubelet::ask(session, expected)),
        GateName::Datastore => Box::pin(datastore::ask(session)),
        GateName::CanaryPod => Box::pin(canary_pod::ask(session, expected)),
        GateName::Dns => Box::pin(dns::ask(session)),
        GateName::Workloads => Box::pin(workloads::ask(session, expected)),
        GateName::Probe => Box::pin(probe::ask(session)),
    }
}

/// Asks every gate of the step in order until each says yes. The proof is the list of answers.
pub async fn ask_all(
    session: &mut Session,
    step: &Step,
    expected: &Expectation,
    book: &mut Book,
) -> Result<Result<Value, Fault>, RunError> {
    let began = Instant::now();
    let mut answers = Vec::new();
    for &gate in &step.gates {
        let asked = Instant::now();
        let answer = loop {
            if let Err(fault) = session.renew().await {
                return Ok(Err(fault));
            }
            let life = if answers.is_empty() { None } else { ended(session, step, expected).await };
            let answer = match life {
                Some(answer) => answer,
                None => put(gate, session, expected).await,
            };
            let after = Span::from(asked.elapsed());
            let settled = |name, verdict, says, evidence| GateAnswer { name, verdict, says, evidence, after };
            match answer {
                Answer::Yes { says, evidence } => break settled(gate, Verdict::Yes, says, evidence),
                Answer::No { says, evidence } => break settled(gate, Verdict::No, says, evidence),
                Answer::NotYet { .. } if session.link.is_lost().await => return Ok(Err(unheard(session, gate))),
                Answer::NotYet { says, evidence } => {
                    if began.elapsed() >= step.deadline.duration() {
                        // Whoever stood still until the deadline had passed may find the node taken over: then it says nothing
                        // about it, and asks nothing more.
                        if let Err(fault) = session.renew().await {
                            return Ok(Err(fault));
                        }
                        break settled(gate, Verdict::Inconclusive, says, evidence);
                    }
                    book.doing(&format!("gate {gate}: {says}"));
                }
            }
            if let Some(why) = book.interrupted_forward() {
                let message = format!("gate {gate} was not waited for: {why}");
                return Ok(Err(Fault { kind: FaultKind::Refused, message, hint: None }));
            }
            tokio::time::sleep(again(began.elapsed())).await;
        };
        book.record(Event::Gate { step: step.id.clone(), answer: answer.clone() })?;
        if answer.verdict != Verdict::Yes {
            return Ok(Err(explain(session, &answer).await));
        }
        answers.push(answer);
        // It is our cluster: from here on a canary may be made, and the questions before its own take as long as it does.
        if gate == GateName::Identity && step.gates.contains(&GateName::CanaryPod) {
            let _ = session.begin_canary(expected.start_begun.is_some()).await;
        }
    }
    Ok(Ok(serde_json::json!({ "answers": answers })))
}

/// How long to wait before a question is asked again, so long after the first.
fn again(passed: Duration) -> Duration {
    AGAIN.into_iter().find(|(until, _)| passed < *until).map_or(SILENCE.duration(), |(_, every)| every)
}

/// Goes on asking for the length of the soak. A single slow answer is not a no; a no is.
pub async fn soak(
    session: &mut Session,
    step: &Step,
    expected: &Expectation,
    book: &mut Book,
) -> Result<Result<Value, Fault>, RunError> {
    let length = step.length.unwrap_or(Span::ZERO);
    let began = Instant::now();
    let mut rounds: u64 = 0;
    let mut silent: std::collections::BTreeMap<GateName, Instant> = std::collections::BTreeMap::new();
    loop {
        for gate in round(&step.gates) {
            if let Err(fault) = session.renew().await {
                return Ok(Err(fault));
            }
            let (verdict, says, evidence) = match put(gate, session, expected).await {
                Answer::Yes { .. } => {
                    silent.remove(&gate);
                    continue;
                }
                Answer::No { says, evidence } => (Verdict::No, says, evidence),
                Answer::NotYet { .. } if session.link.is_lost().await => return Ok(Err(unheard(session, gate))),
                Answer::NotYet { says, evidence } => {
                    let since = silent.entry(gate).or_insert_with(Instant::now);
                    if since.elapsed() < SILENCE.duration() {
                        continue;
                    }
                    (Verdict::Inconclusive, says, evidence)
                }
            };
            let answer = GateAnswer { name: gate, verdict, says, evidence, after: Span::from(began.elapsed()) };
            book.record(Event::Gate { step: step.id.clone(), answer: answer.clone() })?;
            return Ok(Err(explain(session, &answer).await));
        }
        rounds += 1;
        let passed = Span::from(began.elapsed());
        if passed >= length && silent.is_empty() {
            return Ok(Ok(serde_json::json!({ "rounds": rounds, "soaked": passed })));
        }
        let left = length.duration().saturating_sub(began.elapsed());
        if let Some(why) = book.interrupted_forward() {
            let message = format!("the soak was not finished: {why}");
            return Ok(Err(Fault { kind: FaultKind::Refused, message, hint: None }));
        }
        book.progress("soaking: every gate goes on being asked", passed.as_millis(), length.as_millis());
        tokio::time::sleep(Duration::from_secs(1).min(left.max(Duration::from_millis(100)))).await;
    }
}

/// What is asked in one round of a soak. The life that was started is asked for last as well: a question that waited may have
/// outlived it, and in the last round nobody would ask again.
fn round(gates: &[GateName]) -> Vec<GateName> {
    let last = gates.contains(&GateName::Invocation).then_some(GateName::Invocation);
    gates.iter().copied().chain(last).collect()
}

/// Silence of a node that cannot be reached is no answer of a gate: it is asked again over a new connection.
fn unheard(session: &Session, gate: GateName) -> Fault {
    let message = format!("the connection to {} was lost while gate {gate} was asked", session.node());
    Fault { kind: FaultKind::Channel, message, hint: None }
}

/// Positive evidence that the life that was started is over settles every other question.
async fn ended(session: &mut Session, step: &Step, expected: &Expectation) -> Option<Answer> {
    if !step.gates.contains(&GateName::Invocation) {
        return None;
    }
    match invocation::ask(session, expected).await {
        Answer::No { says, evidence } => Some(Answer::No { says, evidence }),
        _ => None,
    }
}

/// The fault of a gate that did not say yes, with the last words of the logs: what a person would look at next.
async fn explain(session: &mut Session, answer: &GateAnswer) -> Fault {
    let (unit, containerd) = session.log(5).await;
    let stop = if answer.says.ends_with(['.', '!', '?']) { "" } else { "." };
    let mut message = format!("gate {}: {}{stop}", answer.name, answer.says);
    let no_lease = answer.evidence.get("lease-renewed").is_some_and(|renewed| renewed == false);
    if answer.name == GateName::Kubelet
        && no_lease
        && let Some(line) = containerd.last()
    {
        message.push_str(&format!(" The last line of containerd's log: {}", shorten(line)));
    } else if matches!(answer.name, GateName::Invocation | GateName::Readyz)
        && let Some(line) = unit.last()
    {
        message.push_str(&format!(" The last line of its log: {}", shorten(line)));
    }
    if matches!(answer.name, GateName::Dns | GateName::Workloads | GateName::CanaryPod) {
        let pressure = pressure(session).await;
        message.push_str(&lacking(session.node(), &pressure));
    }
    let kind = if answer.verdict == Verdict::No { FaultKind::GateNo } else { FaultKind::Inconclusive };
    Fault { kind, message, hint: None }
}

/// What the kubelet lacks; nothing where the API does not say so at once: the way back is not to wait for a cause.
async fn pressure(session: &mut Session) -> Vec<String> {
    let node = session.node().to_owned();
    let asked = async { session.api().await?.node_pressure(&node).await };
    tokio::time::timeout(CAUSE, asked).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// Why no question about pods is answered yes, whichever version runs: only a person can make room.
fn lacking(node: &str, pressure: &[String]) -> String {
    if pressure.is_empty() {
        return String::new();
    }
    format!(
        " {node} is under {}: its kubelet evicts pods and takes no new ones until a few minutes after it has room again.",
        pressure.join(" and ")
    )
}

fn shorten(line: &str) -> String {
    let clean: String = line.chars().filter(|c| !c.is_control()).collect();
    if clean.chars().count() <= 240 { clean } else { clean.chars().take(239).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_that_ended_in_the_last_round_of_a_soak_was_committed() {
        let gates = [GateName::Identity, GateName::Invocation, GateName::Readyz, GateName::Probe];
        assert_eq!(round(&gates).last(), Some(&GateName::Invocation));
        assert_eq!(round(&gates)[..gates.len()], gates);
        assert_eq!(round(&[GateName::Readyz]), [GateName::Readyz], "what the plan does not ask is not asked");
    }

    #[test]
    fn pods_that_a_full_disk_evicted_were_told_as_not_ready_without_a_cause() {
        assert_eq!(lacking("n1", &[]), "");
        let told = lacking("n1", &["DiskPressure".to_owned(), "PIDPressure".to_owned()]);
        assert!(told.starts_with(" n1 is under DiskPressure and PIDPressure: its kubelet evicts pods"), "{told}");
    }

    #[test]
    fn a_question_is_asked_often_at_first_and_not_for_long() {
        let often = Duration::from_millis(100);
        assert_eq!(again(Duration::ZERO), often);
        assert_eq!(again(Duration::from_millis(4999)), often);
        assert_eq!(again(Duration::from_secs(5)), Duration::from_millis(500));
        assert_eq!(again(Duration::from_secs(170)), Duration::from_millis(500));
    }
}
