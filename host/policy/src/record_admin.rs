//! Recordings as operators see them.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_actions::record_port::PolicyRecords;
use reeve_model::Error;
use reeve_model::record::{AuditRequest, Audited, Recorded, StartRecording};

use crate::policy_engine::PolicyEngine;
use crate::recorder::Fetched;

/// How long a client that fetches waits for a session.
const WAIT: Duration = Duration::from_secs(1);

const LOOK: Duration = Duration::from_millis(20);

#[async_trait]
impl PolicyRecords for PolicyEngine {
    fn start_recording(&self, name: &str, wanted: StartRecording) -> Result<(), Error> {
        self.shared.registry.get(name)?;
        let StartRecording { count, seconds, hook } = wanted;
        self.shared.recorder.start(name, hook, count, seconds)?;
        tracing::info!(policy = name, count, seconds, "the calls of policy '{name}' are recorded");
        Ok(())
    }

    async fn recorded(&self, name: &str) -> Result<Recorded, Error> {
        let begin = Instant::now();
        loop {
            let fetched = self.shared.recorder.fetch(name)?;
            if fetched.done || !fetched.sessions.is_empty() || begin.elapsed() >= WAIT {
                return Ok(recorded(fetched));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn stop_recording(&self, name: &str) -> Result<Recorded, Error> {
        self.shared.recorder.stop(name).map(recorded)
    }

    async fn audit(&self, request: AuditRequest) -> Result<Vec<Audited>, Error> {
        crate::audit::audit(self, request).await
    }
}

fn recorded(fetched: Fetched) -> Recorded {
    let Fetched { sessions, lost, done } = fetched;
    Recorded { sessions, lost, done }
}
