//! A transport as saved, and the way back.

use serde::{Deserialize, Serialize};
use virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
use virtio_queue::{Queue, QueueT};

use super::common_config::{DRIVER_OK, FEATURES_OK, NEEDS_RESET};
use super::{PciTransport, Registers, VIRTIO_RING_F_EVENT_IDX};
use crate::pci::msix::{MsixState, MsixStateError};
use crate::pci::{ConfigState, ConfigStateError};
use crate::virtio::device::{OwnState, OwnStateError};
use crate::virtio::queue::QueueState;

/// Everything the driver can see of a transport and its queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportState {
    /// Virtio device id, so that state is not loaded into another kind of device.
    pub device: u16,
    /// PCI configuration space.
    pub config: ConfigState,
    /// MSI-X table and pending bits.
    pub msix: MsixState,
    /// Device status without NEEDS_RESET.
    pub status: u8,
    /// Features the driver chose.
    pub driver_features: u64,
    /// Select registers: device features, driver features, queue.
    pub selects: (u32, u32, u16),
    /// Vector of configuration changes.
    pub config_vector: u16,
    /// Vector of each queue.
    pub queue_vectors: Vec<u16>,
    /// Each queue.
    pub queues: Vec<QueueState>,
    /// ISR register.
    pub isr: u8,
    /// Configuration generation.
    pub generation: u8,
    /// Whether the device waits for a reset.
    pub needs_reset: bool,
    /// What the device itself knows.
    pub own: OwnState,
}

/// Why saved state cannot be loaded into a transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportStateError {
    /// Saved from another kind of device.
    #[error("saved virtio state is of device kind {found} instead of {expected}")]
    Kind {
        /// Kind of this device.
        expected: u16,
        /// Kind in the saved state.
        found: u16,
    },
    /// The driver uses features this device does not offer.
    #[error("saved virtio driver uses features {0:#x} that this device does not have")]
    Features(u64),
    /// The device status is none that a driver can reach.
    #[error("saved virtio device status {0:#x} can't be reached")]
    Status(u8),
    /// Number or sizes of queues differ, or a queue is not valid.
    #[error("saved virtio queues do not fit the device")]
    Queues,
    /// Configuration space differs.
    #[error(transparent)]
    Config(#[from] ConfigStateError),
    /// MSI-X differs.
    #[error(transparent)]
    Msix(#[from] MsixStateError),
    /// The device can't go on from it.
    #[error(transparent)]
    Own(#[from] OwnStateError),
}

impl PciTransport {
    /// What to save. The device must be paused.
    pub fn state(&self) -> TransportState {
        let registers = &self.registers;
        TransportState {
            device: self.device.id(),
            config: self.config.state(),
            msix: self.msix.state(),
            status: registers.status,
            driver_features: registers.driver_features,
            selects: (
                registers.device_feature_select,
                registers.driver_feature_select,
                registers.queue_select,
            ),
            config_vector: self.interrupt.config_vector(),
            queue_vectors: (0..self.queues.len() as u16)
                .map(|queue| self.interrupt.queue_vector(queue))
                .collect(),
            queues: self.queues.iter().map(QueueState::from).collect(),
            isr: self.interrupt.isr(),
            generation: self.interrupt.generation(),
            needs_reset: self.interrupt.needs_reset(),
            own: self.device.state(),
        }
    }

    /// Loads saved state into a transport that is as new. The root complex must remap its BARs afterwards; a device
    /// that was running goes on at [`resume`](Self::resume).
    pub fn restore(&mut self, state: &TransportState) -> Result<(), TransportStateError> {
        if state.device != self.device.id() {
            return Err(TransportStateError::Kind { expected: self.device.id(), found: state.device });
        }
        // Versions that knew no other way offered it to every driver. One that took it keeps it, whatever the document says.
        let offered = self.offered | state.driver_features & 1 << VIRTIO_RING_F_EVENT_IDX;
        let unknown = state.driver_features & !(self.device.features() | offered);
        if unknown != 0 {
            return Err(TransportStateError::Features(unknown));
        }
        let (status, modern) = (state.status, state.driver_features & 1 << VIRTIO_F_VERSION_1 != 0);
        let frozen = status & FEATURES_OK != 0;
        let reachable =
            status & NEEDS_RESET == 0 && (!frozen || modern) && (frozen || status & DRIVER_OK == 0);
        if !reachable {
            return Err(TransportStateError::Status(status));
        }
        let queues: Vec<Queue> = state
            .queues
            .iter()
            .map(|queue| Queue::try_from(*queue))
            .collect::<Result<_, _>>()
            .map_err(|_| TransportStateError::Queues)?;
        let same_sizes = queues.len() == self.queues.len()
            && queues.iter().zip(&self.queues).all(|(saved, own)| saved.max_size() == own.max_size());
        if !same_sizes || state.queue_vectors.len() != self.queues.len() {
            return Err(TransportStateError::Queues);
        }
        self.device.restore(&state.own)?;
        self.config.restore(&state.config)?;
        self.msix.restore(&state.msix)?;
        self.msix.set_control(self.config.u16_at(self.msix_control));
        self.interrupt.restore(state.isr, state.generation, state.needs_reset);
        self.interrupt.set_config_vector(state.config_vector);
        for (queue, vector) in (0..).zip(&state.queue_vectors) {
            self.interrupt.set_queue_vector(queue, *vector);
        }
        self.queues = queues;
        self.offered = offered;
        self.moved = true;
        self.registers = Registers {
            device_feature_select: state.selects.0,
            driver_feature_select: state.selects.1,
            queue_select: state.selects.2,
            driver_features: state.driver_features,
            status: state.status,
        };
        Ok(())
    }
}
