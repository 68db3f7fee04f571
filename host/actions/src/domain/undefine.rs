//! Removing definitions.

use reeve_domain::Request;
use reeve_model::{Actor, Error, Verb};

use crate::Actions;
use crate::error::explain;

impl Actions {
    /// Removes a definition. An active domain goes on as a transient one (guide 14.8.5).
    pub async fn undefine(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let subject = self.subject(actor, Verb::DomainUndefine, key)?;
        self.permits(&subject, Request::Undefine)?;
        let turn = self.turn(actor, subject.uuid, Request::Undefine).await?;
        let _changing = self.definitions.lock().await;
        let uuid = subject.uuid;
        // The registry may refuse, the store can't: it goes first, and an error below leaves a definition that still loads.
        let row = self.store(move |store| store.domain(uuid)).await?;
        self.store(move |store| store.remove_domain(uuid)).await?;
        if let Err(error) = self.domains.undefine(actor, uuid) {
            if let Some(row) = row {
                self.store(move |store| store.put_domain(&row)).await?;
            }
            return Err(explain(error));
        }
        drop(turn);
        Ok(())
    }
}
