//! Transient domains: started from a document, gone when they stop (guide 14.5.2).

use std::sync::Arc;

use reeve_model::api::Defined;
use reeve_model::{Actor, Error, Verb};

use super::restore::Origin;
use super::startup::Occasion;
use crate::Actions;
use crate::error::explain;

impl Actions {
    /// Starts a transient domain from its document.
    pub async fn create(self: &Arc<Self>, actor: &Actor, xml: &str, strict: bool) -> Result<Defined, Error> {
        Box::pin(self.create_domain(actor, xml, strict, false)).await
    }

    /// Starts a transient domain from its document with its vCPUs stopped.
    pub async fn create_paused(
        self: &Arc<Self>,
        actor: &Actor,
        xml: &str,
        strict: bool,
    ) -> Result<Defined, Error> {
        Box::pin(self.create_domain(actor, xml, strict, true)).await
    }

    async fn create_domain(
        self: &Arc<Self>,
        actor: &Actor,
        xml: &str,
        strict: bool,
        paused: bool,
    ) -> Result<Defined, Error> {
        let document = self.read_document(xml, strict)?;
        let (mut config, mut warnings) = (document.config, document.warnings);
        self.authorize(actor, Verb::DomainStart, &config.name)?;
        self.definitions.check_identity(&config)?;
        let _reserved = self.allocate_macs(actor, &mut config).await?;
        let config = Box::pin(self.prepare(actor, config, Occasion::Boot)).await?;
        warnings.extend(self.device_warnings(&config.devices.disks).await);
        let turn = self.domains.begin_transient(actor.clone(), &config).map_err(explain)?;
        let domain = self.bring_up(actor, turn, config, paused, Origin::Boot).await?;
        Ok(Defined { domain, warnings })
    }
}
