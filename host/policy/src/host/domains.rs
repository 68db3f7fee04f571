//! `reeve:domain/domains`: the domains of this host, to read and, where a hook may change something, to act on.

use std::sync::Arc;

use reeve_model::stats::DomainSummary;
use reeve_model::{Bytes, Error, ErrorCode, Verb};
use serde_json::Value;
use tracing::Instrument as _;
use uuid::Uuid;
use wasmtime::component::{HasSelf, Linker, Resource};

use super::domain_config::{DomainView, contract_state};
use crate::bindings::reeve::domain::domains;
use crate::call::{Answered, CallState, contract_error};
use crate::outside::Outside;
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
        let Outside { services, daemon, .. } = self.outside.clone();
        let subject = name.clone();
        let verb_as = async move { services.act(actor, &subject, action).await };
        let live = async move {
            match daemon.spawn(verb_as.in_current_span()).await {
                Ok(result) => result.map_err(|error| contract_error(&error)),
                Err(_) => Err(contract_error(&Error::new(
                    ErrorCode::Internal,
                    format!("'{verb}' ended without an answer"),
                ))),
            }
        };
        let (function, target) = match action {
            DomainAction::Start => ("reeve:domain/domains.start", None),
            DomainAction::Shutdown => ("reeve:domain/domains.shutdown", None),
            DomainAction::Destroy => ("reeve:domain/domains.destroy", None),
            DomainAction::Suspend => ("reeve:domain/domains.suspend", None),
            DomainAction::Resume => ("reeve:domain/domains.resume", None),
            DomainAction::SetMemory(target) => ("reeve:domain/domains.set-memory", Some(target.0)),
        };
        let arguments = || std::iter::once(Value::from(name)).chain(target.map(Value::from)).collect();
        self.witness_async(function, arguments, live).await
    }
}

impl domains::Host for CallState {
    async fn list(&mut self) -> Answered<Vec<domains::Summary>> {
        self.count()?;
        let (services, active) = (Arc::clone(&self.outside.services), Arc::clone(&self.active));
        self.witness_async("reeve:domain/domains.list", Vec::new, async move {
            let mut all = services.domains().await;
            all.retain(|summary| active.grants.permits(Verb::DomainRead, &summary.name));
            Ok(all.into_iter().map(contract_summary).collect::<Vec<_>>())
        })
        .await
    }

    async fn get(&mut self, name: String) -> Answered<Resource<DomainView>> {
        self.count()?;
        let (services, active) = (Arc::clone(&self.outside.services), Arc::clone(&self.active));
        let asked = name.clone();
        let live = async move {
            match services.domain(&asked).await {
                Ok(found) if active.grants.permits(Verb::DomainRead, &found.config.name) => {
                    Ok(DomainView { config: Arc::new(found.config), state: found.summary.state })
                }
                Ok(_) => {
                    let error = Error::new(ErrorCode::NotFound, format!("domain '{asked}' does not exist"));
                    Err(contract_error(&error))
                }
                Err(error) => Err(contract_error(&error)),
            }
        };
        let arguments = || vec![Value::from(name)];
        let found = self.witness_async("reeve:domain/domains.get", arguments, live).await?;
        Ok(match found {
            Ok(view) => Ok(self.table.push(view)?),
            Err(error) => Err(error),
        })
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
        let services = Arc::clone(&self.outside.services);
        let arguments = || vec![except.map_or(Value::Null, |except| Value::from(except.to_string()))];
        self.witness_async("reeve:domain/domains.committed", arguments, async move {
            let sums = services.committed(except).await;
            Ok(domains::Commitment { active: sums.active, memory: sums.memory.0, vcpus: sums.vcpus })
        })
        .await
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
