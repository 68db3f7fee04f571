use std::sync::Mutex;

use super::*;
use crate::pci::PciFunction;
use crate::virtio::device::{OwnState, OwnStateError};
use crate::virtio::interrupt::NO_VECTOR;
use crate::virtio::testing::{Driver, EVENT_IDX, NEEDS_RESET, VERSION_1, memory, ring};

/// A device without a thread that remembers what it was told.
#[derive(Default)]
struct Probe {
    log: Arc<Mutex<Vec<String>>>,
    queues: Vec<(u16, Queue)>,
}

impl VirtioDevice for Probe {
    fn id(&self) -> u16 {
        18
    }
    fn pci_class(&self) -> u32 {
        0xff_0000
    }
    fn features(&self) -> u64 {
        1 << 3
    }
    fn queue_sizes(&self) -> Vec<u16> {
        vec![64, 16]
    }
    fn read_config(&self, offset: u64, data: &mut [u8]) {
        crate::virtio::device::read_bytes(b"configuration", offset, data);
    }
    fn write_config(&mut self, offset: u64, data: &[u8]) {
        self.log.lock().unwrap().push(format!("write {offset} {data:?}"));
    }
    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        self.queues =
            (0..2).filter_map(|index| activation.take_queue(index)).map(DeviceQueue::into_queue).collect();
        self.log.lock().unwrap().push(format!("activate {:#x} {}", activation.features, self.queues.len()));
        Ok(())
    }
    fn stop(&mut self) -> Vec<(u16, Queue)> {
        std::mem::take(&mut self.queues)
    }
    fn state(&self) -> OwnState {
        OwnState::Nothing {}
    }
    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        if matches!(state, OwnState::Nothing {}) { Ok(()) } else { Err(OwnStateError::Kind) }
    }
    fn reset(&mut self) {
        self.log.lock().unwrap().push("reset".into());
    }
}

fn driver() -> (Driver, Arc<Mutex<Vec<String>>>) {
    let log = Arc::default();
    let probe = Probe { log: Arc::clone(&log), queues: Vec::new() };
    (Driver::new(Box::new(probe)), log)
}

#[test]
fn the_function_says_what_it_is_and_where_its_registers_are() {
    let (mut driver, _) = driver();
    let mut identity = [0; 4];
    driver.transport.read_config(0, &mut identity);
    assert_eq!(u32::from_le_bytes(identity), 0x1052_1af4);
    let mut found = Vec::new();
    let mut at = driver.capability(0x09);
    while at != 0 {
        let mut raw = [0; 20];
        driver.transport.read_config(at, &mut raw);
        if raw[0] == 0x09 {
            found.push((raw[3], raw[4], u32::from_le_bytes([raw[8], raw[9], raw[10], raw[11]])));
            assert!(raw[2] >= 16, "length of the capability");
        }
        at = usize::from(raw[1]);
    }
    assert_eq!(found, [(1, 0, 0), (3, 0, 0x1000), (4, 0, 0x2000), (2, 0, 0x3000), (5, 0, 0)]);
}

#[test]
fn a_driver_negotiates_and_the_device_runs() {
    let (mut driver, log) = driver();
    assert_eq!(driver.features(), VERSION_1 | EVENT_IDX | 1 << 28 | 1 << 3);
    assert_eq!(driver.read(0x12, 2), 2, "queues");
    driver.start(1 << 3, 8);
    assert_eq!(driver.status(), 15);
    assert_eq!(*log.lock().unwrap(), ["reset", "activate 0x100000008 2"]);
    driver.write(0x16, &1u16.to_le_bytes());
    assert_eq!((driver.read(0x18, 2), driver.read(0x1c, 2), driver.read(0x1e, 2)), (8, 1, 1));
    assert_eq!((driver.read(0x20, 8), driver.read(0x1a, 2)), (ring(1), 2));
    driver.write(0x20, &0u64.to_le_bytes());
    driver.write(0x18, &4u16.to_le_bytes());
    assert_eq!((driver.read(0x20, 8), driver.read(0x18, 2)), (ring(1), 8), "a live queue cannot be changed");
    driver.write(0x14, &[0]);
    assert_eq!((driver.status(), driver.read(0x1c, 2)), (0, 0));
    assert_eq!(log.lock().unwrap().last().unwrap(), "reset");
}

#[test]
fn features_that_were_not_offered_are_refused() {
    for (features, accepted) in
        [(VERSION_1, true), (0, false), (VERSION_1 | 1 << 40, false), (VERSION_1 | 2, false)]
    {
        let (mut driver, log) = driver();
        driver.write(0x14, &[3]);
        for half in 0..2u32 {
            driver.write(0x08, &half.to_le_bytes());
            driver.write(0x0c, &((features >> (32 * half)) as u32).to_le_bytes());
        }
        driver.write(0x14, &[0x0b]);
        assert_eq!(driver.status() & 8 != 0, accepted, "features {features:#x}");
        driver.write(0x14, &[0x0f]);
        assert_eq!(driver.status() & 4 != 0, accepted, "DRIVER_OK needs FEATURES_OK");
        assert_eq!(log.lock().unwrap().len(), usize::from(accepted));
    }
}

#[test]
fn rings_outside_memory_ask_for_a_reset() {
    for (register, address) in [(0x20, !15u64), (0x28, 0x1_0000_0000), (0x30, (32 << 20) - 8)] {
        let (mut driver, log) = driver();
        driver.start(0, 16);
        driver.write(0x14, &[0]);
        driver.write(0x14, &[3]);
        driver.write(0x08, &1u32.to_le_bytes());
        driver.write(0x0c, &1u32.to_le_bytes());
        driver.write(0x14, &[11]);
        driver.write(register, &address.to_le_bytes());
        driver.write(0x1c, &1u16.to_le_bytes());
        log.lock().unwrap().clear();
        driver.write(0x14, &[15]);
        assert_eq!(driver.status() & NEEDS_RESET, NEEDS_RESET, "register {register:#x}");
        assert!(log.lock().unwrap().is_empty(), "the device never saw the queue");
        driver.start(0, 16);
        assert_eq!(driver.status(), 15, "a reset helps");
    }
}

#[test]
fn configuration_and_vectors_are_bounded() {
    let (mut driver, log) = driver();
    assert_eq!(driver.read(0x2000, 8), u64::from_le_bytes(*b"configur"));
    assert_eq!(driver.read(0x2008, 8), u64::from_le_bytes(*b"ation\0\0\0"));
    assert_eq!(driver.read(0x2fff, 4), 0);
    driver.write(0x2004, &[1, 2]);
    assert_eq!(log.lock().unwrap().last().unwrap(), "write 4 [1, 2]");
    driver.write(0x10, &9u16.to_le_bytes());
    assert_eq!(driver.read(0x10, 2), u64::from(NO_VECTOR), "a vector that does not exist is refused");
    driver.write(0x16, &99u16.to_le_bytes());
    assert_eq!(driver.read(0x18, 2), 0, "a queue that does not exist has no size");
    for offset in (0..0x4000).step_by(7) {
        for size in [1, 2, 4, 8] {
            driver.read(offset, size);
            driver.write(offset, &[0xa5; 8][..size]);
        }
    }
}

#[test]
fn registers_are_reachable_through_configuration_space() {
    let (mut driver, _) = driver();
    let at = {
        let mut at = driver.capability(0x09);
        let mut raw = [0; 4];
        loop {
            driver.transport.read_config(at, &mut raw);
            if raw[3] == 5 {
                break at;
            }
            at = usize::from(raw[1]);
        }
    };
    let select = |driver: &mut Driver, bar: u8, offset: u32, length: u32| {
        driver.transport.write_config(at + 4, &[bar]);
        driver.transport.write_config(at + 8, &offset.to_le_bytes());
        driver.transport.write_config(at + 12, &length.to_le_bytes());
    };
    let mut data = [0; 4];
    select(&mut driver, 0, 0x12, 2);
    driver.transport.read_config(at + 16, &mut data);
    assert_eq!(data, [2, 0, 0, 0], "number of queues");
    select(&mut driver, 0, 0x14, 1);
    driver.transport.write_config(at + 16, &[3, 0, 0, 0]);
    assert_eq!(driver.status(), 3);
    for (bar, offset, length) in
        [(2, 0, 4), (0, 0x4000, 4), (0, u32::MAX, 1), (0, 1, 4), (0, 0, 8), (255, 0, 4)]
    {
        select(&mut driver, bar, offset, length);
        driver.transport.write_config(at + 16, &[0; 4]);
        driver.transport.read_config(at + 16, &mut data);
    }
    assert_eq!(driver.status(), 3, "nothing out of range was written");
}

#[test]
fn a_running_transport_survives_a_move() {
    let memory = memory();
    let (log, moved) = (Arc::default(), Arc::<Mutex<Vec<String>>>::default());
    let probe = Probe { log, queues: Vec::new() };
    let mut from = Driver::with_memory(Box::new(probe), memory.clone());
    from.start(1 << 3 | EVENT_IDX, 8);
    from.transport.pause();
    let saved = serde_json::to_string(&from.transport.state()).unwrap();
    let probe = Probe { log: Arc::clone(&moved), queues: Vec::new() };
    let mut to = Driver::with_memory(Box::new(probe), memory);
    let state: TransportState = serde_json::from_str(&saved).unwrap();
    // It has what its driver took, also where it would not be offered today.
    to.transport = to.transport.without_event_idx();
    assert_eq!(to.transport.features() & EVENT_IDX, 0);
    to.transport.restore(&state).unwrap();
    assert_eq!(to.transport.features() & EVENT_IDX, EVENT_IDX);
    to.transport.resume();
    assert_eq!(*moved.lock().unwrap(), ["activate 0x120000008 2"]);
    to.transport.pause();
    let roused = TransportState { isr: state.isr | 2, generation: state.generation + 1, ..state.clone() };
    assert_eq!(to.transport.state(), roused, "the driver is made to look again");
    for damage in [
        TransportState { status: 4, ..state.clone() },
        TransportState { status: 15, driver_features: 1 << 3, ..state.clone() },
        TransportState { own: OwnState::Block { capacity: 1 }, ..state.clone() },
        TransportState { device: 1, ..state.clone() },
        TransportState { driver_features: 1 << 50, ..state.clone() },
        TransportState { queues: Vec::new(), ..state.clone() },
        TransportState {
            queues: vec![super::super::queue::QueueState { size: 3, ..state.queues[0] }; 2],
            ..state
        },
    ] {
        assert!(to.transport.restore(&damage).is_err());
    }
}
