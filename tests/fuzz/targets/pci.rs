//! Configuration space, BARs, MSI-X tables and the registers of the watchdog and the panic device under any sequence of accesses: no panic; BARs
//! never leave their window; a reset puts everything back where it was at power-on; what is saved of the watchdog can be loaded.
#![no_main]

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use reeve_fuzz::machine::{Lines, NoDoorbells, memory};
use reeve_vmm::bus::{Bus, BusDevice};
use reeve_vmm::pci::{
    ConfigPorts, Ecam, Ejected, HotplugController, PanicFunction, RootComplex, Watchdog, WatchdogFunction,
    hotplug,
};
use reeve_vmm::virtio::PciTransport;
use reeve_vmm::virtio::rng::Rng;

const WINDOW: Range<u64> = 0xc000_0000..0xc002_0000;
/// Two of virtio, the watchdog and the panic device, in the slots from 1 on.
const FUNCTIONS: u64 = 4;
const FUNCTION: u64 = 1 << 15;
/// Slots and the registers of their BARs.
const BARS: [(u64, u64); 6] = [(1, 0x10), (1, 0x14), (2, 0x10), (2, 0x14), (3, 0x10), (4, 0x10)];

#[derive(Debug, Arbitrary)]
struct Access {
    place: Place,
    size: u8,
    /// None reads.
    value: Option<u64>,
}

#[derive(Debug, Arbitrary)]
enum Place {
    /// The eight configuration ports.
    Port(u8),
    /// Configuration space of one of the first eight slots.
    Config(u8, u8),
    /// Anywhere in ECAM.
    Ecam(u32),
    /// Where BARs may be.
    Window(u32),
    /// A register of the watchdog, where its BAR was at power-on.
    Watchdog(u8),
    /// What the watchdog wants to hear before it takes a value.
    Unlock,
    /// The machine's timer says that the watchdog's has expired.
    Expired,
    Halt,
    GoOn,
    /// Registers of the hot-plug controller.
    Hotplug(u8),
    /// The host asks for one of the functions.
    Request(u8),
    Reset,
}

fuzz_target!(|accesses: Vec<Access>| {
    let bus = Arc::new(Bus::new());
    let root = RootComplex::new(Arc::clone(&bus), WINDOW);
    for _ in 0..FUNCTIONS {
        let device = Rng::new(File::open("/dev/urandom").expect("the host has entropy"), None);
        let transport =
            PciTransport::new(Box::new(device), memory(), &Lines::default(), Arc::new(NoDoorbells));
        let transport = transport.expect("counting lines are never refused");
        root.attach(None, Arc::new(Mutex::new(transport))).expect("the window has room");
    }
    let watchdog = Watchdog::new().expect("the host has a timer");
    let function = Arc::new(Mutex::new(WatchdogFunction::new(Arc::clone(&watchdog))));
    root.attach(None, Arc::clone(&function) as _).expect("the window has room");
    let panic = PanicFunction::new(Box::new(|_| {}));
    root.attach(None, Arc::new(Mutex::new(panic))).expect("the window has room");
    watchdog.go_on();
    let gone: Arc<Mutex<Vec<Ejected>>> = Arc::default();
    let heard = Arc::clone(&gone);
    let eject = move |ejected| heard.lock().expect("no thread panicked").push(ejected);
    let controller = HotplugController::new(Arc::clone(&root), || {}, eject);
    let ecam = Ecam::new(Arc::clone(&root));
    let ports = ConfigPorts::new(Arc::clone(&root));
    let at_power_on = bars(&ecam);
    for Access { place, size, value } in &accesses {
        let size = 1usize << (size % 4);
        // A vCPU's access never passes the end of the range it is for; the bus refuses those that do.
        let within = |offset: u64, length: u64| offset.min(length - size as u64);
        match *place {
            Place::Port(port) => access(&ports, within(u64::from(port % 8), 8), size.min(4), *value),
            Place::Config(slot, register) => {
                access(&ecam, u64::from(slot % 8) * FUNCTION + u64::from(register), size, *value);
            }
            Place::Ecam(offset) => access(&ecam, within(u64::from(offset), 1 << 20), size, *value),
            Place::Window(offset) => {
                let address = WINDOW.start + u64::from(offset) % (WINDOW.end - WINDOW.start);
                on_bus(&bus, address, size, *value);
            }
            Place::Watchdog(register) => {
                on_bus(&bus, u64::from(at_power_on[4]) + u64::from(register % 16), size, *value);
            }
            Place::Unlock => {
                for value in [0x80, 0x86] {
                    on_bus(&bus, u64::from(at_power_on[4]) + 12, 2, Some(value));
                }
            }
            Place::Expired => drop(watchdog.expired()),
            Place::Halt => watchdog.halt(),
            Place::GoOn => watchdog.go_on(),
            Place::Hotplug(register) => {
                access(&*controller, within(u64::from(register) % hotplug::LEN, hotplug::LEN), size, *value);
            }
            Place::Request(slot) => controller.request(1 + slot % FUNCTIONS as u8),
            Place::Reset => root.reset(),
        }
        for outside in [0, 0x1000, WINDOW.start - 1, WINDOW.end, 0xfee0_0000, u64::MAX] {
            assert!(!bus.read(outside, &mut [0]), "a BAR answers at {outside:#x}");
        }
    }
    watchdog.halt();
    let saved = function.lock().expect("no thread panicked").state();
    let mut again = WatchdogFunction::new(Watchdog::new().expect("the host has a timer"));
    again.restore(&saved).expect("what is saved can be loaded");
    assert_eq!(again.state().timer, saved.timer);
    root.reset();
    let gone = gone.lock().expect("no thread panicked");
    for Ejected { slot, .. } in gone.iter() {
        assert!(
            (1..=FUNCTIONS).contains(&u64::from(*slot)) && !root.has_slot(*slot),
            "slot {slot} is not empty"
        );
    }
    if gone.is_empty() {
        assert_eq!(bars(&ecam), at_power_on);
        for bar in at_power_on {
            assert!(bus.read(u64::from(bar), &mut [0; 4]), "nothing answers at {bar:#x} after a reset");
        }
    }
    bus.clear();
});

fn access(device: &dyn BusDevice, offset: u64, size: usize, value: Option<u64>) {
    match value {
        Some(value) => device.write(offset, &value.to_le_bytes()[..size]),
        None => device.read(offset, &mut [0; 8][..size]),
    }
}

fn on_bus(bus: &Bus, address: u64, size: usize, value: Option<u64>) {
    match value {
        Some(value) => drop(bus.write(address, &value.to_le_bytes()[..size])),
        None => drop(bus.read(address, &mut [0; 8][..size])),
    }
}

/// Where the BARs of all functions are, by their registers.
fn bars(ecam: &Ecam) -> Vec<u32> {
    let registers = BARS.map(|(slot, bar)| slot * FUNCTION + bar);
    let read = |register| {
        let mut bytes = [0; 4];
        ecam.read(register, &mut bytes);
        u32::from_le_bytes(bytes) & !0xf
    };
    registers.into_iter().map(read).collect()
}
