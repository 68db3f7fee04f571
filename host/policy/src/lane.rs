//! Where guest code runs.
//!
//! A call begins on the task that asks for it, so a quick decision costs no thread hop. Guest code gives the thread back at every
//! epoch; a call that is still busy after the second one is moved to the slow lane: two threads of low priority that all such
//! calls share in turns of one epoch. One that goes on for longer is paced: it rests after every epoch, so that a looping policy
//! burns its own deadline and hardly anybody else's time.
//!
//! ```text
//!   asking task:  poll ──► answer                          (microseconds, the normal case)
//!                   └─ host call pending: wait here, timer armed
//!                   └─ second epoch:      hand over ──► slow lane ──► answer or deadline
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::meter::Meter;

const THREADS: usize = 2;
const NICENESS: i32 = 15;

/// Instructions a call may run without a rest: some ten milliseconds of CPU. Time would not do, for a busy machine keeps a thread of
/// low priority waiting, and that is not the call's doing.
const UNPACED: u64 = 20_000_000;

/// How long a paced call rests after every epoch.
const REST: Duration = Duration::from_millis(2);

/// The deadline passed while the call was not finished.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Late;

/// The threads for calls that take long.
pub(crate) struct SlowLane {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl SlowLane {
    /// Starts the threads.
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("policy-slow")
            .enable_time()
            .on_thread_start(|| {
                // Without it the lane still works, only less politely.
                let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
            })
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs a call to its end, but not past `deadline`. A call that is dropped is stopped at its next epoch or host call.
    pub(crate) async fn run<F>(
        &self,
        mut call: Pin<Box<F>>,
        meter: &Arc<Meter>,
        deadline: Instant,
    ) -> Result<F::Output, Late>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
        let first = std::future::poll_fn(|context| {
            if let Poll::Ready(output) = call.as_mut().poll(context) {
                return Poll::Ready(Some(Ok(output)));
            }
            if meter.epochs() > 0 {
                return Poll::Ready(None);
            }
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
            timer.as_mut().poll(context).map(|()| Some(Err(Late)))
        })
        .await;
        match first {
            Some(result) => result,
            None => {
                let task = AbortOnDropHandle::new(
                    self.handle.spawn(paced(call, Arc::clone(meter)).in_current_span()),
                );
                match tokio::time::timeout_at(deadline.into(), task).await {
                    Ok(Ok(output)) => Ok(output),
                    Ok(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                    Err(_) => Err(Late),
                }
            }
        }
    }
}

/// Lets a call run an epoch at a time, and rest in between once it has run for long.
async fn paced<F: Future>(mut call: Pin<Box<F>>, meter: Arc<Meter>) -> F::Output {
    let begun_with = meter.fuel_left();
    loop {
        let before = meter.epochs();
        let step = std::future::poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if meter.epochs() > before => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match step.await {
            Some(output) => return output,
            None if begun_with.saturating_sub(meter.fuel_left()) > UNPACED => tokio::time::sleep(REST).await,
            None => tokio::task::yield_now().await,
        }
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
