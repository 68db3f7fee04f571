//! A session: one invocation of a policy as JSON, with everything that went in and everything that came out. It is what the
//! daemon records, what `reeve policy replay` plays back bit for bit, and the test format of the SDKs.
//!
//! ```json
//! {"session": 1,
//!  "policy": {"name": "naming", "version": "0.1.0", "digest": "…"},
//!  "hook": "domain-define", "depth": 0,
//!  "context": {"call-id": "…", "time": 0, "actor": {"client": 1000}, "config": {}, "attempt": 1},
//!  "question": {"domain": {"state": "shut-off", "xml": "<domain…>"}, "forced": false},
//!  "grants": ["domain:rewrite path=devices"],
//!  "host-calls": [{"function": "reeve:kv/store.get", "arguments": ["key"], "result": {"ok": null}}],
//!  "answer": {"deny": "reason"}, "outcome": "deny", "fuel": 12345}
//! ```
//!
//! Questions by hook: guards `{domain, device?, forced?}`, `domain-events` `{event}`, `daemon-events` `{change}`, `mac-allocate`
//! `{domain, interface?, taken?, seed?}`, `pool-start` `{pool, xml?}`, `volume-create` `{pool, xml, capacity?, source?}`,
//! `migrate-out` and `migrate-in` `{domain, journey, disks?}`, `migration-strategy` `{precheck: {domain, journey, disks?}}`, `{plan: {…}}` or
//! `{next-step: {…}}`, `volume-resize` and `volume-delete` `{pool, volume, capacity?}`, `storage-events` `{event}`, `clone-name` `{clone}`, `ksm-tune` `{snapshot}`, `task` `{why}`; records and words are those of the contract (wit/). A session
//! written by hand needs `session`, `hook`, `question`, and an `outcome` or `answer` to compare with; what it does not say is
//! not compared. Unknown keys are refused.

mod answer;
mod document;
mod migrated_disks;
mod migration;
mod question;
mod records;
mod storage;
mod taped;

use reeve_model::policy::{Hook, Outcome, PathChange};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use self::answer::write as written;
use self::document::survives;
pub(crate) use self::migration::journey_text as journey;
pub(crate) use self::question::{Context, write as question};
pub(crate) use self::records::{Ksm, Level, Memory};
pub(crate) use self::taped::{Taped, bytes};
use crate::binding::Active;
use crate::exports::{self, Question};
use crate::failure::{Failure, shorten};
use crate::instance::Ask;
use crate::limits::Limits;
use crate::tape::HostCall;

/// Version of the format.
const VERSION: u32 = 1;

/// Bytes of one session at most.
pub const SIZE_LIMIT: usize = 16 * 1024 * 1024;

/// One invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Session {
    /// Version of the format: 1.
    session: u32,
    /// Who was asked.
    #[serde(default, skip_serializing_if = "Subject::is_unknown")]
    pub policy: Subject,
    /// Which hook.
    pub hook: Hook,
    /// How deep in calls of policies it happened.
    #[serde(default)]
    pub depth: u32,
    /// True when it was asked in monitor mode, in which it may not act.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub monitor: bool,
    /// The circumstances.
    #[serde(default)]
    pub(crate) context: Context,
    /// What was asked, in the hook's own fields.
    pub question: Value,
    /// Grants the operator had given.
    #[serde(default)]
    pub grants: Vec<String>,
    /// Limits of the call; none means those of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<SessionLimits>,
    /// What the policy asked the host, in order.
    #[serde(default)]
    pub host_calls: Vec<HostCall>,
    /// What it answered; none when it gave no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The reason in the decision log; for people, not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a rewrite or an adjustment changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<PathChange>>,
    /// Instructions used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Why this session cannot be replayed, when it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_replayable: Option<String>,
}

/// The policy of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Subject {
    /// Name it was loaded under.
    pub name: String,
    /// Version of its manifest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// sha256 of the component, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Subject {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// Limits of a session; what is none is as in the manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SessionLimits {
    /// Linear memory, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<usize>,
    /// Instruction budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Log bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Bytes written to kv.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_bytes: Option<u64>,
    /// Host calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_calls: Option<u32>,
}

impl SessionLimits {
    /// The limits of a call that is recorded.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            memory: Some(limits.memory),
            fuel: Some(limits.fuel),
            log_bytes: Some(limits.log_bytes),
            kv_bytes: Some(limits.kv_bytes),
            host_calls: Some(limits.host_calls),
        }
    }

    /// `limits` with what is said here.
    pub(crate) fn over(&self, limits: &Limits) -> Limits {
        Limits {
            deadline: limits.deadline,
            memory: self.memory.unwrap_or(limits.memory).min(crate::limits::MEMORY_CEILING),
            fuel: self.fuel.unwrap_or(limits.fuel),
            log_bytes: self.log_bytes.unwrap_or(limits.log_bytes),
            kv_bytes: self.kv_bytes.unwrap_or(limits.kv_bytes),
            host_calls: self.host_calls.unwrap_or(limits.host_calls),
        }
    }
}

/// Why a text is not a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Too long.
    #[error("the session has {0} bytes, {SIZE_LIMIT} are the most")]
    Size(usize),
    /// Not JSON of the right shape.
    #[error("this is not a session: {0}")]
    Json(#[from] serde_json::Error),
    /// Another version of the format.
    #[error("the session has format {0}, this host reads format {VERSION}")]
    Version(u32),
    /// The question does not fit the hook.
    #[error("the question of hook '{hook}' is wrong: {reason}")]
    Question {
        /// The hook.
        hook: Hook,
        /// What is wrong.
        reason: String,
    },
    /// The answer is none that a hook gives.
    #[error("the answer is wrong: {0}")]
    Answer(String),
}

impl Session {
    /// Reads one session, checked as far as it can be without its component.
    pub fn parse(text: &str) -> Result<Self, SessionError> {
        if text.len() > SIZE_LIMIT {
            return Err(SessionError::Size(text.len()));
        }
        Self::from_json(serde_json::from_str(text)?)
    }

    /// The same from a JSON value.
    pub fn from_json(value: Value) -> Result<Self, SessionError> {
        // The version comes first: another format has other keys.
        match value.get("session").and_then(Value::as_u64) {
            Some(version) if version != u64::from(VERSION) => {
                return Err(SessionError::Version(u32::try_from(version).unwrap_or(u32::MAX)));
            }
            _ => {}
        }
        let mut session: Self = serde_json::from_value(value)?;
        session.read_question()?;
        if let Some(answer) = session.answer.take() {
            session.answer = Some(answer::normal(&answer).map_err(SessionError::Answer)?);
        }
        Ok(session)
    }

    /// The session as one line of JSON.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The session as JSON for people.
    pub fn pretty(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Name of the subject: a domain, a network, a filter, a pool or volume, `daemon` or `node`.
    pub fn subject(&self) -> String {
        let named = |question: &Question| match question {
            Question::DomainEvent(event) => Some(event.name.clone()),
            Question::Network(view) => Some(view.summary.name.clone()),
            Question::NetworkEvent(event) => Some(event.name.clone()),
            Question::Pool { pool, .. } => Some(pool.name.clone()),
            Question::NewVolume(volume) => Some(format!("{}/{}", volume.pool.name, volume.config.name)),
            Question::Volume { pool, volume, .. } => Some(format!("{}/{}", pool.name, volume.name)),
            Question::StorageEvent(event) => Some(event.name.clone()),
            Question::Clone(request) => Some(request.source.clone()),
            Question::Filter { subject, .. } => Some(subject.domain_name.clone()),
            other => question::domain(other).map(|view| view.config.name.clone()),
        };
        let question = self.read_question().ok();
        question.as_ref().and_then(named).unwrap_or_else(|| {
            match self.hook {
                Hook::KsmTune => "node",
                Hook::Task => "task",
                Hook::MigrationStrategy => "migration",
                _ => "daemon",
            }
            .to_owned()
        })
    }

    /// True when it says what should come of it.
    pub fn expects(&self) -> bool {
        self.outcome.is_some() || self.answer.is_some()
    }

    /// The question in the engine's form.
    pub(crate) fn read_question(&self) -> Result<Question, SessionError> {
        question::read(self.hook, &self.question)
            .map_err(|reason| SessionError::Question { hook: self.hook, reason })
    }
}

/// The parts of a session that are known before the call.
pub(crate) struct Draft {
    session: Session,
}

impl Draft {
    /// Begins a session.
    pub(crate) fn new(active: &Active, ask: &Ask) -> Self {
        let readable = Context::of(&ask.context);
        let lost = question::domain(&ask.question).is_some_and(|view| !survives(&view.config));
        let not_replayable = match (&readable, lost) {
            (None, _) => Some("the configuration of the policy is no JSON object"),
            (_, true) => Some("the document of the domain does not read back as it was"),
            _ if active.program.keeps(ask.hook) => Some("its instance is kept between calls"),
            _ => None,
        };
        let session = Session {
            session: VERSION,
            policy: Subject {
                name: active.name.clone(),
                version: active.program.manifest.version.clone(),
                digest: Some(active.program.digest.clone()),
            },
            hook: ask.hook,
            depth: ask.depth,
            monitor: !active.enforces(),
            context: readable.unwrap_or_default(),
            question: question::write(&ask.question),
            grants: active.grants.texts().to_vec(),
            limits: Some(SessionLimits::of(&active.program.limits)),
            host_calls: Vec::new(),
            answer: None,
            outcome: None,
            reason: None,
            changes: None,
            fuel: None,
            not_replayable: not_replayable.map(str::to_owned),
        };
        Self { session }
    }

    /// Adds what the policy did and said.
    pub(crate) fn answered(
        mut self,
        host_calls: Vec<HostCall>,
        overflowed: bool,
        answer: &Result<exports::Answer, Failure>,
        fuel: u64,
    ) -> Session {
        if overflowed {
            self.session.not_replayable = Some("it made more host calls than a session holds".to_owned());
        } else if matches!(answer, Err(Failure::Deadline(_) | Failure::NoTurn(_))) {
            self.session.not_replayable = Some("it was stopped by the clock".to_owned());
        }
        self.session.host_calls = host_calls;
        self.session.answer = answer::write(answer);
        self.session.fuel = Some(fuel);
        self.session
    }
}

impl Session {
    /// Adds what came of the answer.
    pub(crate) fn decided(&mut self, outcome: Outcome, reason: &str, changes: &[PathChange]) {
        self.outcome = Some(outcome);
        self.reason = (!reason.is_empty()).then(|| shorten(reason, 4096));
        self.changes = Some(changes.to_vec());
    }
}
