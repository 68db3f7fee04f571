//! The first step of operations that change a definition and a running domain: the definition is replaced.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_model::domain::DomainConfig;
use reeve_model::{Actor, Error};

use crate::journal::Step;
use crate::{Actions, document};

/// An operation that may change a definition.
pub(super) trait ChangesDefinition {
    /// Who wants it.
    fn actor(&self) -> &Actor;

    /// The definition as it was and as it will be, when it is changed.
    fn definition(&self) -> Option<(&DomainConfig, &DomainConfig)>;
}

/// The definition is replaced.
pub(super) struct ChangeDefinition;

#[async_trait]
impl<O: ChangesDefinition + Send> Step<O> for ChangeDefinition {
    fn name(&self) -> &'static str {
        "definition"
    }

    async fn run(&self, actions: &Arc<Actions>, operation: &mut O) -> Result<(), Error> {
        let actor = operation.actor().clone();
        match operation.definition() {
            Some((before, after)) => replace(actions, &actor, before, after.clone()).await,
            None => Ok(()),
        }
    }

    async fn undo(&self, actions: &Arc<Actions>, operation: &mut O) -> Result<(), Error> {
        match operation.definition() {
            Some((before, after)) => put_back(actions, before, after).await,
            None => Ok(()),
        }
    }
}

/// Puts a definition back where its replacement still is.
async fn put_back(actions: &Actions, before: &DomainConfig, after: &DomainConfig) -> Result<(), Error> {
    let now = actions.domains.definition(before.uuid).ok().flatten();
    match now.is_some_and(|now| document::format(&now) == document::format(after)) {
        true => replace(actions, &Actor::Daemon, after, before.clone()).await,
        false => Ok(()),
    }
}

/// Puts a definition in place of the one that must be there.
pub(super) async fn replace(
    actions: &Actions,
    actor: &Actor,
    old: &DomainConfig,
    new: DomainConfig,
) -> Result<(), Error> {
    let (actor, expected) = (actor.clone(), document::digest(&document::format(old)));
    actions.definitions(move |definitions| definitions.keep(&actor, new, Some(&expected))).await
}
