//! The decision log's writer: rows are queued by the calls and written in batches by a thread of low priority, which also computes
//! the digests of the inputs. The queue is bounded; a row that finds it full is counted and dropped, a call never waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reeve_model::domain::DomainConfig;
use reeve_model::policy::Decision;
use reeve_store::Store;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::binding::Active;
use crate::loader::digest;
use crate::metrics::Metrics;

const QUEUE: usize = 8192;
const BATCH: usize = 1024;
const GATHER: Duration = Duration::from_millis(10);
const NICENESS: i32 = 10;

/// What a decision was made on.
#[derive(Clone)]
pub(crate) struct Input {
    /// Who was asked, with its configuration.
    pub(crate) active: Arc<Active>,
    /// The document, where there is one.
    pub(crate) domain: Option<Arc<DomainConfig>>,
    /// Anything else: a device, an event, a snapshot.
    pub(crate) detail: String,
}

enum Message {
    Row(Box<(Decision, Input)>),
    Flush(oneshot::Sender<()>),
}

/// The door to the decision log.
pub(crate) struct DecisionLog {
    queue: mpsc::Sender<Message>,
    metrics: Metrics,
}

impl DecisionLog {
    /// Starts the writer. It ends, with everything written, when the log is dropped.
    pub(crate) fn start(store: Store, metrics: Metrics) -> std::io::Result<Self> {
        let (queue, messages) = mpsc::channel(QUEUE);
        std::thread::Builder::new().name("policy-log".to_owned()).spawn(move || write(&store, messages))?;
        Ok(Self { queue, metrics })
    }

    /// Queues a row; its number, what is known of the policy, and the digest of the input are filled in by the writer.
    pub(crate) fn append(&self, decision: Decision, input: Input) {
        if self.queue.try_send(Message::Row(Box::new((decision, input)))).is_err() {
            self.metrics.decision_dropped();
        }
    }

    /// Waits until everything queued so far is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            // An error means the writer has ended, and with it everything it had.
            let _ = written.await;
        }
    }
}

fn write(store: &Store, mut messages: mpsc::Receiver<Message>) {
    // Without it the log is still written, only less politely.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    let mut batch = Vec::with_capacity(BATCH);
    while messages.blocking_recv_many(&mut batch, BATCH) > 0 {
        if !batch.iter().any(|message| matches!(message, Message::Flush(_))) {
            // Nobody unparks this thread: it waits for more rows to write at once.
            std::thread::park_timeout(GATHER);
            while batch.len() < BATCH {
                let Ok(message) = messages.try_recv() else { break };
                batch.push(message);
            }
        }
        let (mut rows, mut flushes) = (Vec::new(), Vec::new());
        for message in batch.drain(..) {
            match message {
                Message::Row(row) => rows.push(*row),
                Message::Flush(done) => flushes.push(done),
            }
        }
        if !rows.is_empty()
            && let Err(error) = store.append_decisions(&completed(rows))
        {
            tracing::error!(%error, "decisions could not be logged");
        }
        for done in flushes {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
    }
}

/// Fills in the policies and the input digests. A document that several rows share, as those of one chain do, is digested once.
fn completed(rows: Vec<(Decision, Input)>) -> Vec<Decision> {
    let mut documents: HashMap<*const DomainConfig, String> = HashMap::new();
    for domain in rows.iter().filter_map(|(_, input)| input.domain.as_ref()) {
        // The rows hold the documents, so no two of them share an address.
        documents.entry(Arc::as_ptr(domain)).or_insert_with(|| json_digest(&**domain));
    }
    let complete = |(mut decision, input): (Decision, Input)| {
        let document = input.domain.as_ref().and_then(|domain| documents.get(&Arc::as_ptr(domain)));
        let Active { name, config_text, program, .. } = &*input.active;
        let whole = (decision.hook, &decision.actor, config_text, document, &input.detail);
        decision.input_digest = json_digest(&whole);
        decision.policy.clone_from(name);
        decision.digest.clone_from(&program.digest);
        decision
    };
    rows.into_iter().map(complete).collect()
}

fn json_digest(value: &impl Serialize) -> String {
    serde_json::to_vec(value).map(|json| digest(&json)).unwrap_or_default()
}
