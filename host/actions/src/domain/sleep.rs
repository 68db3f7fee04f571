//! Guests that suspend themselves: they are asked to by their agent, and woken (guide 14.8.3, 14.8.4).

use std::sync::Arc;
use std::time::Duration;

use reeve_domain::Request;
use reeve_model::agent::{PmSuspendOptions, PmTarget};
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use uuid::Uuid;

use crate::Actions;
use crate::error::explain;

impl Actions {
    /// Has the agent of a guest suspend it. Whether it has is told by events: a guest may take its time.
    pub async fn suspend_guest(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        options: PmSuspendOptions,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSuspend, key)?;
        self.permits(&subject, Request::Shutdown)?;
        let pm = self.domains.snapshot(subject.uuid).map_err(explain)?.config.pm;
        let missing = match options.target {
            PmTarget::Mem => (!pm.mem()).then_some("suspend-to-mem"),
            PmTarget::Disk => (!pm.disk()).then_some("suspend-to-disk"),
            PmTarget::Hybrid if pm.mem() => (!pm.disk()).then_some("suspend-to-disk"),
            PmTarget::Hybrid => Some("suspend-to-mem"),
        };
        if let Some(state) = missing {
            let name = &subject.name;
            let message = format!("the guest of domain '{name}' has no <{state}>: its document says so");
            let hint = format!("write <pm><{state} enabled='yes'/></pm> and start it anew");
            return Err(Error::new(ErrorCode::Unsupported, message).with_hint(hint));
        }
        let mut asked = self.conversation(&subject).await?;
        asked.agent.suspend(options.target).await.map_err(|error| asked.told(error))?;
        drop(asked);
        if options.duration_s > 0 {
            self.wake_after(actor.clone(), subject.uuid, Duration::from_secs(options.duration_s.into()));
        }
        self.row(subject.uuid)
    }

    /// Wakes a guest that suspended itself; nothing to do when it runs.
    pub async fn wake(&self, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSuspend, key)?;
        self.permits(&subject, Request::Wake)?;
        self.turn(actor, subject.uuid, Request::Wake).await?.wake().await.map_err(explain)?;
        self.row(subject.uuid)
    }

    /// Wakes a guest after a while, if it sleeps then. A daemon that ends before leaves it asleep.
    fn wake_after(self: &Arc<Self>, actor: Actor, domain: Uuid, duration: Duration) {
        let actions = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            let Some(actions) = actions.upgrade() else { return };
            let sleeps = |row: DomainSummary| row.state == DomainState::PmSuspended;
            if actions.domains.snapshot(domain).is_ok_and(|found| sleeps(found.summary))
                && let Err(error) = actions.wake(&actor, &domain.to_string()).await
            {
                tracing::warn!(%domain, %error, "the guest was to be woken and was not");
            }
        });
    }
}
