//! Questions and answers, one at a time, each within its time and size.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::AgentError;
use crate::text::plain;

/// Bytes an answer may have.
pub const MAX_ANSWER: usize = 4 << 20;
/// Never in JSON: whoever reads it forgets what came before.
const SENTINEL: u8 = 0xff;
/// How long an agent that runs may take to find the beginning of a conversation.
const SYNC: Duration = Duration::from_secs(5);
const SYNC_COMMAND: &str = "guest-sync-delimited";
const CHUNK: usize = 16 << 10;

/// A conversation with the agent of a guest over any stream.
pub struct Agent<S> {
    stream: S,
    /// What came and was not looked at.
    unread: Vec<u8>,
    /// Every answer that comes from here on is to a question of ours.
    in_step: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Agent<S> {
    /// Begins a conversation; an agent that does not answer is found out here.
    pub async fn begin(stream: S) -> Result<Self, AgentError> {
        let mut agent = Self { stream, unread: Vec::new(), in_step: false };
        agent.synchronize().await?;
        Ok(agent)
    }

    /// Asks for one command and waits for what it returns. After an answer that did not come in time the agent may be asked again.
    pub async fn ask(
        &mut self,
        command: &str,
        arguments: Value,
        patience: Duration,
    ) -> Result<Value, AgentError> {
        self.ask_object(&request(command, arguments), command, patience).await
    }

    /// As [`Agent::ask`], with an object of the caller's making, e.g. `{"execute":"guest-ping"}`.
    pub async fn ask_verbatim(&mut self, object: &Value, patience: Duration) -> Result<Value, AgentError> {
        let invalid = |reason: &str| AgentError::Invalid(format!("a command for a guest agent {reason}"));
        let Value::Object(fields) = object else { return Err(invalid("is a JSON object")) };
        let Some(Value::String(command)) = fields.get("execute") else {
            return Err(invalid("names what to do: {\"execute\":\"guest-ping\"}"));
        };
        let command = plain(command);
        if command.starts_with("guest-sync") {
            return Err(invalid(
                "is not one of guest-sync and guest-sync-delimited: every conversation begins so",
            ));
        }
        self.ask_object(object, &command, patience).await
    }

    /// Asks for a command that answers only when it fails, e.g. a shutdown; waits `patience` for that.
    pub async fn tell(
        &mut self,
        command: &str,
        arguments: Value,
        patience: Duration,
    ) -> Result<(), AgentError> {
        match self.ask(command, arguments, patience).await {
            Ok(_) | Err(AgentError::Silent { .. } | AgentError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ask_object(
        &mut self,
        object: &Value,
        command: &str,
        patience: Duration,
    ) -> Result<Value, AgentError> {
        if !self.in_step {
            self.synchronize().await?;
        }
        self.in_step = false;
        let deadline = Deadline::new(command, patience);
        deadline.limit(self.send(&[], object)).await?;
        let line = self.line(&deadline).await?;
        let answer: Value =
            serde_json::from_slice(&line).map_err(|error| deadline.malformed(&error.to_string()))?;
        self.in_step = true;
        returned(answer, &deadline)
    }

    /// Finds the place in what the agent says from which on it answers us.
    async fn synchronize(&mut self) -> Result<(), AgentError> {
        let id = number();
        let deadline = Deadline::new(SYNC_COMMAND, SYNC);
        deadline.limit(self.send(&[SENTINEL], &request(SYNC_COMMAND, json!({ "id": id })))).await?;
        loop {
            while !self.skip_past_sentinel() {
                self.unread.clear();
                self.fill(&deadline).await?;
            }
            let line = self.line(&deadline).await?;
            if serde_json::from_slice::<Value>(&line).is_ok_and(|answer| answer == json!({ "return": id })) {
                self.in_step = true;
                return Ok(());
            }
        }
    }

    /// True when there was a sentinel; what is unread follows it.
    fn skip_past_sentinel(&mut self) -> bool {
        match self.unread.iter().position(|byte| *byte == SENTINEL) {
            Some(position) => {
                self.unread.drain(..=position);
                true
            }
            None => false,
        }
    }

    async fn send(&mut self, before: &[u8], object: &Value) -> Result<(), AgentError> {
        let mut bytes = before.to_vec();
        bytes.extend(object.to_string().as_bytes());
        bytes.push(b'\n');
        self.stream.write_all(&bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next line without its end.
    async fn line(&mut self, deadline: &Deadline<'_>) -> Result<Vec<u8>, AgentError> {
        let mut looked_at = 0;
        loop {
            let end = self.unread[looked_at..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let rest = self.unread.split_off(looked_at + end + 1);
                let mut line = std::mem::replace(&mut self.unread, rest);
                line.pop();
                return Ok(line);
            }
            looked_at = self.unread.len();
            if looked_at > MAX_ANSWER {
                self.unread = Vec::new();
                return Err(AgentError::TooLong { command: deadline.command.to_owned(), limit: MAX_ANSWER });
            }
            self.fill(deadline).await?;
        }
    }

    async fn fill(&mut self, deadline: &Deadline<'_>) -> Result<(), AgentError> {
        let mut chunk = vec![0; CHUNK];
        let read = async { self.stream.read(&mut chunk).await.map_err(AgentError::from) };
        match deadline.limit(read).await? {
            0 => Err(AgentError::Closed),
            count => {
                self.unread.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }
}

fn request(command: &str, arguments: Value) -> Value {
    let mut object = Map::new();
    object.insert("execute".to_owned(), command.into());
    if arguments.as_object().is_some_and(|arguments| !arguments.is_empty()) {
        object.insert("arguments".to_owned(), arguments);
    }
    Value::Object(object)
}

/// What an answer returns.
fn returned(answer: Value, deadline: &Deadline<'_>) -> Result<Value, AgentError> {
    let Value::Object(mut answer) = answer else { return Err(deadline.malformed("it is no object")) };
    if let Some(value) = answer.remove("return") {
        return Ok(value);
    }
    let Some(error) = answer.remove("error") else {
        return Err(deadline.malformed("it has neither 'return' nor 'error'"));
    };
    let words = |field: &str| error.get(field).and_then(Value::as_str).map(plain).unwrap_or_default();
    let (command, reason) = (deadline.command.to_owned(), words("desc"));
    Err(match words("class").as_str() {
        "CommandNotFound" => AgentError::Unknown { command, reason },
        _ => AgentError::Refused { command, reason },
    })
}

/// A number that nobody else begins a conversation with; small enough for every JSON reader.
fn number() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

/// When an answer must be there.
struct Deadline<'a> {
    command: &'a str,
    patience: Duration,
    at: Instant,
}

impl<'a> Deadline<'a> {
    fn new(command: &'a str, patience: Duration) -> Self {
        Self { command, patience, at: Instant::now() + patience }
    }

    async fn limit<T>(&self, work: impl Future<Output = Result<T, AgentError>>) -> Result<T, AgentError> {
        timeout_at(self.at, work).await.unwrap_or_else(|_| {
            let seconds = self.patience.as_secs_f64().ceil() as u64;
            Err(AgentError::Silent { command: self.command.to_owned(), seconds })
        })
    }

    fn malformed(&self, reason: &str) -> AgentError {
        AgentError::Malformed { command: self.command.to_owned(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
