//! What the fuzzer's bytes mean to a device: descriptors, rings and buffers full of anything, round after round.
//!
//! What must hold for every device: it neither panics nor hangs nor touches memory that is not the guest's (the sanitizer
//! sees that), and a reset brings it back whatever was done to it.

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use reeve_vmm::virtio::VirtioDevice;
use vm_memory::{Bytes, GuestAddress};

use crate::machine::{BUFFERS, MEMORY, Machine, SIZE};

/// Everything one run does.
#[derive(Debug, Arbitrary)]
pub struct Assault {
    /// Which of the device's features the driver takes.
    features: u32,
    rounds: Vec<Round>,
    /// What is in the buffers: headers, indirect tables, data.
    buffers: Vec<u8>,
}

/// What the driver does to one queue before it rings its doorbell.
#[derive(Debug, Arbitrary)]
struct Round {
    queue: u8,
    descriptors: Vec<Descriptor>,
    heads: Heads,
    /// A write to the device's configuration space.
    config: Option<(u8, [u8; 4])>,
    reset: bool,
}

#[derive(Debug, Arbitrary)]
enum Heads {
    /// The first so many descriptors, in order.
    Orderly(u8),
    /// Anything, and a ring index that says anything.
    Wild([u16; SIZE as usize], u16),
}

#[derive(Debug, Arbitrary)]
struct Descriptor {
    address: Address,
    length: Length,
    flags: Flags,
    next: u8,
}

#[derive(Debug, Arbitrary)]
enum Address {
    Buffer(u16),
    Page(u8),
    End(i8),
    Any(u64),
}

#[derive(Debug, Arbitrary)]
enum Length {
    Short(u8),
    Sectors(u8),
    Any(u32),
}

#[derive(Debug, Arbitrary)]
enum Flags {
    Usual(u8),
    Any(u16),
}

impl Descriptor {
    fn bytes(&self) -> [u8; 16] {
        let address = match self.address {
            Address::Buffer(offset) => BUFFERS + u64::from(offset),
            Address::Page(page) => u64::from(page) * 4096,
            Address::End(offset) => MEMORY.wrapping_add_signed(offset.into()),
            Address::Any(address) => address,
        };
        let length = match self.length {
            Length::Short(length) => length.into(),
            Length::Sectors(sectors) => u32::from(sectors) * 512,
            Length::Any(length) => length,
        };
        // NEXT, WRITE and INDIRECT are the lowest three bits.
        let flags = match self.flags {
            Flags::Usual(flags) => u16::from(flags & 7),
            Flags::Any(flags) => flags,
        };
        let mut raw = [0; 16];
        raw[..8].copy_from_slice(&address.to_le_bytes());
        raw[8..12].copy_from_slice(&length.to_le_bytes());
        raw[12..14].copy_from_slice(&flags.to_le_bytes());
        raw[14..].copy_from_slice(&u16::from(self.next).to_le_bytes());
        raw
    }
}

impl Assault {
    /// Does it all to a fresh device.
    pub fn run(&self, device: Box<dyn VirtioDevice>) {
        let features = u64::from(self.features);
        let mut machine = Machine::new(device);
        machine.start(features);
        let length = self.buffers.len().min((MEMORY - BUFFERS) as usize);
        machine
            .memory
            .write_slice(&self.buffers[..length], GuestAddress(BUFFERS))
            .expect("the buffers are memory");
        for round in &self.rounds {
            round.run(&mut machine);
            if round.reset {
                machine.start(features);
            }
        }
        machine.reset();
        machine.start(features);
    }
}

impl Round {
    fn run(&self, machine: &mut Machine) {
        let queue = u16::from(self.queue) % machine.queues;
        for (index, descriptor) in (0..SIZE).zip(&self.descriptors) {
            machine.descriptor(queue, index, &descriptor.bytes());
        }
        match &self.heads {
            Heads::Orderly(count) => {
                let heads: Vec<u16> = (0..SIZE).collect();
                machine.available(queue, &heads, u16::from(*count) % (SIZE + 1));
            }
            Heads::Wild(heads, claimed) => machine.available(queue, heads, *claimed),
        }
        if let Some((offset, data)) = self.config {
            machine.write(0x2000 + u64::from(offset & !3), &data);
        }
        machine.notify(queue);
    }
}
