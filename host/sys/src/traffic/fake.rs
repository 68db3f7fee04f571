//! Shaping that only remembers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Floor, Shape, Traffic, TrafficError, script};
use crate::link::LinkName;

/// Stands in for the kernel's shaping in tests of what uses it: it checks and keeps the limits, and fails when a test wants it to.
#[derive(Debug, Default)]
pub struct FakeTraffic {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shaped: BTreeMap<LinkName, (Shape, Vec<Floor>)>,
    fail_in: Option<usize>,
}

impl FakeTraffic {
    /// Refuses the `nth` change from now on, once; the first is 1.
    pub fn fail_at(&self, nth: usize) {
        self.state().fail_in = Some(nth);
    }

    /// The floors of a bridge's ports.
    pub fn floors(&self, bridge: &LinkName) -> Vec<Floor> {
        self.state().shaped.get(bridge).map(|(_, floors)| floors.clone()).unwrap_or_default()
    }

    /// The links that have limits.
    pub fn shaped(&self) -> Vec<LinkName> {
        self.state().shaped.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, link: &LinkName, step: &'static str) -> Result<MutexGuard<'_, State>, TrafficError> {
        let mut state = self.state();
        state.fail_in = state.fail_in.map(|left| left.saturating_sub(1));
        if state.fail_in.take_if(|left| *left == 0).is_some() {
            let message = "the test wants it so".to_owned();
            return Err(TrafficError::Refused { link: link.clone(), step, message });
        }
        Ok(state)
    }
}

impl Traffic for FakeTraffic {
    fn set(&self, link: &LinkName, shape: &Shape) -> Result<(), TrafficError> {
        self.set_bridge(link, shape, &[])
    }

    fn set_bridge(&self, bridge: &LinkName, shape: &Shape, floors: &[Floor]) -> Result<(), TrafficError> {
        script::check(bridge, shape, floors)?;
        let mut state = self.begin(bridge, "limited")?;
        if *shape == Shape::default() {
            state.shaped.remove(bridge);
        } else {
            state.shaped.insert(bridge.clone(), (*shape, floors.to_vec()));
        }
        Ok(())
    }

    fn clear(&self, link: &LinkName) -> Result<(), TrafficError> {
        self.begin(link, "freed of limits")?.shaped.remove(link);
        Ok(())
    }

    fn read(&self, link: &LinkName) -> Result<Shape, TrafficError> {
        Ok(self.state().shaped.get(link).map(|(shape, _)| *shape).unwrap_or_default())
    }

    fn sweep(&self) -> Result<usize, TrafficError> {
        Ok(0)
    }
}
