//! Policies without a daemon: the same loader, linker, limits and calls, with a small stand-in for the host. It runs one hook
//! on a question ([`Offline::run`]), and plays recorded sessions back ([`Offline::replay`]).

pub(crate) mod machine;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reeve_model::policy::{BreakerSettings, FailureMode, PolicyMode};
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use wasmtime::component::Component;

pub use self::machine::Machine;
use crate::asked::Verdict;
use crate::binding::Active;
use crate::engine::{EngineError, Runtime};
use crate::exports::{Answer, Question};
use crate::failure::Failure;
use crate::grant::GrantError;
use crate::grants::Grants;
use crate::install::Origin;
use crate::instance::{self, Ask, Report, Stage};
use crate::loader::{self, LoadError, Program};
use crate::manifest::Manifest;
use crate::metrics::Metrics;
use crate::outside::{Outside, Values};
use crate::recorder::Take;
use crate::replay::{Played, Replayed, judge};
use crate::session::{Session, SessionError, SessionLimits};
use crate::tape::{Mode, Player, Tape};

/// Wall-clock time of a call that no clock is to stop: its instruction budget ends it long before.
const UNTIMED: Duration = Duration::from_secs(24 * 3600);

/// Why something cannot be done offline.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The engine cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The component is not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The session is not one.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The component does not answer the hook.
    #[error("policy '{policy}' does not answer hook '{hook}', it answers [{answers}]")]
    Hook {
        /// The policy.
        policy: String,
        /// The hook of the session.
        hook: reeve_model::policy::Hook,
        /// What it answers.
        answers: String,
    },
    /// The session grants files, which are not recorded.
    #[error("the session grants '{0}', and files are not recorded: say with '--grant' which may be used")]
    Files(String),
    /// The session says that it cannot be replayed.
    #[error("the session cannot be replayed: {0}")]
    NotReplayable(String),
}

/// A component, ready to be asked.
pub struct Offline {
    runtime: Runtime,
    manifest: Manifest,
    digest: String,
    component: Component,
    grants: Option<Vec<String>>,
    config: Option<Map<String, Value>>,
    versions: Mutex<HashMap<Terms, Arc<Active>>>,
    turns: Semaphore,
}

/// What a version of the component is linked with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Terms {
    name: String,
    grants: Vec<String>,
    limits: SessionLimits,
    monitor: bool,
}

impl Offline {
    /// Compiles a component. `grants` and `config`, when given, stand in for those of the sessions.
    pub fn open(
        component: &[u8],
        grants: Option<Vec<String>>,
        config: Option<Map<String, Value>>,
    ) -> Result<Self, OfflineError> {
        let runtime = Runtime::new(crate::compiled_code_of_user().as_deref(), &Metrics::default())?;
        let manifest = loader::manifest(component)?;
        let digest = loader::digest(component);
        let compiled = runtime.compiler.component(&runtime.engine, &manifest.name, component, &digest)?;
        let versions = Mutex::default();
        let turns = Semaphore::new(1);
        Ok(Self { runtime, manifest, digest, component: compiled, grants, config, versions, turns })
    }

    /// The component's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// sha256 of the component, hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Instantiates the component once with `grants`, as a daemon does before it takes it.
    pub async fn check(&self, grants: &[String]) -> Result<(), OfflineError> {
        let name = self.manifest.name.clone();
        let terms = Terms { name, grants: grants.to_vec(), limits: SessionLimits::default(), monitor: false };
        let active = self.version(terms)?;
        let outside = outside(Machine::default());
        instance::smoke_run(&self.runtime, outside, active)
            .await
            .map_err(|failure| LoadError::Smoke { policy: self.manifest.name.clone(), failure }.into())
    }

    /// Runs the question of a session on `machine`; the answer is the session that came of it. Its deadline counts.
    pub async fn run(&self, case: &Session, machine: Machine) -> Result<Session, OfflineError> {
        self.run_in(case, outside(machine)).await
    }

    /// The same on any host.
    pub(crate) async fn run_in(&self, case: &Session, outside: Outside) -> Result<Session, OfflineError> {
        let (active, ask) = (self.active(case)?, self.ask(case)?);
        let hook = case.hook;
        let judged = |active: &Active, asked: &Question, answer| ((), judge(hook, active, asked, answer));
        Ok(self.asked(&active, ask, outside, judged).await.1)
    }

    /// Asks and has the answer judged: what the judge makes of it, and the session of the call.
    pub(crate) async fn asked<T>(
        &self,
        active: &Arc<Active>,
        ask: Ask,
        outside: Outside,
        judge: impl FnOnce(&Active, &Question, Result<Answer, Failure>) -> (T, Verdict),
    ) -> (T, Session) {
        let asked = ask.question.clone();
        let take = Take::new(active, &ask);
        let limit = active.program.limits.deadline_for(ask.hook);
        let stage = Stage { runtime: &self.runtime, outside, tape: take.tape(), limit };
        let mut report = instance::run_on(stage, active, &self.turns, ask).await;
        let mut session = take.end(&report);
        let (made, verdict) = judge(active, &asked, taken_answer(&mut report));
        session.decided(verdict.outcome, &verdict.reason, &verdict.changes);
        (made, *session)
    }

    /// Plays a session back and compares what comes of it with what the session says.
    pub async fn replay(&self, session: &Session, mode: Mode) -> Result<Replayed, OfflineError> {
        if let Some(why) = &session.not_replayable {
            return Err(OfflineError::NotReplayable(why.clone()));
        }
        // A session may be a stranger's: it opens no directory of whoever replays it.
        if self.grants.is_none()
            && let Some(grant) = session.grants.iter().find(|grant| grant.trim_start().starts_with("fs:"))
        {
            return Err(OfflineError::Files(grant.clone()));
        }
        let active = self.active(session)?;
        let ask = self.ask(session)?;
        let asked = ask.question.clone();
        let player = Arc::new(Mutex::new(Player::new(mode, session.host_calls.clone())));
        let tape = Tape::Replaying(Arc::clone(&player));
        let outside = outside(Machine::default());
        let stage = Stage { runtime: &self.runtime, outside, tape, limit: UNTIMED };
        let mut report = instance::run_on(stage, &active, &self.turns, ask).await;
        let answer = crate::session::written(&report.answer);
        let verdict = judge(session.hook, &active, &asked, taken_answer(&mut report));
        let mut player = player.lock().unwrap_or_else(PoisonError::into_inner);
        let (host_calls, diverged) = (std::mem::take(&mut player.made), player.diverged.take());
        let played = Played { report, answer, diverged, host_calls };
        Ok(Replayed::new(session, mode, &self.digest, played, verdict))
    }

    pub(crate) fn active(&self, session: &Session) -> Result<Arc<Active>, OfflineError> {
        let name = match session.policy.name.as_str() {
            "" => self.manifest.name.clone(),
            name => name.to_owned(),
        };
        let active = self.version(Terms {
            name,
            grants: self.grants.as_ref().unwrap_or(&session.grants).clone(),
            limits: session.limits.unwrap_or_default(),
            monitor: session.monitor,
        })?;
        if !active.answers(session.hook) {
            let answers: Vec<&str> = active.program.hooks.iter().map(|hook| hook.as_str()).collect();
            let (policy, answers) = (active.name.clone(), answers.join(", "));
            return Err(OfflineError::Hook { policy, hook: session.hook, answers });
        }
        Ok(active)
    }

    pub(crate) fn ask(&self, session: &Session) -> Result<Ask, OfflineError> {
        let mut context = session.context.clone();
        if let Some(config) = &self.config {
            context.config = config.clone();
        }
        let question = session.read_question()?;
        let depth = session.depth;
        Ok(Ask { hook: session.hook, depth, nested: false, context: context.contract(), question })
    }

    /// The component linked with these terms; each is linked once.
    fn version(&self, terms: Terms) -> Result<Arc<Active>, OfflineError> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = versions.get(&terms) {
            return Ok(Arc::clone(active));
        }
        let named = |source: GrantError| LoadError::Grant { policy: terms.name.clone(), source };
        let grants = Grants::new(&self.manifest.wants, &terms.grants).map_err(named)?;
        let manifest = self.manifest.clone();
        let (runtime, digest, component) = (&self.runtime, self.digest.clone(), self.component.clone());
        let mut program = Program::link(runtime, &terms.name, manifest, digest, component, &grants)?;
        if let Some(program) = Arc::get_mut(&mut program) {
            program.limits = terms.limits.over(&program.limits);
        }
        let active = Arc::new(Active {
            name: terms.name.clone(),
            program,
            grants,
            mode: if terms.monitor { PolicyMode::Monitor } else { PolicyMode::Enforce },
            on_failure: FailureMode::Closed,
            order: 0,
            enabled: true,
            breaker: BreakerSettings::default(),
            config: Value::Null,
            config_text: String::new(),
            origin: Origin::Directory,
        });
        versions.insert(terms, Arc::clone(&active));
        Ok(active)
    }
}

fn taken_answer(report: &mut Report) -> Result<Answer, Failure> {
    std::mem::replace(&mut report.answer, Ok(Answer::Told))
}

fn outside(machine: Machine) -> Outside {
    Outside {
        logs: None,
        services: Arc::new(machine),
        values: Values::InMemory(Arc::new(Mutex::new(BTreeMap::new()))),
        daemon: Handle::current(),
        time: None,
    }
}
