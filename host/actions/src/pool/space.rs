//! Pools of which little is free: listeners are told once, and again after there was more.

use std::sync::Arc;
use std::time::Duration;

use reeve_model::Actor;
use reeve_model::event::EventKind;
use reeve_model::storage::{PoolChange, PoolConfig};
use tokio_util::sync::CancellationToken;

use crate::Actions;

impl Actions {
    /// Says what is low: less than so many percent of a pool free. 0 is never.
    pub fn set_low_space(&self, percent: u32) {
        self.storing.set_low_space(percent);
    }

    /// Tells listeners when little of a pool has become free.
    pub(super) fn tell_low_space(&self, config: &PoolConfig) {
        let Some(available) = self.storing.became_low(config.uuid) else { return };
        tracing::warn!(pool = config.name, available = available.0, "little of it is free");
        let (uuid, name, detail) = (config.uuid, config.name.clone(), available.0.to_string());
        self.bus.publish(Actor::Daemon, EventKind::Pool { uuid, name, change: PoolChange::LowSpace, detail });
    }

    /// Measures running pools every so often, because guests fill sparse volumes without a verb. Ends when `stop` is cancelled.
    pub async fn follow_pools(self: Arc<Self>, interval: Duration, stop: CancellationToken) {
        let mut rounds = tokio::time::interval(interval);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = rounds.tick() => {}
            }
            let measured = self.on_storage(|storage| {
                let running = storage.running();
                for pool in &running {
                    if let Err(error) = storage.measure(pool.uuid) {
                        tracing::debug!(pool = pool.name, %error, "could not be measured");
                    }
                }
                Ok(running)
            });
            for pool in measured.await.unwrap_or_default() {
                self.tell_low_space(&pool);
            }
        }
    }
}
