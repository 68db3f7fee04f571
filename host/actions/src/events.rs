//! Verbs on events.

use reeve_events::Subscription;
use reeve_model::event::{DaemonChange, EventKind};
use reeve_model::{Actor, Error, Verb};

use crate::Actions;

impl Actions {
    /// Follows events: from now on, or from the first kept one after number `after`.
    pub fn events(&self, actor: &Actor, after: Option<u64>) -> Result<Subscription, Error> {
        self.authorize(actor, Verb::EventsRead, "")?;
        Ok(self.bus.subscribe(after))
    }

    /// Tells that the daemon started, stops or reloaded; gives the event's number.
    pub fn tell_daemon(&self, change: DaemonChange) -> u64 {
        self.bus.publish(Actor::Daemon, EventKind::Daemon { change })
    }
}
