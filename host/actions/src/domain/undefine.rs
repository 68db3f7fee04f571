//! Removing definitions.

use reeve_domain::Request;
use reeve_model::api::UndefineOptions;
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::Subject;
use crate::Actions;
use crate::definitions::Unread;

impl Actions {
    /// Removes a definition. An active domain goes on as a transient one (guide 14.8.5).
    pub async fn undefine(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        self.undefine_with(actor, key, UndefineOptions::default()).await
    }

    /// Removes a definition as `options` say (guide 14.8.5).
    pub async fn undefine_with(
        &self,
        actor: &Actor,
        key: &str,
        options: UndefineOptions,
    ) -> Result<(), Error> {
        let unread = self.unread(actor, Verb::DomainUndefine, key)?;
        // One that could not be loaded is on disk alone.
        let (subject, turn) = match unread {
            Some(Unread { row, .. }) => (Subject { uuid: row.uuid, name: row.name }, None),
            None => {
                let subject = self.subject(actor, Verb::DomainUndefine, key)?;
                self.permits(&subject, Request::Undefine)?;
                let turn = self.turn(actor, subject.uuid, Request::Undefine).await?;
                (subject, Some(turn))
            }
        };
        if options.managed_save {
            self.discard_managed(subject.uuid).await?;
        } else if self.managed_image(subject.uuid).exists() {
            let message =
                format!("domain '{}' has a managed save, which nobody could start any more", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message)
                .with_hint("give --managed-save to remove it too, or start the domain"));
        }
        // Also of one that runs: once it has ended nobody could, and another domain of its identity would have them.
        if !options.snapshots_metadata && self.has_snapshots(subject.uuid).await? {
            let message =
                format!("domain '{}' has snapshots, which nobody could go back to any more", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message)
                .with_hint("give --snapshots-metadata to forget them too; what is in its images stays"));
        }
        let by = actor.clone();
        self.definitions(move |definitions| {
            let Some(turn) = turn else { return definitions.remove_unread(subject.uuid) };
            let removed = definitions.remove(&by, turn.uuid());
            drop(turn);
            removed
        })
        .await?;
        self.forget_snapshots(subject.uuid).await
    }
}
