//! One PCI device as it is saved: a virtio device as its transport, others as what they are.

use serde::{Deserialize, Serialize};

use crate::pci::{ConfigState, WatchdogFunctionState};
use crate::virtio::TransportState;

/// One PCI device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "DeviceSection", try_from = "DeviceSection")]
pub struct DeviceState {
    /// Its alias.
    pub alias: String,
    /// Its slot.
    pub slot: u8,
    /// What it knows itself.
    pub function: FunctionState,
}

/// What a PCI function knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionState {
    /// A virtio device: its transport, queues and what it knows itself.
    Virtio(Box<TransportState>),
    /// The watchdog.
    Watchdog(WatchdogFunctionState),
    /// The device that is told of panics.
    Panic(ConfigState),
}

/// A device as it is written. The first release knew virtio devices alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceSection {
    alias: String,
    slot: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transport: Option<Box<TransportState>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watchdog: Option<WatchdogFunctionState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    panic: Option<ConfigState>,
}

/// A device that is nothing, or more than one thing.
#[derive(Debug, thiserror::Error)]
#[error("device '{0}' must be a virtio device, a watchdog or a panic device")]
struct NoFunction(String);

impl From<DeviceState> for DeviceSection {
    fn from(device: DeviceState) -> Self {
        let DeviceState { alias, slot, function } = device;
        let mut section = Self { alias, slot, transport: None, watchdog: None, panic: None };
        match function {
            FunctionState::Virtio(transport) => section.transport = Some(transport),
            FunctionState::Watchdog(watchdog) => section.watchdog = Some(watchdog),
            FunctionState::Panic(config) => section.panic = Some(config),
        }
        section
    }
}

impl TryFrom<DeviceSection> for DeviceState {
    type Error = NoFunction;

    fn try_from(section: DeviceSection) -> Result<Self, NoFunction> {
        let DeviceSection { alias, slot, transport, watchdog, panic } = section;
        let function = match (transport, watchdog, panic) {
            (Some(transport), None, None) => FunctionState::Virtio(transport),
            (None, Some(watchdog), None) => FunctionState::Watchdog(watchdog),
            (None, None, Some(config)) => FunctionState::Panic(config),
            _ => return Err(NoFunction(alias)),
        };
        Ok(Self { alias, slot, function })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_one_thing() {
        let config = ConfigState { bytes: vec![1, 2, 3] };
        let device =
            DeviceState { alias: "panic0".to_owned(), slot: 3, function: FunctionState::Panic(config) };
        let written = serde_json::to_string(&device).unwrap();
        assert_eq!(written, r#"{"alias":"panic0","slot":3,"panic":{"bytes":[1,2,3]}}"#);
        assert_eq!(serde_json::from_str::<DeviceState>(&written).unwrap(), device);
        for (wrong, why) in [
            (r#"{"alias":"panic0","slot":3}"#.to_owned(), "'panic0' must be"),
            (written.replace("\"panic\"", "\"extra\""), "unknown field"),
        ] {
            let error = serde_json::from_str::<DeviceState>(&wrong).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
