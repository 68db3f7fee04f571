//! A device on the PCI bus as the machine keeps it, to save it and to let it go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pci::{ConfigStateError, PanicFunction, PciFunction, WatchdogFunction};
use crate::state::FunctionState;
use crate::virtio::{PciTransport, TransportStateError};

/// Why a device can't go on from saved state.
#[derive(Debug, thiserror::Error)]
pub enum FunctionStateError {
    /// A virtio device refuses it.
    #[error(transparent)]
    Transport(#[from] TransportStateError),
    /// It sits on the bus in another way.
    #[error(transparent)]
    Config(#[from] ConfigStateError),
    /// It was another kind of device.
    #[error("it was another kind of device when the guest was saved")]
    Kind,
}

/// One device.
pub(super) enum Function {
    Virtio(Arc<Mutex<PciTransport>>),
    Watchdog(Arc<Mutex<WatchdogFunction>>),
    Panic(Arc<Mutex<PanicFunction>>),
}

impl Function {
    /// As the bus sees it.
    pub(super) fn on_bus(&self) -> Arc<Mutex<dyn PciFunction>> {
        match self {
            Self::Virtio(transport) => transport.clone(),
            Self::Watchdog(watchdog) => watchdog.clone(),
            Self::Panic(panic) => panic.clone(),
        }
    }

    /// The transport of a virtio device.
    pub(super) fn transport(&self) -> Option<MutexGuard<'_, PciTransport>> {
        match self {
            Self::Virtio(transport) => Some(locked(transport)),
            Self::Watchdog(_) | Self::Panic(_) => None,
        }
    }

    /// What to save. The device must be stopped.
    pub(super) fn state(&self) -> FunctionState {
        match self {
            Self::Virtio(transport) => FunctionState::Virtio(Box::new(locked(transport).state())),
            Self::Watchdog(watchdog) => FunctionState::Watchdog(locked(watchdog).state()),
            Self::Panic(panic) => FunctionState::Panic(locked(panic).state()),
        }
    }

    /// Loads what was saved into a device that is as new.
    pub(super) fn restore(&self, state: &FunctionState) -> Result<(), FunctionStateError> {
        match (self, state) {
            (Self::Virtio(transport), FunctionState::Virtio(state)) => locked(transport).restore(state)?,
            (Self::Watchdog(watchdog), FunctionState::Watchdog(state)) => locked(watchdog).restore(state)?,
            (Self::Panic(panic), FunctionState::Panic(state)) => locked(panic).restore(state)?,
            _ => return Err(FunctionStateError::Kind),
        }
        Ok(())
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
