//! The tape of one call: everything a policy learns from outside goes through [`CallState::witness`], which records it, plays
//! it back, or (the normal case) does neither and costs a comparison.
//!
//! ```text
//!   Off         live()                                       nothing is written down
//!   Recording   live() ──► function, arguments, result ──►   the session
//!   Replaying   function, arguments ──► the session's result; the live side is never touched
//! ```
//!
//! What a `domain-config` resource says is not on the tape: it comes from a document that is.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::CallState;
use crate::session::Taped;

/// Calls that are recorded of one invocation at most; a call that makes more is not replayable.
const CALLS_LIMIT: usize = 10_000;

/// Bytes of arguments and results that are recorded of one invocation at most.
const BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// One call into the host, as a session has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HostCall {
    /// Interface and function without version, e.g. `reeve:kv/store.get`.
    pub function: String,
    /// Its arguments, in order.
    pub arguments: Vec<Value>,
    /// What it gave: the value itself, or `{"ok": …}` and `{"err": {"code", "message"}}` for a function that can fail.
    pub result: Value,
}

impl HostCall {
    /// True for calls that change something: they must be made again exactly, whatever the language.
    pub fn acts(&self) -> bool {
        let (interface, function) = self.function.rsplit_once('.').unwrap_or_default();
        match interface {
            "reeve:domain/domains" => !matches!(function, "list" | "get" | "committed"),
            "reeve:storage/volumes" => !matches!(function, "list" | "get" | "read"),
            "reeve:kv/store" => matches!(function, "set" | "delete"),
            "reeve:log/log"
            | "reeve:clock/clock"
            | "reeve:clock/timer"
            | "reeve:node/host"
            | "reeve:node/ksm"
            | "reeve:network/networks"
            | "reeve:storage/pools" => false,
            "wasi:clocks/wall-clock" | "wasi:clocks/monotonic-clock" | "wasi:random/random" => false,
            _ => true,
        }
    }

    /// True for lines of the log, which every implementation words as it likes.
    pub fn logs(&self) -> bool {
        self.function == LOG
    }

    /// True for clocks and randomness of WASI: what the runtime of a language reads for itself.
    pub(crate) fn of_the_runtime(&self) -> bool {
        self.function.starts_with("wasi:")
    }

    /// The call without its result, shortened, for people.
    pub(crate) fn question(&self) -> String {
        let arguments: Vec<String> = self.arguments.iter().map(Value::to_string).collect();
        crate::failure::shorten(&format!("{}({})", self.function, arguments.join(", ")), 256)
    }
}

const LOG: &str = "reeve:log/log.write";

/// How faithfully a session is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The same component: host calls in the same order, the same answer, the same fuel.
    Exact,
    /// Another version or language: the same answer, outcome and changes; host calls are answered by function and arguments.
    Behaviour,
}

/// What happens with the host calls of one invocation.
#[derive(Clone, Default)]
pub(crate) enum Tape {
    /// Nothing.
    #[default]
    Off,
    /// They are written down.
    Recording(Arc<Mutex<Recording>>),
    /// They are answered from a session.
    Replaying(Arc<Mutex<Player>>),
}

/// Calls that were made so far.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) calls: Vec<HostCall>,
    bytes: usize,
    /// True when there were more than a session holds.
    pub(crate) overflowed: bool,
}

impl Recording {
    fn add(&mut self, call: HostCall) {
        self.bytes = self.bytes.saturating_add(length(&call.result));
        self.bytes = self.bytes.saturating_add(call.arguments.iter().map(length).sum::<usize>());
        self.overflowed |= self.calls.len() >= CALLS_LIMIT || self.bytes > BYTES_LIMIT;
        if !self.overflowed {
            self.calls.push(call);
        }
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(length).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + length(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// A replayed call asked for something the session does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("diverged: asked {asked}, the session has {recorded}")]
pub struct Diverged {
    /// What was asked.
    pub asked: String,
    /// What the session has in its place.
    pub recorded: String,
}

/// The recorded calls of a session while they are played back.
#[derive(Debug)]
pub(crate) struct Player {
    mode: Mode,
    recorded: Vec<HostCall>,
    used: Vec<bool>,
    /// In order of the calls that were made.
    pub(crate) made: Vec<HostCall>,
    /// The first call that the session does not have.
    pub(crate) diverged: Option<Diverged>,
}

impl Player {
    /// A player of `recorded`, from the beginning.
    pub(crate) fn new(mode: Mode, recorded: Vec<HostCall>) -> Self {
        Self { mode, used: vec![false; recorded.len()], recorded, made: Vec::new(), diverged: None }
    }

    /// The recorded result of a call.
    fn play(&mut self, function: &str, arguments: Vec<Value>) -> Result<Value, Diverged> {
        let asked = HostCall { function: function.to_owned(), arguments, result: Value::Null };
        let found = match self.mode {
            Mode::Exact => self.next(&asked),
            Mode::Behaviour if asked.logs() => Ok(None),
            Mode::Behaviour => self.matching(&asked).map(Some),
        };
        let found = found.inspect_err(|diverged| {
            // Another language may look at a clock; it is told 0.
            if self.mode == Mode::Exact || !asked.of_the_runtime() {
                self.diverged.get_or_insert_with(|| diverged.clone());
            }
        })?;
        let result = found.map_or(Value::Null, |index| self.recorded[index].result.clone());
        if let Some(index) = found {
            self.used[index] = true;
        }
        self.made.push(HostCall { result: result.clone(), ..asked });
        Ok(result)
    }

    fn next(&self, asked: &HostCall) -> Result<Option<usize>, Diverged> {
        let index = self.made.len();
        match self.recorded.get(index) {
            Some(call) if same(call, asked) => Ok(Some(index)),
            other => {
                let recorded = other.map_or_else(|| "no more calls".to_owned(), HostCall::question);
                Err(Diverged { asked: asked.question(), recorded })
            }
        }
    }

    /// The first unused call that fits, or, for one that changes nothing, the last one that was used.
    fn matching(&self, asked: &HostCall) -> Result<usize, Diverged> {
        let fits = |index: &usize| same(&self.recorded[*index], asked);
        let all = 0..self.recorded.len();
        let unused = all.clone().filter(|index| !self.used[*index]).find(fits);
        let again = || if asked.acts() { None } else { all.rev().find(fits) };
        unused.or_else(again).ok_or_else(|| {
            let same_function: Vec<String> = self
                .recorded
                .iter()
                .filter(|call| call.function == asked.function)
                .map(HostCall::question)
                .take(3)
                .collect();
            let recorded = match &same_function[..] {
                [] => "no call of it".to_owned(),
                calls if asked.acts() && calls.contains(&asked.question()) => "it fewer times".to_owned(),
                calls => calls.join(" and "),
            };
            Diverged { asked: asked.question(), recorded }
        })
    }
}

fn same(one: &HostCall, other: &HostCall) -> bool {
    one.function == other.function && one.arguments == other.arguments
}

impl CallState {
    /// One thing a policy learns from outside: `live` is asked and perhaps recorded, or the session answers in its place.
    pub(crate) fn witness<T: Taped>(
        &mut self,
        function: &'static str,
        arguments: impl FnOnce() -> Vec<Value>,
        live: impl FnOnce(&mut Self) -> T,
    ) -> wasmtime::Result<T> {
        match &self.tape {
            Tape::Off => Ok(live(self)),
            Tape::Recording(recording) => {
                let recording = Arc::clone(recording);
                let arguments = arguments();
                let result = live(self);
                record(&recording, function, arguments, &result);
                Ok(result)
            }
            Tape::Replaying(player) => play(player, function, arguments()),
        }
    }

    /// The same for what takes time.
    pub(crate) async fn witness_async<T: Taped>(
        &mut self,
        function: &'static str,
        arguments: impl FnOnce() -> Vec<Value>,
        live: impl Future<Output = T> + Send,
    ) -> wasmtime::Result<T> {
        match &self.tape {
            Tape::Off => Ok(live.await),
            Tape::Recording(recording) => {
                let recording = Arc::clone(recording);
                let arguments = arguments();
                let result = live.await;
                record(&recording, function, arguments, &result);
                Ok(result)
            }
            Tape::Replaying(player) => play(player, function, arguments()),
        }
    }
}

impl Tape {
    /// [`CallState::witness`] for what has only the tape and takes no arguments.
    pub(crate) fn observe<T: Taped>(
        &self,
        function: &'static str,
        live: impl FnOnce() -> T,
    ) -> wasmtime::Result<T> {
        match self {
            Self::Off => Ok(live()),
            Self::Recording(recording) => {
                let result = live();
                record(recording, function, Vec::new(), &result);
                Ok(result)
            }
            Self::Replaying(player) => play(player, function, Vec::new()),
        }
    }
}

fn record<T: Taped>(recording: &Mutex<Recording>, function: &str, arguments: Vec<Value>, result: &T) {
    let call = HostCall { function: function.to_owned(), arguments, result: result.to_tape() };
    recording.lock().unwrap_or_else(PoisonError::into_inner).add(call);
}

fn play<T: Taped>(player: &Mutex<Player>, function: &str, arguments: Vec<Value>) -> wasmtime::Result<T> {
    let result = player.lock().unwrap_or_else(PoisonError::into_inner).play(function, arguments)?;
    T::from_tape(result).map_err(|reason| {
        let asked = format!("the result of {function}");
        Diverged { asked, recorded: format!("something else: {reason}") }.into()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(function: &str, argument: &str, result: Value) -> HostCall {
        HostCall { function: function.into(), arguments: vec![json!(argument)], result }
    }

    fn ask(player: &mut Player, function: &str, argument: &str) -> Result<Value, String> {
        player.play(function, vec![json!(argument)]).map_err(|diverged| diverged.to_string())
    }

    #[test]
    fn exact_means_the_same_calls_in_the_same_order() {
        let recorded =
            vec![call("reeve:kv/store.get", "a", json!(1)), call("reeve:kv/store.get", "b", json!(2))];
        let mut player = Player::new(Mode::Exact, recorded);
        assert_eq!(ask(&mut player, "reeve:kv/store.get", "a"), Ok(json!(1)));
        let diverged = ask(&mut player, "reeve:kv/store.get", "c").unwrap_err();
        assert_eq!(
            diverged,
            "diverged: asked reeve:kv/store.get(\"c\"), the session has reeve:kv/store.get(\"b\")"
        );
        assert_eq!(ask(&mut player, "reeve:kv/store.get", "b"), Ok(json!(2)));
        assert!(
            ask(&mut player, "reeve:kv/store.get", "b")
                .unwrap_err()
                .ends_with("the session has no more calls")
        );
    }

    #[test]
    fn behaviour_means_the_same_calls_in_any_order() {
        let recorded = vec![
            call("reeve:kv/store.get", "a", json!(1)),
            call("reeve:kv/store.get", "a", json!(2)),
            call("reeve:kv/store.set", "a", json!(null)),
        ];
        let mut player = Player::new(Mode::Behaviour, recorded);
        assert_eq!(ask(&mut player, "reeve:log/log.write", "in other words"), Ok(json!(null)));
        assert_eq!(ask(&mut player, "reeve:kv/store.set", "a"), Ok(json!(null)));
        for expected in [1, 2, 2] {
            assert_eq!(
                ask(&mut player, "reeve:kv/store.get", "a"),
                Ok(json!(expected)),
                "first unused first"
            );
        }
        assert!(ask(&mut player, "reeve:kv/store.set", "a").unwrap_err().ends_with("has it fewer times"));
        assert!(
            ask(&mut player, "reeve:kv/store.get", "b").unwrap_err().contains("the session has reeve:kv")
        );
        assert!(ask(&mut player, "reeve:node/host.get-info", "").unwrap_err().ends_with("no call of it"));
    }
}
