//! The conversation on the control queues: which ports there are, what they are called, who has them open.

use std::collections::VecDeque;

use crate::virtio::device::{ConversationState, OwnStateError};

/// Events of struct virtio_console_control.
const DEVICE_READY: u16 = 0;
const DEVICE_ADD: u16 = 1;
const PORT_READY: u16 = 3;
const CONSOLE_PORT: u16 = 4;
const PORT_OPEN: u16 = 6;
const PORT_NAME: u16 = 7;

/// Bytes of struct virtio_console_control.
pub(super) const MESSAGE_SIZE: usize = 8;
/// Messages kept for a driver that does not take them. A driver that asks for more while it takes none gets no answer.
const MAX_QUEUED: usize = 256;
/// Longest message that is taken from saved state: a name, and names are short.
const MAX_MESSAGE: usize = 4096;

/// What the control queues know of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortInfo {
    /// Name of a channel, None for a console.
    pub name: Option<String>,
    /// Whether somebody listens on the host side.
    pub host_open: bool,
}

/// State of the conversation.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Messages to the driver, oldest first.
    outgoing: VecDeque<Vec<u8>>,
    /// Ports the driver has taken over.
    ready: Vec<bool>,
    /// Ports of which the driver knows that somebody listens.
    open: Vec<bool>,
}

impl Control {
    pub(super) fn new(ports: usize) -> Self {
        Self { outgoing: VecDeque::new(), ready: vec![false; ports], open: vec![false; ports] }
    }

    /// What to save.
    pub(super) fn state(&self) -> ConversationState {
        ConversationState {
            outgoing: self.outgoing.iter().cloned().collect(),
            ready: self.ready.clone(),
            open: self.open.clone(),
        }
    }

    /// Goes on with what was saved, of a device that has `ports` ports; a driver without MULTIPORT knows of one.
    pub(super) fn restore(state: &ConversationState, ports: usize) -> Result<Self, OwnStateError> {
        let known = state.ready.len();
        if !(known == ports || known == 1) || state.open.len() != known {
            return Err(OwnStateError::Range("another number of console ports"));
        }
        let long = |message: &Vec<u8>| !(MESSAGE_SIZE..=MAX_MESSAGE).contains(&message.len());
        if state.outgoing.len() > MAX_QUEUED || state.outgoing.iter().any(long) {
            return Err(OwnStateError::Range("control messages of a console that nobody sent"));
        }
        let (ready, open) = (state.ready.clone(), state.open.clone());
        Ok(Self { outgoing: state.outgoing.iter().cloned().collect(), ready, open })
    }

    /// Ports it is about.
    pub(super) fn ports(&self) -> usize {
        self.ready.len()
    }

    /// Whether the driver knows that somebody listens on a port.
    pub(super) fn knows_open(&self, port: usize) -> bool {
        self.open.get(port).copied().unwrap_or(false)
    }

    /// Answers a message of the driver. Unknown ones and ports that do not exist are ignored.
    pub(super) fn receive(&mut self, message: &[u8; MESSAGE_SIZE], ports: &[PortInfo]) {
        let port = u32::from_le_bytes([message[0], message[1], message[2], message[3]]);
        let event = u16::from_le_bytes([message[4], message[5]]);
        let value = u16::from_le_bytes([message[6], message[7]]);
        match event {
            DEVICE_READY if value == 1 => {
                (0..ports.len() as u32).for_each(|port| self.send(port, DEVICE_ADD, 1, b""))
            }
            PORT_READY if value == 1 => {
                if let Some(info) = ports.get(port as usize) {
                    self.ready[port as usize] = true;
                    self.introduce(port, info);
                }
            }
            _ => {}
        }
    }

    /// Somebody opened or closed the host side of a port. Consoles are always open: their output is kept.
    pub(super) fn host_side(&mut self, port: usize, info: &PortInfo) {
        if self.ready[port] && info.name.is_some() {
            self.open[port] = info.host_open;
            self.send(port as u32, PORT_OPEN, u16::from(info.host_open), b"");
        }
    }

    /// The next message to the driver.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// Whether there are messages to the driver.
    pub(super) fn has_messages(&self) -> bool {
        !self.outgoing.is_empty()
    }

    fn introduce(&mut self, port: u32, info: &PortInfo) {
        match &info.name {
            None => {
                self.send(port, CONSOLE_PORT, 1, b"");
                self.send(port, PORT_OPEN, 1, b"");
            }
            Some(name) => {
                self.open[port as usize] = info.host_open;
                self.send(port, PORT_NAME, 1, name.as_bytes());
                self.send(port, PORT_OPEN, u16::from(info.host_open), b"");
            }
        }
    }

    fn send(&mut self, port: u32, event: u16, value: u16, more: &[u8]) {
        if self.outgoing.len() < MAX_QUEUED {
            let mut message = port.to_le_bytes().to_vec();
            message.extend(event.to_le_bytes());
            message.extend(value.to_le_bytes());
            message.extend(more);
            self.outgoing.push_back(message);
        }
    }
}
