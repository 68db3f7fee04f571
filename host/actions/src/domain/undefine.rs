//! Removing definitions.

use reeve_domain::Request;
use reeve_model::{Actor, Error, Verb};

use crate::Actions;

impl Actions {
    /// Removes a definition. An active domain goes on as a transient one (guide 14.8.5).
    pub async fn undefine(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let subject = self.subject(actor, Verb::DomainUndefine, key)?;
        self.permits(&subject, Request::Undefine)?;
        let turn = self.turn(actor, subject.uuid, Request::Undefine).await?;
        let by = actor.clone();
        self.definitions(move |definitions| {
            let removed = definitions.remove(&by, turn.uuid());
            drop(turn);
            removed
        })
        .await
    }
}
