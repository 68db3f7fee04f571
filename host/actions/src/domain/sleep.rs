//! Guests that suspend themselves: they are asked to by their agent, and woken (guide 14.8.3, 14.8.4).

use std::sync::{Arc, Weak};
use std::time::Duration;

use reeve_domain::Request;
use reeve_events::Subscription;
use reeve_model::agent::{PmSuspendOptions, PmTarget};
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use uuid::Uuid;

use crate::Actions;
use crate::error::explain;

/// How long a guest that was asked to suspend itself may take for that, to be woken later.
const FALLS_ASLEEP: Duration = Duration::from_secs(300);

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
        let events = self.bus.subscribe(None);
        asked.agent.suspend(options.target).await.map_err(|error| asked.told(error))?;
        drop(asked);
        if options.duration_s > 0 {
            let duration = Duration::from_secs(options.duration_s.into());
            self.wake_after(events, actor.clone(), subject.uuid, duration);
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

    /// Wakes a guest so long after it has fallen asleep, unless it is awake or has ended before that. A daemon that ends meanwhile leaves it
    /// asleep.
    fn wake_after(
        self: &Arc<Self>,
        mut events: Subscription,
        actor: Actor,
        domain: Uuid,
        duration: Duration,
    ) {
        let actions = Arc::downgrade(self);
        tokio::spawn(async move {
            let asleep = tokio::time::timeout(FALLS_ASLEEP, becomes(&actions, &mut events, domain, true));
            if asleep.await != Ok(true) {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(duration) => {}
                _ = becomes(&actions, &mut events, domain, false) => return,
            }
            let Some(actions) = actions.upgrade() else { return };
            if let Err(error) = actions.wake(&actor, &domain.to_string()).await {
                tracing::warn!(%domain, %error, "the guest was to be woken and was not");
            }
        });
    }
}

/// Waits until a guest sleeps, or does not any more. False when it has ended, or nobody hears of it.
async fn becomes(actions: &Weak<Actions>, events: &mut Subscription, domain: Uuid, asleep: bool) -> bool {
    loop {
        let found = actions.upgrade().and_then(|actions| actions.domains.snapshot(domain).ok());
        match found.map(|found| found.summary.state) {
            Some(state) if (state == DomainState::PmSuspended) == asleep => return true,
            Some(state) if state.is_active() => {}
            _ => return false,
        }
        if events.next().await.is_none() {
            return false;
        }
    }
}
