//! One call: a fresh instance, its limits, its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_model::policy::Hook;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{Instrument as _, Span};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};

use crate::binding::Active;
use crate::bindings::reeve::types::policy::Context;
use crate::call::CallState;
use crate::engine::Runtime;
use crate::exports::{Answer, Question};
use crate::failure::Failure;
use crate::kept::Kept;
use crate::limits::Limiter;
use crate::meter::Meter;
use crate::migration::Disks;
use crate::outside::Outside;
use crate::session::Session;
use crate::shared::Shared;
use crate::tape::Tape;
use crate::wasi::Wasi;

/// Epochs before guest code first gives its thread back. One may end right after the call began, two mean it ran for a while.
const FIRST_EPOCHS: u64 = 2;

/// A question to one policy.
pub(crate) struct Ask {
    pub(crate) hook: Hook,
    /// 0 for what no policy caused; see [`crate::DEPTH_LIMIT`].
    pub(crate) depth: u32,
    /// True when another policy waits for the answer, inside a host call.
    pub(crate) nested: bool,
    pub(crate) context: Context,
    pub(crate) question: Question,
}

/// What came of a call, and what it used.
pub(crate) struct Report {
    pub(crate) answer: Result<Answer, Failure>,
    pub(crate) fuel: u64,
    pub(crate) elapsed: Duration,
    pub(crate) host_calls: u32,
    pub(crate) memory: usize,
    /// The call as a session, while it is recorded.
    pub(crate) session: Option<Box<Session>>,
}

/// Where a call runs and what it sees of the world.
pub(crate) struct Stage<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) outside: Outside,
    pub(crate) tape: Tape,
    /// Wall-clock time it may take.
    pub(crate) limit: Duration,
}

/// Asks a policy and waits for its answer, no longer than its deadline.
pub(crate) async fn run(shared: &Shared, active: &Arc<Active>, turns: &Semaphore, ask: Ask) -> Report {
    let limit = active.program.limits.deadline_for(ask.hook);
    // What a kept instance remembers is in no session, so its calls could not be replayed.
    let recordable = !active.program.keeps(ask.hook);
    let recording = if recordable { shared.recorder.begin(active, &ask) } else { None };
    let tape = recording.as_ref().map_or(Tape::Off, |recording| recording.tape());
    let stage = Stage { runtime: &shared.runtime, outside: shared.outside(), tape, limit };
    let mut report = run_on(stage, active, turns, ask).await;
    report.session = recording.map(|recording| recording.end(&report));
    report
}

/// The same on any stage: the daemon's, or one of a replay.
pub(crate) async fn run_on(stage: Stage<'_>, active: &Arc<Active>, turns: &Semaphore, ask: Ask) -> Report {
    let Stage { runtime, outside, tape, limit } = stage;
    let begin = Instant::now();
    let deadline = begin + limit;
    let fuel = active.program.limits.fuel;
    let meter = Arc::new(Meter::default());
    meter.set_fuel_left(fuel);
    let report = |answer| Report {
        answer,
        fuel: fuel.saturating_sub(meter.fuel_left()),
        elapsed: begin.elapsed(),
        host_calls: meter.host_calls(),
        memory: meter.memory_high_water(),
        session: None,
    };
    // Calls within calls hold their outermost call's turn, so waiting for one can't come to a standstill.
    let turn = async {
        if ask.nested {
            return Ok(None);
        }
        let turn = (take_turn(turns, deadline).await?, take_turn(&runtime.calls, deadline).await?);
        Ok::<_, Failure>(Some(turn))
    };
    let Ok(_turn) = turn.await else {
        return report(Err(Failure::NoTurn(limit)));
    };
    let _in_flight = runtime.ticker.enter();
    let state = CallState {
        limiter: Limiter::new(active.program.limits.memory, Arc::clone(&meter)),
        meter: Arc::clone(&meter),
        table: ResourceTable::new(),
        active: Arc::clone(active),
        outside,
        tape,
        hook: ask.hook,
        depth: ask.depth,
        call_id: ask.context.call_id.clone(),
        disks: ask.question.disks(),
        wasi: Wasi::default(),
    };
    let span = span(active, &ask);
    // In its place at once: it is some kilobytes, which would be copied on every way down.
    let call = Box::pin(call(runtime.engine.clone(), state, ask, deadline));
    let answer = match runtime.lane.run(call, &meter, deadline).instrument(span).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(failure))) => Err(Failure::Error(crate::failure::shorten(&failure.message, 1024))),
        Ok(Err(error)) => Err(Failure::of(&error, fuel, limit)),
        Err(crate::lane::Late) => Err(Failure::Deadline(limit)),
    };
    report(answer)
}

/// Joins what a call logs with what caused it. A guard's span costs as much as a small decision, so it is there with debug lines
/// only; its own lines name the call anyway.
fn span(active: &Active, ask: &Ask) -> Span {
    let (policy, hook, call) = (active.name.as_str(), ask.hook.as_str(), ask.context.call_id.as_str());
    match ask.hook {
        Hook::Task
        | Hook::DomainEvents
        | Hook::DaemonEvents
        | Hook::NetworkEvents
        | Hook::StorageEvents
        | Hook::KsmTune => {
            tracing::info_span!("hook", policy, hook, call)
        }
        _ => tracing::debug_span!("hook", policy, hook, call),
    }
}

async fn take_turn(turns: &Semaphore, deadline: Instant) -> Result<SemaphorePermit<'_>, Failure> {
    if let Ok(turn) = turns.try_acquire() {
        return Ok(turn);
    }
    match tokio::time::timeout_at(deadline.into(), turns.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => Err(Failure::NoTurn(deadline.elapsed())),
    }
}

/// The part that runs guest code; owns everything it needs, so it can change threads.
async fn call(
    engine: wasmtime::Engine,
    state: CallState,
    ask: Ask,
    deadline: Instant,
) -> wasmtime::Result<Result<Answer, crate::bindings::reeve::types::policy::Failure>> {
    let active = Arc::clone(&state.active);
    let meter = Arc::clone(&state.meter);
    // A replay begins where the session began: with a fresh instance.
    let replayed = matches!(state.tape, Tape::Replaying(_));
    let subject = (active.program.keeps(ask.hook) && !replayed).then(|| ask.question.subject().to_owned());
    let kept = subject.as_ref().and_then(|subject| active.program.kept.take(ask.hook, subject));
    let (mut store, kept) = match kept {
        Some(kept) => {
            let Kept { store, instance } = kept.renew(state, deadline)?;
            (store, Some(instance))
        }
        None => (new_store(&engine, state, deadline)?, None),
    };
    let result = async {
        let instance = match kept {
            Some(instance) => instance,
            None => active.program.pre.instantiate_async(&mut store).await?,
        };
        let answer =
            active.program.exports.call(ask.hook, &mut store, &instance, &ask.context, ask.question).await?;
        Ok::<_, wasmtime::Error>((answer, instance))
    }
    .await;
    meter.set_fuel_left(store.get_fuel()?);
    let (answer, instance) = result?;
    if let Some(subject) = subject.filter(|_| answer.is_ok()) {
        active.program.kept.put(ask.hook, &subject, Kept { store, instance });
    }
    Ok(answer)
}

/// A store with its limits in force.
fn new_store(
    engine: &wasmtime::Engine,
    state: CallState,
    deadline: Instant,
) -> wasmtime::Result<Store<CallState>> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    arm(&mut store, deadline)?;
    Ok(store)
}

/// Puts the limits of one call in force.
pub(crate) fn arm(store: &mut Store<CallState>, deadline: Instant) -> wasmtime::Result<()> {
    let meter = Arc::clone(&store.data().meter);
    let fuel = store.data().active.program.limits.fuel;
    store.set_fuel(fuel)?;
    store.set_epoch_deadline(FIRST_EPOCHS);
    store.epoch_deadline_callback(move |store| {
        meter.epoch(store.get_fuel()?);
        Ok(if Instant::now() >= deadline { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) })
    });
    Ok(())
}

/// Instantiates a program once and checks its exports, under the same limits as a call.
pub(crate) async fn smoke_run(
    runtime: &Runtime,
    outside: Outside,
    active: Arc<Active>,
) -> Result<(), Failure> {
    let limit = Duration::from_secs(2);
    let deadline = Instant::now() + limit;
    let fuel = active.program.limits.fuel;
    let meter = Arc::new(Meter::default());
    let hook = active.program.hooks.first().copied().unwrap_or(Hook::DomainDefine);
    let _in_flight = runtime.ticker.enter();
    let state = CallState {
        limiter: Limiter::new(active.program.limits.memory, Arc::clone(&meter)),
        meter: Arc::clone(&meter),
        table: ResourceTable::new(),
        active: Arc::clone(&active),
        outside,
        tape: Tape::Off,
        hook,
        depth: crate::DEPTH_LIMIT,
        call_id: "smoke-run".to_owned(),
        disks: Disks::default(),
        wasi: Wasi::default(),
    };
    let engine = runtime.engine.clone();
    let call = Box::pin(async move {
        let mut store = new_store(&engine, state, deadline)?;
        let instance = active.program.pre.instantiate_async(&mut store).await?;
        active.program.exports.check(&mut store, &instance)
    });
    match runtime.lane.run(call, &meter, deadline).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::of(&error, fuel, limit)),
        Err(crate::lane::Late) => Err(Failure::Deadline(limit)),
    }
}
