//! What a replay comes to: the answer judged as the daemon judges it, and every difference from the session.

use std::sync::Arc;
use std::time::Duration;

use reeve_model::node::KsmState;
use reeve_model::policy::{Hook, Outcome, PathChange};
use serde::Serialize;
use serde_json::Value;

use crate::asked::Verdict;
use crate::binding::Active;
use crate::chain::{self, Document};
use crate::exports::{Answer, Question};
use crate::failure::Failure;
use crate::instance::Report;
use crate::session::{Ksm, Session};
use crate::tape::{Diverged, HostCall, Mode};
use crate::{filter, migration, propose, tune};

/// Differences that are told of one session at most.
const DIFFERENCES_LIMIT: usize = 32;

/// Something that is not as the session says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Where, e.g. `answer.rewrite[0].set-vcpus`.
    pub path: String,
    /// What the session says, as JSON; none when it has nothing there.
    pub expected: Option<Value>,
    /// What it was this time; none when there was nothing.
    pub got: Option<Value>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value: &Option<Value>| {
            value.as_ref().map_or_else(
                || "nothing".to_owned(),
                |value| crate::failure::shorten(&value.to_string(), 400),
            )
        };
        write!(f, "{}: expected {}, got {}", self.path, text(&self.expected), text(&self.got))
    }
}

/// What was seen of a call that was played back.
pub(crate) struct Played {
    pub(crate) report: Report,
    pub(crate) answer: Option<Value>,
    pub(crate) diverged: Option<Diverged>,
    pub(crate) host_calls: Vec<HostCall>,
}

/// What came of a replayed session.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The answer as JSON; none when the policy gave none.
    pub answer: Option<Value>,
    /// What came of it.
    pub outcome: Outcome,
    /// The reason or failure, one sentence; may be empty.
    pub reason: String,
    /// What it changed.
    pub changes: Vec<PathChange>,
    /// Instructions used.
    pub fuel: u64,
    /// Calls into the host.
    pub host_calls: Vec<HostCall>,
    /// Largest linear memory, bytes.
    pub memory: usize,
    /// Wall-clock time, which differs from run to run.
    pub elapsed: Duration,
    /// Where it asked for something that the session does not have, which ended it.
    pub diverged: Option<Diverged>,
    /// Everything that is not as the session says; empty means it is the same.
    pub differences: Vec<Difference>,
}

impl Replayed {
    /// True when everything is as the session says.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    pub(crate) fn new(session: &Session, mode: Mode, digest: &str, played: Played, verdict: Verdict) -> Self {
        let Played { report, answer, diverged, host_calls } = played;
        let mut replayed = Self {
            answer,
            outcome: verdict.outcome,
            reason: verdict.reason,
            changes: verdict.changes,
            fuel: report.fuel,
            host_calls,
            memory: report.memory,
            elapsed: report.elapsed,
            diverged,
            differences: Vec::new(),
        };
        replayed.differences = replayed.compare(session, mode, digest);
        replayed
    }

    /// What is not as in `before`, a replay of the same session by another version: outcome, answer, changes, and calls that
    /// change the host.
    pub fn against(&self, before: &Self) -> Vec<Difference> {
        let mut differences = Differences(Vec::new());
        differences.value("outcome", &json(before.outcome), &json(self.outcome));
        let answer = |replayed: &Self| replayed.answer.clone().unwrap_or_default();
        differences.value("answer", &answer(before), &answer(self));
        differences.value("changes", &json(&before.changes), &json(&self.changes));
        differences.value("host-calls", &json(acts(&before.host_calls)), &json(acts(&self.host_calls)));
        differences.0
    }

    fn compare(&self, session: &Session, mode: Mode, digest: &str) -> Vec<Difference> {
        let mut differences = Differences(Vec::new());
        if mode == Mode::Exact
            && let Some(recorded) = &session.policy.digest
        {
            differences.value("policy.digest", &json(recorded), &json(digest));
        }
        if let Some(outcome) = session.outcome {
            differences.value("outcome", &json(outcome), &json(self.outcome));
        }
        if session.expects() && (session.answer.is_some() || session.fuel.is_some()) {
            let (expected, got) = (session.answer.clone(), self.answer.clone());
            differences.value("answer", &expected.unwrap_or_default(), &got.unwrap_or_default());
        }
        if let Some(changes) = &session.changes {
            differences.value("changes", &json(changes), &json(&self.changes));
        }
        if let Some(Diverged { asked, recorded }) = &self.diverged {
            differences.add("diverged", Some(json(recorded)), Some(json(asked)));
            return differences.0;
        }
        if self.outcome == Outcome::Trap && !differences.0.is_empty() {
            differences.add("failure", None, Some(json(&self.reason)));
        }
        match mode {
            Mode::Exact => {
                differences.value("host-calls", &json(&session.host_calls), &json(&self.host_calls));
                if let Some(fuel) = session.fuel {
                    differences.value("fuel", &json(fuel), &json(self.fuel));
                }
            }
            // In other words: what it did to the host, in order.
            Mode::Behaviour => {
                differences.value(
                    "host-calls",
                    &json(acts(&session.host_calls)),
                    &json(acts(&self.host_calls)),
                );
            }
        }
        differences.0
    }
}

/// The calls that change something.
fn acts(calls: &[HostCall]) -> Vec<&HostCall> {
    calls.iter().filter(|call| call.acts()).collect()
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

struct Differences(Vec<Difference>);

impl Differences {
    fn add(&mut self, path: &str, expected: Option<Value>, got: Option<Value>) {
        if self.0.len() < DIFFERENCES_LIMIT {
            self.0.push(Difference { path: path.to_owned(), expected, got });
        }
    }

    fn value(&mut self, path: &str, expected: &Value, got: &Value) {
        if expected == got {
            return;
        }
        match (expected, got) {
            (Value::Object(expected), Value::Object(got))
                if expected.keys().any(|name| got.contains_key(name)) =>
            {
                let names = expected.keys().chain(got.keys().filter(|name| !expected.contains_key(*name)));
                for name in names {
                    self.part(&format!("{path}.{name}"), expected.get(name), got.get(name));
                }
            }
            (Value::Array(expected), Value::Array(got)) => {
                for at in 0..expected.len().max(got.len()) {
                    self.part(&format!("{path}[{at}]"), expected.get(at), got.get(at));
                }
            }
            _ => {
                let some = |value: &Value| (!value.is_null()).then(|| value.clone());
                self.add(path, some(expected), some(got));
            }
        }
    }

    fn part(&mut self, path: &str, expected: Option<&Value>, got: Option<&Value>) {
        match (expected, got) {
            (Some(expected), Some(got)) => self.value(path, expected, got),
            (expected, got) => self.add(path, expected.cloned(), got.cloned()),
        }
    }
}

/// What an answer comes to, as the daemon would decide it. A tuner's adjustments are clamped, and taken as applied.
pub(crate) fn judge(
    hook: Hook,
    active: &Active,
    asked: &Question,
    answer: Result<Answer, Failure>,
) -> Verdict {
    let verdict = answer.and_then(|answer| match asked {
        Question::Guard { domain, .. } | Question::Migrate { domain, .. } => {
            guard(hook, active, Some(&Document::Domain(Arc::clone(&domain.config))), answer)
        }
        Question::Strategy(ask) => migration::judge(ask, answer).map(|(_, verdict)| verdict),
        Question::NewVolume(volume) => {
            guard(hook, active, Some(&Document::Volume(Arc::clone(&volume.config))), answer)
        }
        Question::Network(_) | Question::Port { .. } | Question::Pool { .. } | Question::Volume { .. } => {
            guard(hook, active, None, answer)
        }
        Question::DomainEvent(_)
        | Question::DaemonEvent(_)
        | Question::NetworkEvent(_)
        | Question::StorageEvent(_) => Ok(Verdict::plain(Outcome::Notified)),
        Question::Clone(request) => {
            propose::clone_name::judge(answer, &request.taken).map(|(_, verdict)| verdict)
        }
        Question::Filter { subject, tree } => filter::judge(subject, tree, answer),
        Question::Mac { taken, .. } => propose::judge(answer, taken).map(|(_, verdict)| verdict),
        Question::Ksm(snapshot) => match answer {
            Answer::Ksm(adjustments) => {
                let before = KsmState::from(Ksm::from(snapshot.ksm));
                let change = tune::change(active, &before, &adjustments)?;
                let changes = tune::changes(&before, change);
                Ok(Verdict { changes, ..Verdict::plain(Outcome::Adjusted) })
            }
            _ => Err(Failure::Refused("a tuner must answer with adjustments".to_owned())),
        },
        Question::Run(_) => match answer {
            Answer::Summary(summary) => Ok(Verdict { reason: summary, ..Verdict::plain(Outcome::Done) }),
            _ => Err(Failure::Refused("a task must answer with a summary".to_owned())),
        },
    });
    verdict.unwrap_or_else(|failure| Verdict::failed(&failure))
}

fn guard(
    hook: Hook,
    active: &Active,
    document: Option<&Document>,
    answer: Answer,
) -> Result<Verdict, Failure> {
    chain::decide(hook, active, document, answer).map(|step| step.verdict())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_say_where() {
        let mut differences = Differences(Vec::new());
        let expected = json!({"rewrite": [{"set-vcpus": 2}, {"set-title": "a"}]});
        let got = json!({"rewrite": [{"set-vcpus": 4}]});
        differences.value("answer", &expected, &got);
        differences.value("answer", &json!({"deny": "no"}), &json!({"allow": null}));
        let texts: Vec<String> = differences.0.iter().map(Difference::to_string).collect();
        assert_eq!(
            texts,
            [
                "answer.rewrite[0].set-vcpus: expected 2, got 4",
                "answer.rewrite[1]: expected {\"set-title\":\"a\"}, got nothing",
                "answer: expected {\"deny\":\"no\"}, got {\"allow\":null}",
            ]
        );
    }
}
