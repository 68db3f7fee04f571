//! One call: a fresh instance, its limits, its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_model::policy::Hook;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};

use crate::binding::Active;
use crate::bindings::reeve::types::policy::Context;
use crate::call::CallState;
use crate::exports::{Answer, Question};
use crate::failure::Failure;
use crate::limits::Limiter;
use crate::meter::Meter;
use crate::shared::Shared;

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
}

/// Asks a policy and waits for its answer, no longer than its deadline.
pub(crate) async fn run(shared: &Shared, active: &Arc<Active>, turns: &Semaphore, ask: Ask) -> Report {
    let begin = Instant::now();
    let limit = active.program.limits.deadline_for(ask.hook);
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
    };
    // Calls within calls hold their outermost call's turn, so waiting for one can't come to a standstill.
    let turn = async {
        if ask.nested {
            return Ok(None);
        }
        let turn = (take_turn(turns, deadline).await?, take_turn(&shared.runtime.calls, deadline).await?);
        Ok::<_, Failure>(Some(turn))
    };
    let Ok(_turn) = turn.await else {
        return report(Err(Failure::NoTurn(limit)));
    };
    let _in_flight = shared.runtime.ticker.enter();
    let state = CallState {
        limiter: Limiter::new(active.program.limits.memory, Arc::clone(&meter)),
        meter: Arc::clone(&meter),
        table: ResourceTable::new(),
        active: Arc::clone(active),
        services: shared.services(),
        store: shared.store.clone(),
        daemon: shared.daemon.clone(),
        hook: ask.hook,
        depth: ask.depth,
    };
    let call = call(shared.runtime.engine.clone(), state, ask, deadline);
    let answer = match shared.runtime.lane.run(call, &meter, deadline).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(failure))) => Err(Failure::Error(crate::failure::shorten(&failure.message, 1024))),
        Ok(Err(error)) => Err(Failure::of(&error, fuel, limit)),
        Err(crate::lane::Late) => Err(Failure::Deadline(limit)),
    };
    report(answer)
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
    let mut store = new_store(&engine, state, deadline)?;
    let result = async {
        let instance = active.program.pre.instantiate_async(&mut store).await?;
        active.program.exports.call(ask.hook, &mut store, &instance, &ask.context, ask.question).await
    }
    .await;
    meter.set_fuel_left(store.get_fuel()?);
    result
}

/// A store with its limits in force.
fn new_store(
    engine: &wasmtime::Engine,
    state: CallState,
    deadline: Instant,
) -> wasmtime::Result<Store<CallState>> {
    let meter = Arc::clone(&state.meter);
    let fuel = state.active.program.limits.fuel;
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(fuel)?;
    store.set_epoch_deadline(FIRST_EPOCHS);
    store.epoch_deadline_callback(move |store| {
        meter.slow(store.get_fuel()?);
        Ok(if Instant::now() >= deadline { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) })
    });
    Ok(store)
}

/// Instantiates a program once and checks its exports, under the same limits as a call.
pub(crate) async fn smoke_run(shared: &Shared, active: Arc<Active>) -> Result<(), Failure> {
    let limit = Duration::from_secs(2);
    let deadline = Instant::now() + limit;
    let fuel = active.program.limits.fuel;
    let meter = Arc::new(Meter::default());
    let hook = active.program.hooks.first().copied().unwrap_or(Hook::DomainDefine);
    let _in_flight = shared.runtime.ticker.enter();
    let state = CallState {
        limiter: Limiter::new(active.program.limits.memory, Arc::clone(&meter)),
        meter: Arc::clone(&meter),
        table: ResourceTable::new(),
        active: Arc::clone(&active),
        services: shared.services(),
        store: shared.store.clone(),
        daemon: shared.daemon.clone(),
        hook,
        depth: crate::DEPTH_LIMIT,
    };
    let engine = shared.runtime.engine.clone();
    let call = async move {
        let mut store = new_store(&engine, state, deadline)?;
        let instance = active.program.pre.instantiate_async(&mut store).await?;
        active.program.exports.check(&mut store, &instance)
    };
    match shared.runtime.lane.run(call, &meter, deadline).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::of(&error, fuel, limit)),
        Err(crate::lane::Late) => Err(Failure::Deadline(limit)),
    }
}
