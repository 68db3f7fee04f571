//! The spanning tree protocol.

use reeve_model::MacAddress;

/// A BPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bpdu {
    /// 0 for a configuration, 2 for a rapid one, 0x80 for a notification, which has nothing of the rest.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Priority of the root bridge.
    pub root_priority: u16,
    /// Address of the root bridge.
    pub root_address: MacAddress,
    /// Cost of the path to it.
    pub root_cost: u32,
    /// Priority of the sender.
    pub sender_priority: u16,
    /// Address of the sender.
    pub sender_address: MacAddress,
    /// Port it was sent from.
    pub port: u16,
    /// Age of the message.
    pub message_age: u16,
    /// Greatest age.
    pub max_age: u16,
    /// Hello time.
    pub hello_time: u16,
    /// Forward delay.
    pub forward_delay: u16,
}

impl Bpdu {
    /// The address of all bridges.
    pub const BRIDGES: MacAddress = MacAddress([0x01, 0x80, 0xc2, 0, 0, 0]);

    /// A configuration with a value of its own in every field.
    pub fn sample() -> Self {
        Self {
            kind: 0,
            flags: 1,
            root_priority: 0x8001,
            root_address: MacAddress([2, 0, 0, 0, 0, 0x11]),
            root_cost: 0x0001_0002,
            sender_priority: 0x8003,
            sender_address: MacAddress([2, 0, 0, 0, 0, 0x22]),
            port: 0x8004,
            message_age: 0x0105,
            max_age: 0x1406,
            hello_time: 0x0207,
            forward_delay: 0x0f08,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        // LLC, then protocol 0.
        let head = [0x42, 0x42, 0x03, 0, 0, if self.kind == 2 { 2 } else { 0 }, self.kind];
        if self.kind >= 0x80 {
            return head.to_vec();
        }
        [
            &head[..],
            &[self.flags],
            &self.root_priority.to_be_bytes(),
            &self.root_address.0,
            &self.root_cost.to_be_bytes(),
            &self.sender_priority.to_be_bytes(),
            &self.sender_address.0,
            &self.port.to_be_bytes(),
            &self.message_age.to_be_bytes(),
            &self.max_age.to_be_bytes(),
            &self.hello_time.to_be_bytes(),
            &self.forward_delay.to_be_bytes(),
        ]
        .concat()
    }
}
