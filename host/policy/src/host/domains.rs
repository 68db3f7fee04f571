//! `reeve:domain/domains`: the domains of this host, to read and, where a hook may change something, to act on.

use std::sync::Arc;

use reeve_model::stats::DomainSummary;
use reeve_model::{Bytes, Error, ErrorCode, Verb};
use uuid::Uuid;
use wasmtime::component::{HasSelf, Linker, Resource};

use super::domain_config::{DomainView, contract_state};
use crate::bindings::reeve::domain::domains;
use crate::call::{Answered, CallState, contract_error};
use crate::services::DomainAction;

fn contract_summary(summary: DomainSummary) -> domains::Summary {
    domains::Summary {
        uuid: summary.uuid.to_string(),
        name: summary.name,
        state: contract_state(summary.state),
        persistent: summary.persistent,
        autostart: summary.autostart,
    }
}

impl CallState {
    /// Runs a verb on the daemon's runtime, so that it ends as it should when the policy is cut off meanwhile.
    async fn act(&mut self, verb: Verb, name: String, action: DomainAction) -> Answered<()> {
        self.count()?;
        let actor = match self.actor(verb, &name) {
            Ok(actor) => actor,
            Err(denied) => return Ok(Err(denied)),
        };
        let services = Arc::clone(&self.services);
        let task = self.daemon.spawn(async move { services.act(actor, &name, action).await });
        Ok(match task.await {
            Ok(result) => result.map_err(|error| contract_error(&error)),
            Err(_) => Err(contract_error(&Error::new(
                ErrorCode::Internal,
                format!("'{verb}' ended without an answer"),
            ))),
        })
    }
}

impl domains::Host for CallState {
    async fn list(&mut self) -> Answered<Vec<domains::Summary>> {
        self.count()?;
        let mut all = self.services.domains().await;
        all.retain(|summary| self.permits(Verb::DomainRead, &summary.name));
        Ok(Ok(all.into_iter().map(contract_summary).collect()))
    }

    async fn get(&mut self, name: String) -> Answered<Resource<DomainView>> {
        self.count()?;
        let found = match self.services.domain(&name).await {
            Ok(found) if self.permits(Verb::DomainRead, &found.config.name) => found,
            Ok(_) => {
                let error = Error::new(ErrorCode::NotFound, format!("domain '{name}' does not exist"));
                return Ok(Err(contract_error(&error)));
            }
            Err(error) => return Ok(Err(contract_error(&error))),
        };
        let view = DomainView { config: Arc::new(found.config), state: found.summary.state };
        Ok(Ok(self.table.push(view)?))
    }

    async fn committed(&mut self, except: Option<String>) -> Answered<domains::Commitment> {
        self.count()?;
        if !self.active.grants.permits_all(Verb::DomainRead) {
            let message =
                format!("policy '{}' needs the grant 'domain:read' on every domain (name=*)", self.policy());
            return Ok(Err(contract_error(&Error::new(ErrorCode::Denied, message))));
        }
        let except = match except.as_deref().map(Uuid::parse_str).transpose() {
            Ok(except) => except,
            Err(_) => {
                let message = format!("'{}' is not a UUID", except.unwrap_or_default());
                return Ok(Err(contract_error(&Error::new(ErrorCode::Invalid, message))));
            }
        };
        let sums = self.services.committed(except).await;
        Ok(Ok(domains::Commitment { active: sums.active, memory: sums.memory.0, vcpus: sums.vcpus }))
    }

    async fn start(&mut self, name: String) -> Answered<()> {
        self.act(Verb::DomainStart, name, DomainAction::Start).await
    }

    async fn shutdown(&mut self, name: String) -> Answered<()> {
        self.act(Verb::DomainShutdown, name, DomainAction::Shutdown).await
    }

    async fn destroy(&mut self, name: String) -> Answered<()> {
        self.act(Verb::DomainDestroy, name, DomainAction::Destroy).await
    }

    async fn suspend(&mut self, name: String) -> Answered<()> {
        self.act(Verb::DomainSuspend, name, DomainAction::Suspend).await
    }

    async fn resume(&mut self, name: String) -> Answered<()> {
        self.act(Verb::DomainSuspend, name, DomainAction::Resume).await
    }

    async fn set_memory(&mut self, name: String, target: u64) -> Answered<()> {
        self.act(Verb::DomainConfigure, name, DomainAction::SetMemory(Bytes(target))).await
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    domains::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
