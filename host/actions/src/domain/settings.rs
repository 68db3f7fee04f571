//! Settings of a domain: started with the host, balloon.

use std::sync::Arc;

use reeve_domain::Request;
use reeve_model::domain::{DeviceCommon, MemBalloon};
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Bytes, Error, ErrorCode, Verb};

use super::Attachment;
use super::definition_change::replace;
use super::settings_change::LiveSettings;
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

    /// Has the guest tell statistics of its memory every so many seconds: the running one, that of the next start, or both.
    pub async fn set_stats_period(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        seconds: u32,
        to: Attachment,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainConfigure, key)?;
        let active = self.row(subject.uuid)?.id.is_some();
        let (live, config) = match to {
            Attachment::Current => (active, !active),
            Attachment::Live => (true, false),
            Attachment::Config => (false, true),
            Attachment::LiveAndConfig => (true, true),
            Attachment::Persistent => (active, true),
        };
        let turn = match live {
            true => {
                self.permits(&subject, Request::SetMemory)?;
                Some(self.turn(actor, subject.uuid, Request::SetMemory).await?)
            }
            false => None,
        };
        let mut definition = None;
        if config {
            let Some(before) = self.domains.definition(subject.uuid).map_err(explain)? else {
                let message = format!("domain '{}' is transient: it has no definition", subject.name);
                return Err(Error::new(ErrorCode::WrongState, message));
            };
            let mut after = before.as_ref().clone();
            // An alias is given at the start.
            let balloon = after.devices.memballoon.get_or_insert_with(|| MemBalloon {
                common: DeviceCommon::default(),
                ..MemBalloon::implicit()
            });
            balloon.stats_period = (seconds > 0).then_some(seconds);
            definition = Some((before, after));
        }
        match (turn, definition) {
            (Some(turn), definition) => {
                let live = Some(LiveSettings::StatsPeriod(seconds));
                Box::pin(self.change_settings(actor, turn, definition, live)).await?;
            }
            (None, Some((before, after))) => replace(self, actor, &before, after).await?,
            (None, None) => {}
        }
        self.row(subject.uuid)
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
