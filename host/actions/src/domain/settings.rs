//! Settings of a domain: started with the host, balloon.

use reeve_domain::Request;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Bytes, Error, ErrorCode, Verb};

use crate::Actions;
use crate::error::explain;

impl Actions {
    /// Whether the daemon starts a domain by itself; only a persistent one can be.
    pub async fn set_autostart(
        &self,
        actor: &Actor,
        key: &str,
        enabled: bool,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainConfigure, key)?;
        let uuid = subject.uuid;
        let by = actor.clone();
        self.definitions(move |definitions| definitions.set_autostart(&by, uuid, enabled)).await?;
        self.row(uuid)
    }

    /// Asks the balloon of an active domain for `size`; the guest follows in its own time. The definition stays.
    pub async fn set_memory(&self, actor: &Actor, key: &str, size: Bytes) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainConfigure, key)?;
        self.permits(&subject, Request::SetMemory)?;
        if size.0 == 0 {
            let message = format!("domain '{}' can't live with no memory", subject.name);
            return Err(Error::new(ErrorCode::Invalid, message).with_hint("give it a size, e.g. 256MiB"));
        }
        let turn = self.turn(actor, subject.uuid, Request::SetMemory).await?;
        turn.set_memory(size).await.map_err(explain)?;
        self.row(subject.uuid)
    }
}
