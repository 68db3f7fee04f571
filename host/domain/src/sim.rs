//! The simulator: domains of `type='sim'` behave as their script says, without a guest. For policy tests, for load tests with
//! thousands of domains, and for machines without /dev/kvm.
//!
//! A simulated domain is one small value: no thread, no task, no device. All of them share one clock, which may run faster than the
//! wall, and at most one task that waits for the next alarm.

mod clock;
mod machine;
mod script;

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use reeve_model::domain::DomainConfig;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::driver::{Driver, DriverError, Refusal, StartSpec, Started, Vcpus};
use crate::record::RuntimeRecord;
use clock::Clock;
use machine::SimMachine;
use script::Script;

/// Bytes a saved machine has at most.
const SAVED_MAX: u64 = 4096;
/// Events that may wait for one owner task.
const EVENTS: usize = 16;

/// Makes simulated machines.
pub struct SimDriver {
    clock: Arc<Clock>,
}

impl SimDriver {
    /// A simulator whose clock runs `speed` times as fast as the wall; 0 counts as 1.
    pub fn new(speed: u32) -> Self {
        Self { clock: Arc::new(Clock::new(speed.max(1))) }
    }

    fn make(&self, config: Arc<DomainConfig>, script: Script, vcpus: Vcpus) -> Started {
        let (sender, events) = mpsc::channel(EVENTS);
        let machine = SimMachine::new(config, script, self.clock.clone(), sender);
        machine.boot(vcpus == Vcpus::Running);
        Started {
            machine,
            events,
            vcpus,
            process: None,
            socket: None,
            missing: Vec::new(),
            present: None,
            clock: None,
        }
    }
}

#[async_trait]
impl Driver for SimDriver {
    fn kind(&self) -> &'static str {
        "sim"
    }

    fn check(&self, config: &DomainConfig) -> Vec<Refusal> {
        Script::read(config).err().into_iter().flatten().map(Refusal).collect()
    }

    async fn start(&self, spec: StartSpec) -> Result<Started, DriverError> {
        let script =
            Script::read(&spec.config).map_err(|wrong| DriverError::Unsupported(wrong.join("; ")))?;
        self.clock.sleep(script.start).await;
        if let Some(sentence) = &script.start_fails {
            return Err(DriverError::Worker(sentence.clone()));
        }
        Ok(self.make(spec.config, script, Vcpus::Stopped))
    }

    async fn restore(&self, spec: StartSpec, image: File) -> Result<Started, DriverError> {
        let script =
            Script::read(&spec.config).map_err(|wrong| DriverError::Unsupported(wrong.join("; ")))?;
        let mut text = String::new();
        let read = image.take(SAVED_MAX).read_to_string(&mut text);
        let foreign = |_| DriverError::Rejected("what was saved is no simulated machine".to_owned());
        read.map_err(|_| DriverError::Rejected("what was saved can't be read".to_owned()))?;
        let saved = serde_json::from_str(&text).map_err(foreign)?;
        self.clock.sleep(script.start).await;
        if let Some(sentence) = &script.start_fails {
            return Err(DriverError::Worker(sentence.clone()));
        }
        let (sender, events) = mpsc::channel(EVENTS);
        let machine = SimMachine::new(spec.config, script, self.clock.clone(), sender);
        machine.boot(false);
        machine.go_on_from(&saved);
        Ok(Started {
            machine,
            events,
            vcpus: Vcpus::Stopped,
            process: None,
            socket: None,
            missing: Vec::new(),
            present: None,
            clock: None,
        })
    }

    async fn adopt(&self, record: &RuntimeRecord) -> Result<Started, DriverError> {
        let script = Script::read(&record.config).map_err(|wrong| DriverError::Lost(wrong.join("; ")))?;
        Ok(self.make(Arc::new(record.config.clone()), script, Vcpus::Running))
    }

    async fn sweep(&self, _known: &[Uuid]) -> Vec<Uuid> {
        Vec::new()
    }
}
