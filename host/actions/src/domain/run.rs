//! Changing a running machine: reboot, reset, suspend, resume.

use reeve_agent::ShutdownMode as End;
use reeve_domain::Request;
use reeve_model::agent::ShutdownOptions;
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Error, Verb};

use super::Question;
use super::agent::Ways;
use crate::Actions;
use crate::error::explain;

impl Actions {
    /// Asks the guest to reboot.
    pub async fn reboot(&self, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        self.reboot_by(actor, key, &ShutdownOptions::default()).await
    }

    /// As [`Actions::reboot`], in the ways that are named. What follows is the domain's `<on_reboot>` where the agent does it.
    pub async fn reboot_by(
        &self,
        actor: &Actor,
        key: &str,
        options: &ShutdownOptions,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainShutdown, key)?;
        let ways = Ways::new(options)?;
        self.permits(&subject, Request::Reboot)?;
        let turn = self.turn(actor, subject.uuid, Request::Reboot).await?;
        if !self.end_by_agent(&subject, ways, End::Reboot).await? {
            turn.reboot().await.map_err(explain)?;
        }
        self.row(subject.uuid)
    }

    /// Resets the machine at once, as the button does.
    pub async fn reset(&self, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainDestroy, key)?;
        self.permits(&subject, Request::Reset)?;
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        let (state, config) = (snapshot.summary.state, snapshot.config);
        self.ask(Question { hook: Hook::DomainStop, actor, state, config, device: None, forced: true })
            .await?;
        self.turn(actor, subject.uuid, Request::Reset).await?.reset().await.map_err(explain)?;
        self.row(subject.uuid)
    }

    /// Sends every vCPU a non-maskable interrupt; most guests panic by it, or write down what they were doing.
    pub async fn inject_nmi(&self, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainDestroy, key)?;
        self.permits(&subject, Request::Reset)?;
        self.domains.inject_nmi(subject.uuid).await.map_err(explain)?;
        self.row(subject.uuid)
    }

    /// Stops the vCPUs and keeps the memory.
    pub async fn suspend(&self, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSuspend, key)?;
        self.permits(&subject, Request::Suspend)?;
        self.turn(actor, subject.uuid, Request::Suspend).await?.suspend().await.map_err(explain)?;
        self.row(subject.uuid)
    }

    /// Lets the vCPUs run again.
    pub async fn resume(&self, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSuspend, key)?;
        self.permits(&subject, Request::Resume)?;
        self.turn(actor, subject.uuid, Request::Resume).await?.resume().await.map_err(explain)?;
        self.row(subject.uuid)
    }
}
