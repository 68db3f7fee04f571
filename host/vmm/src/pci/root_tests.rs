use super::super::config::{ConfigSpace, Identity};
use super::*;

/// A function with one BAR that echoes offsets and remembers where it was put.
pub(crate) struct Probe {
    config: ConfigSpace,
    base: Option<u64>,
}

impl Probe {
    pub(crate) fn new() -> Arc<Mutex<Self>> {
        let mut config = ConfigSpace::new(Identity {
            vendor: 0x1af4,
            device: 0x1050,
            revision: 1,
            class: 0,
            subsystem_vendor: 0,
            subsystem: 0,
        });
        config.add_memory_bar(0, 0x1000);
        Arc::new(Mutex::new(Self { config, base: None }))
    }
}

impl PciFunction for Probe {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }
    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }
    fn read_config(&mut self, offset: usize, data: &mut [u8]) {
        self.config.read(offset, data);
    }
    fn write_config(&mut self, offset: usize, data: &[u8]) {
        self.config.write(offset, data);
    }
    fn read_bar(&mut self, _bar: usize, offset: u64, data: &mut [u8]) {
        data[0] = offset as u8;
    }
    fn write_bar(&mut self, _bar: usize, _offset: u64, _data: &[u8]) {}
    fn bar_moved(&mut self, _bar: usize, base: Option<u64>) {
        self.base = base;
    }
    fn reset(&mut self) {
        self.config.reset();
    }
}

pub(crate) const WINDOW: Range<u64> = 0xc000_0000..0xc001_0000;

fn read32(device: &dyn BusDevice, offset: u64) -> u32 {
    let mut data = [0; 4];
    device.read(offset, &mut data);
    u32::from_le_bytes(data)
}

#[test]
fn both_mechanisms_see_the_same_functions() {
    let root = RootComplex::new(Arc::new(Bus::new()), WINDOW);
    let address = root.attach(None, Probe::new()).unwrap();
    assert_eq!(address.to_string(), "0000:00:01.0");
    let ecam = Ecam::new(Arc::clone(&root));
    let ports = ConfigPorts::new(root);
    assert_eq!(read32(&ecam, 0), 0x0008_1b36);
    assert_eq!(read32(&ecam, 1 << 15), 0x1050_1af4);
    assert_eq!(read32(&ecam, (1 << 15) + 0x100), 0, "no extended capabilities");
    assert_eq!(read32(&ecam, 2 << 15), u32::MAX, "an empty slot reads as all ones");
    ports.write(0, &(ADDRESS_ENABLE | 1 << 11).to_le_bytes());
    assert_eq!(read32(&ports, 4), 0x1050_1af4);
    let mut upper = [0; 2];
    ports.read(6, &mut upper);
    assert_eq!(u16::from_le_bytes(upper), 0x1050);
    ports.write(0, &(ADDRESS_ENABLE | 1 << 16).to_le_bytes());
    assert_eq!(read32(&ports, 4), u32::MAX, "another bus is empty");
    ports.write(1, &[6]);
    ports.write(0, &0u32.to_le_bytes());
    assert_eq!(read32(&ports, 4), u32::MAX, "a disabled address points nowhere");
}

#[test]
fn bars_are_assigned_moved_and_never_leave_the_window() {
    let bus = Arc::new(Bus::new());
    let root = RootComplex::new(Arc::clone(&bus), WINDOW);
    let (first, second) = (Probe::new(), Probe::new());
    root.attach(Some(PciAddress::new(0, 0, 5, 0).unwrap()), first.clone()).unwrap();
    root.attach(None, second.clone()).unwrap();
    let ecam = Ecam::new(Arc::clone(&root));
    assert_eq!(first.lock().unwrap().base, Some(0xc000_0000));
    assert_eq!(second.lock().unwrap().base, Some(0xc000_1000));
    let bar = (5 << 15) + 0x10;
    let mut data = [0; 1];
    ecam.write(bar, &0xc000_8000u32.to_le_bytes());
    assert_eq!(first.lock().unwrap().base, Some(0xc000_8000));
    assert!(!bus.read(0xc000_0000, &mut data));
    assert!(bus.read(0xc000_8007, &mut data));
    assert_eq!(data, [7]);
    for refused in [0u32, 0xc000_1000, 0xc001_0000, 0xfee0_0000, 0xffff_ffff] {
        ecam.write(bar, &refused.to_le_bytes());
        assert_eq!(first.lock().unwrap().base, None, "BAR at {refused:#x}");
    }
    assert_eq!(second.lock().unwrap().base, Some(0xc000_1000), "the other device stays where it is");
    ecam.write(bar, &0xc000_0000u32.to_le_bytes());
    ecam.write((5 << 15) + 4, &[0, 0]);
    assert_eq!(first.lock().unwrap().base, None, "memory decoding is off");
    ecam.write((5 << 15) + 4, &[2, 0]);
    assert_eq!(first.lock().unwrap().base, Some(0xc000_0000));
    ecam.write(bar, &0xc000_8000u32.to_le_bytes());
    ecam.write((6 << 15) + 0x10, &0xc000_0000u32.to_le_bytes());
    root.reset();
    assert_eq!(first.lock().unwrap().base, Some(0xc000_0000), "a reset puts BARs back");
}

#[test]
fn slots_are_found_or_refused() {
    let root = RootComplex::new(Arc::new(Bus::new()), 0xc000_0000..0xc100_0000);
    let fixed = PciAddress::new(0, 0, 1, 0).unwrap();
    root.attach(Some(fixed), Probe::new()).unwrap();
    assert_eq!(root.attach(Some(fixed), Probe::new()), Err(PciError::Taken(fixed)));
    root.attach(Some(PciAddress::new(0, 0, 1, 3).unwrap()), Probe::new()).unwrap();
    let ecam = Ecam::new(Arc::clone(&root));
    assert_eq!(read32(&ecam, (1 << 15) + 0xc) >> 16 & 0x80, 0x80, "the slot says that it has more functions");
    for slot in 2..32 {
        assert_eq!(root.attach(None, Probe::new()).unwrap().slot(), slot);
    }
    assert_eq!(root.attach(None, Probe::new()), Err(PciError::Full));
    let small = RootComplex::new(Arc::new(Bus::new()), 0xc000_0000..0xc000_0800);
    let refused = small.attach(None, Probe::new()).unwrap_err();
    assert_eq!(refused.to_string(), "PCI memory window has no 0x1000 bytes left for a BAR of 0000:00:01.0");
    assert!(PciAddress::new(0, 1, 0, 0).is_err() && PciAddress::new(0, 0, 32, 0).is_err());
}

#[test]
fn a_function_that_is_taken_off_leaves_its_slot_and_its_addresses_to_the_next() {
    let bus = Arc::new(Bus::new());
    let root = RootComplex::new(Arc::clone(&bus), WINDOW);
    let (first, second, third) = (Probe::new(), Probe::new(), Probe::new());
    let address = root.attach(None, first.clone()).unwrap();
    root.attach(None, second.clone()).unwrap();
    assert_eq!(root.detach(PciAddress::HOST_BRIDGE).map(drop), None, "the host bridge stays");
    drop(root.detach(address).unwrap());
    assert_eq!((root.detach(address).map(drop), first.lock().unwrap().base), (None, None));
    assert_eq!(Arc::strong_count(&first), 1, "nobody holds it any more");
    let ecam = Ecam::new(Arc::clone(&root));
    assert_eq!(read32(&ecam, 1 << 15), u32::MAX);
    assert!(!bus.read(0xc000_0000, &mut [0]));
    // The guest moves the second one to where the first one was; both places of it are taken now.
    ecam.write((2 << 15) + 0x10, &0xc000_0000u32.to_le_bytes());
    assert_eq!(second.lock().unwrap().base, Some(0xc000_0000));
    assert_eq!(root.attach(None, third.clone()), Ok(address));
    assert_eq!(third.lock().unwrap().base, Some(0xc000_2000));
    root.reset();
    assert_eq!(second.lock().unwrap().base, Some(0xc000_1000));
    for _ in 0..1000 {
        root.detach(address).unwrap();
        root.attach(None, third.clone()).unwrap();
    }
    assert_eq!(third.lock().unwrap().base, Some(0xc000_0000));
}
