//! What is on the board besides PCI: serial port, clock, power management, keyboard controller, reset port, vCPUs that come and go. Any sequence of
//! accesses and of what happens on the host, after saved state that anybody wrote. No panic; a vCPU leaves when the host asked for it only, and the first
//! never; the guest gets no sleep that it may not have; what is saved can be loaded.
#![no_main]

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use reeve_fuzz::kvm;
use reeve_vmm::bus::{Bus, BusDevice};
use reeve_vmm::config::{ClockConfig, MissedTicks, RtcConfig};
use reeve_vmm::console::Console;
use reeve_vmm::hypervisor::Vm;
use reeve_vmm::legacy::{
    Chassis, CpuHotplug, CpuHotplugState, CpuMask, Keyboard, PciPorts, PowerManagement, PowerState, Rtc,
    RtcState, RtcTime, SerialPort, SerialState, SleepStates, cpus,
};
use reeve_vmm::pci::{ConfigPorts, RootComplex};

static VM: LazyLock<Vm> = LazyLock::new(kvm::vm);

/// vCPUs at power-on, and most of them.
const CPUS: u32 = 4;
const MOST: u32 = 70;
/// Bytes of CMOS memory.
const CMOS: usize = 128;

#[derive(Debug, Arbitrary)]
struct Board {
    clock: Clock,
    may_suspend: bool,
    saved: Option<Saved>,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
struct Clock {
    adjustment: i32,
    kept: bool,
    follows_guest: bool,
    missed: Missed,
}

#[derive(Debug, Arbitrary)]
enum Missed {
    Merge,
    Delay,
    Discard,
    CatchUp(u32, u16, u32),
}

/// State of a save image.
#[derive(Debug, Arbitrary)]
struct Saved {
    index: u8,
    memory: Vec<u8>,
    time: Option<(i64, i64, i64, [u8; 3], Option<[u8; 7]>)>,
    serial: ([u8; 2], [u8; 7], Vec<u8>),
    power: ([u16; 3], [u8; 2], u64),
    cpus: [[u32; cpus::WORDS]; 4],
}

#[derive(Debug, Arbitrary)]
enum Step {
    Access(Place, u8, Option<u32>),
    /// The clock's index register, and then its data.
    Clock(u8, Option<u8>),
    /// One of the registers of vCPUs.
    Cpus(u8, Option<u32>),
    /// So many vCPUs are to leave.
    Request(u8),
    /// A vCPU has come.
    Announce(u8),
    Input(Vec<u8>),
    Button,
    Ring(u8),
    Expired,
    Halt,
    GoOn,
    Reset,
}

#[derive(Debug, Arbitrary)]
enum Place {
    Serial(u8),
    Power(u8),
    Keyboard(u8),
    Ports(u8),
    Clock(u8),
    Cpus(u8),
}

/// What the guest asked its machine for.
#[derive(Default)]
struct Asked {
    sleeps: AtomicU32,
    others: AtomicU32,
}

impl Chassis for Asked {
    fn power_off(&self) {
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    fn suspend(&self) {
        self.sleeps.fetch_add(1, Ordering::Relaxed);
    }

    fn hibernate(&self) {
        panic!("nobody may hibernate");
    }

    fn wake(&self) {
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    fn reset(&self) {
        self.others.fetch_add(1, Ordering::Relaxed);
    }
}

struct Devices {
    serial: Arc<SerialPort>,
    console: Arc<Console>,
    client: UnixStream,
    power: Arc<PowerManagement>,
    keyboard: Keyboard,
    ports: PciPorts,
    rtc: Arc<Rtc>,
    cpus: Arc<CpuHotplug>,
}

impl Devices {
    fn new(clock: &Clock, may_suspend: bool, asked: &Arc<Asked>, left: &Arc<Mutex<Vec<u32>>>) -> Self {
        let (client, session) = UnixStream::pair().expect("a socket pair");
        client.set_nonblocking(true).expect("a socket can be made so");
        session.set_nonblocking(true).expect("a socket can be made so");
        let console = Console::new("serial", None, Box::new(|| {}));
        console.open(session);
        let chassis: Arc<dyn Chassis> = Arc::clone(asked) as _;
        let states = SleepStates { mem: may_suspend, disk: false };
        let power = PowerManagement::new(Arc::clone(&chassis), VM.pin(9), states);
        let missed = match clock.missed {
            Missed::Merge => MissedTicks::Merge,
            Missed::Delay => MissedTicks::Delay,
            Missed::Discard => MissedTicks::Discard,
            Missed::CatchUp(threshold, slew, limit) => {
                MissedTicks::CatchUp { threshold, slew: 101 + u32::from(slew), limit }
            }
        };
        let config = ClockConfig {
            adjustment: clock.adjustment.into(),
            kept: clock.kept,
            rtc: Some(RtcConfig { follows_guest: clock.follows_guest, missed }),
            ..ClockConfig::default()
        };
        let alarmed = Arc::clone(&power);
        let rtc =
            Rtc::new(&config, Box::new(|_| {}), Box::new(|_| {}), Box::new(move || alarmed.rtc_alarm()));
        let gone = Arc::clone(left);
        let cpus =
            CpuHotplug::new(CPUS, || {}, move |number| gone.lock().expect("no thread panicked").push(number));
        let root = RootComplex::new(Arc::new(Bus::new()), 0xc000_0000..0xc002_0000);
        Self {
            serial: SerialPort::new(Arc::clone(&console), VM.pin(4)),
            console,
            client,
            power,
            keyboard: Keyboard::new(Arc::clone(&chassis)),
            ports: PciPorts::new(Arc::new(ConfigPorts::new(root)), chassis),
            rtc: rtc.expect("the host has a timer").expect("there is a clock"),
            cpus,
        }
    }

    /// Loads state where it is of such devices; says whether it was.
    fn load(&self, saved: &Saved) {
        let mut memory = saved.memory.clone();
        // A length that is right mostly.
        if memory.len() > 8 {
            memory.resize(CMOS, 0xc0);
        }
        let time = saved.time.map(|(shown_ms, ahead_ms, zone, status, stopped)| RtcTime {
            shown_ms,
            ahead_ms,
            zone,
            status,
            stopped,
        });
        self.rtc.restore(&RtcState { index: saved.index, memory, time });
        let (divisor, registers, fifo) = &saved.serial;
        let [
            interrupt_enable,
            interrupt_identification,
            line_control,
            line_status,
            modem_control,
            modem_status,
            scratch,
        ] = *registers;
        self.serial.restore(&SerialState {
            divisor: *divisor,
            interrupt_enable,
            interrupt_identification,
            line_control,
            line_status,
            modem_control,
            modem_status,
            scratch,
            fifo: fifo.clone(),
        });
        let ([status, enable, control], [events, events_enabled], timer_ns) = saved.power;
        self.power.restore(&PowerState { status, enable, control, events, events_enabled, timer_ns });
        let [present, plugged, leaving, requested] = saved.cpus.map(mask);
        let cpus = CpuHotplugState { present, plugged, leaving, requested };
        if cpus.fits(MOST) {
            self.cpus.restore(&cpus);
        }
    }

    fn access(&self, place: &Place, size: u8, value: Option<u32>) {
        let size = 1 << (size % 3);
        let (device, offset, length): (&dyn BusDevice, u8, u64) = match *place {
            Place::Serial(offset) => (&*self.serial, offset, 8),
            Place::Power(offset) => (&*self.power, offset, 14),
            Place::Keyboard(offset) => (&self.keyboard, offset, 5),
            Place::Ports(offset) => (&self.ports, offset, 8),
            Place::Clock(offset) => (&*self.rtc, offset, 2),
            Place::Cpus(offset) => (&*self.cpus, offset, cpus::LEN),
        };
        // A vCPU's access never passes the end of the range it is for; the bus refuses those that do.
        let size = size.min(length as usize);
        let offset = (u64::from(offset) % length).min(length - size as u64);
        match value {
            Some(value) => device.write(offset, &value.to_le_bytes()[..size]),
            None => device.read(offset, &mut [0; 4][..size]),
        }
    }
}

fn mask(words: [u32; cpus::WORDS]) -> CpuMask {
    serde_json::from_value(serde_json::json!(words)).expect("a mask is its words")
}

fuzz_target!(|board: Board| {
    use std::io::{Read, Write};
    let (asked, left) = (Arc::<Asked>::default(), Arc::<Mutex<Vec<u32>>>::default());
    let mut devices = Devices::new(&board.clock, board.may_suspend, &asked, &left);
    if let Some(saved) = &board.saved {
        devices.load(saved);
    }
    devices.rtc.go_on();
    for step in &board.steps {
        let requested = devices.cpus.state().requested;
        match step {
            Step::Access(place, size, value) => devices.access(place, *size, *value),
            Step::Clock(index, value) => {
                devices.rtc.write(0, &[*index]);
                match value {
                    Some(value) => devices.rtc.write(1, &[*value]),
                    None => devices.rtc.read(1, &mut [0]),
                }
            }
            Step::Cpus(word, value) => {
                let place = Place::Cpus(word % 32 * 4);
                devices.access(&place, 2, *value);
            }
            Step::Request(count) => devices.cpus.request((*count).into()),
            Step::Announce(number) => devices.cpus.announce(1 + u32::from(*number) % (MOST - 1)),
            Step::Input(bytes) => {
                // A socket takes some of it, or is full.
                let _ = devices.client.write(bytes);
                devices.console.ready();
                let _ = devices.client.read(&mut [0; 4096]);
            }
            Step::Button => devices.power.press_power_button(),
            Step::Ring(event) => devices.power.ring(event % 8),
            Step::Expired => devices.rtc.expired(),
            Step::Halt => devices.rtc.halt(),
            Step::GoOn => devices.rtc.go_on(),
            Step::Reset => {
                devices.serial.reset();
                devices.power.reset();
                devices.rtc.reset();
                devices.cpus.reset();
            }
        }
        let gone = std::mem::take(&mut *left.lock().expect("no thread panicked"));
        for number in gone {
            assert!(number > 0 && requested.contains(number), "vCPU {number} left and was not asked for");
        }
        assert!(devices.cpus.state().fits(MOST), "{:?}", devices.cpus.state());
    }
    assert!(board.may_suspend || asked.sleeps.load(Ordering::Relaxed) == 0);
    devices.rtc.halt();
    let (serial, power, rtc) = (devices.serial.state(), devices.power.state(), devices.rtc.state());
    assert!(devices.serial.restore(&serial) && devices.rtc.restore(&rtc));
    devices.power.restore(&power);
    let again = devices.power.state();
    assert_eq!(PowerState { timer_ns: power.timer_ns, ..again }, power);
});
