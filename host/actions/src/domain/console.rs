//! Consoles of active domains.

use std::time::{Duration, Instant};

use reeve_domain::Console;
use reeve_model::api::ConsoleOptions;
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::Subject;
use crate::Actions;
use crate::error::explain;

/// How long a client that has just left may need to be gone.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Actions {
    /// Opens a console or serial by alias (`serial0`); none is the first one. The stream ends when the domain stops.
    pub async fn console(&self, actor: &Actor, key: &str, device: Option<&str>) -> Result<Console, Error> {
        let subject = self.subject(actor, Verb::DomainConsole, key)?;
        self.domains.open_console(subject.uuid, device).await.map_err(explain)
    }

    /// As [`Self::console`], as `options` say.
    pub async fn console_with(
        &self,
        actor: &Actor,
        key: &str,
        options: &ConsoleOptions,
    ) -> Result<Console, Error> {
        let device = options.device.as_deref();
        if !options.exclusive {
            return self.console(actor, key, device).await;
        }
        let subject = self.subject(actor, Verb::DomainConsole, key)?;
        let begun = Instant::now();
        loop {
            match self.domains.open_free_console(subject.uuid, device).await.map_err(explain) {
                Err(error) if error.code == ErrorCode::WrongState && self.is_running(&subject) => {
                    if begun.elapsed() >= PATIENCE {
                        return Err(error.with_hint("take it from them with --force"));
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                opened => return opened,
            }
        }
    }

    fn is_running(&self, subject: &Subject) -> bool {
        self.domains.phase(subject.uuid).is_ok_and(|phase| phase.has_machine())
    }
}
