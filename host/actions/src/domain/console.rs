//! Consoles of active domains.

use reeve_domain::Console;
use reeve_model::{Actor, Error, Verb};

use crate::Actions;
use crate::error::explain;

impl Actions {
    /// Opens a console or serial by alias (`serial0`); none is the first one. The stream ends when the domain stops.
    pub async fn console(&self, actor: &Actor, key: &str, device: Option<&str>) -> Result<Console, Error> {
        let subject = self.subject(actor, Verb::DomainConsole, key)?;
        self.domains.open_console(subject.uuid, device).await.map_err(explain)
    }
}
