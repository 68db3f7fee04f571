use std::fs::File;
use std::sync::Arc;

use proptest::prelude::*;
use vm_memory::{Bytes, GuestAddress};

use super::*;
use crate::config::{
    BalloonConfig, BootConfig, ClockConfig, ConsoleConfig, ConsoleEnd, ConsolePort, CpuConfig, DeviceConfig,
    DeviceKind, FdIndex, LifecycleAction, MemoryConfig, RngConfig, SandboxConfig, SerialConfig, SmbiosConfig,
};
use crate::console::Console;
use crate::machine::{Consoles, FdTable, Machine, Parts, Signals};
use crate::memory::{self, Memory};
use crate::sandbox::ThreadFilter;

const MIB: u64 = 1 << 20;

fn memory(bytes: u64) -> Memory {
    memory::allocate(&MemoryConfig {
        bytes,
        mergeable: false,
        hugepages: None,
        locked: false,
        numa: None,
        shared: false,
        cells: Vec::new(),
    })
    .unwrap()
}

/// Memory with something in the first, the last and one odd page.
fn filled() -> Memory {
    let memory = memory(16 * MIB);
    memory.write_slice(b"first", GuestAddress(0)).unwrap();
    memory.write_slice(&[7; 3 * PAGE], GuestAddress(5 * MIB - PAGE as u64)).unwrap();
    memory.write_slice(b"last", GuestAddress(16 * MIB - 4)).unwrap();
    memory
}

fn written(memory: &Memory) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_memory(memory, &mut bytes, &Progress::default()).unwrap();
    bytes
}

fn contents(memory: &Memory) -> Vec<u8> {
    let mut bytes = vec![0; 16 * MIB as usize];
    memory.read_slice(&mut bytes, GuestAddress(0)).unwrap();
    bytes
}

#[test]
fn memory_comes_back_and_zero_pages_cost_nothing() {
    let (from, to) = (filled(), memory(16 * MIB));
    let mut bytes = Vec::new();
    let progress = Progress::default();
    write_memory(&from, &mut bytes, &progress).unwrap();
    assert_eq!((progress.done(), progress.data()), (16 * MIB, 5 * PAGE as u64));
    assert!(bytes.len() < 6 * PAGE, "{} bytes", bytes.len());
    bytes.extend(b"what follows");
    let mut rest = bytes.as_slice();
    read_memory(&to, &mut rest, &Progress::default()).unwrap();
    assert_eq!(rest, b"what follows");
    assert!(contents(&from) == contents(&to));
}

#[test]
fn a_transfer_ends_when_it_is_cancelled() {
    let progress = Progress::default();
    progress.cancel();
    let error = write_memory(&filled(), &mut Vec::new(), &progress).unwrap_err();
    assert!(matches!(error, StateError::Cancelled), "{error}");
    assert!(progress.done() <= MIB);
}

#[test]
fn pages_go_to_guest_memory_only_and_in_order() {
    let bytes = written(&filled());
    let small = memory(4 * MIB);
    let error = read_memory(&small, &mut bytes.as_slice(), &Progress::default()).unwrap_err();
    assert!(matches!(error, StateError::Pages { .. }), "{error}");
    let first = section::HEADER + 8 + PAGE;
    let twice = [&bytes[..first], &bytes[..first]].concat();
    let error = read_memory(&memory(16 * MIB), &mut twice.as_slice(), &Progress::default()).unwrap_err();
    assert!(matches!(error, StateError::Pages { address: 0, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_memory_is_refused(at in 0usize..usize::MAX, bit in 0u8..8) {
        let mut bytes = written(&filled());
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(read_memory(&memory(16 * MIB), &mut bytes.as_slice(), &Progress::default()).is_err());
        bytes[at] ^= 1 << bit;
        prop_assert!(read_memory(&memory(16 * MIB), &mut &bytes[..at], &Progress::default()).is_err());
    }
}

/// A kernel that is never run: an ELF of one page.
fn kernel() -> File {
    use std::io::{Seek, Write};
    let mut elf = vec![0; 0x1000];
    elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    elf[16..20].copy_from_slice(&[2, 0, 62, 0]);
    elf[20] = 1;
    elf[24..32].copy_from_slice(&0x20_0000u64.to_le_bytes());
    elf[32] = 64;
    elf[52..58].copy_from_slice(&[64, 0, 56, 0, 1, 0]);
    let program = [(64, 1u64 | 5 << 32), (80, 0x20_0000), (88, 0x20_0000), (96, 0x100), (104, 0x100)];
    program.iter().for_each(|(at, value)| elf[*at..at + 8].copy_from_slice(&value.to_le_bytes()));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&elf).unwrap();
    file.rewind().unwrap();
    file
}

fn config() -> VmConfig {
    let device =
        |alias: &str, kind| DeviceConfig { alias: alias.to_owned(), slot: None, event_idx: true, kind };
    let port = |alias: &str, name: Option<&str>| ConsolePort {
        alias: alias.to_owned(),
        name: name.map(str::to_owned),
        log: None,
        end: ConsoleEnd::Nobody,
    };
    let console = ConsoleConfig { ports: vec![port("console0", None), port("a0", Some("agent"))] };
    let rng = RngConfig { fd: FdIndex(2), rate: None };
    let balloon = BalloonConfig {
        target: 16 * MIB,
        stats: true,
        stats_period: None,
        deflate_on_oom: true,
        reporting: true,
    };
    VmConfig {
        name: "saved".to_owned(),
        kvm: FdIndex(0),
        memory: MemoryConfig {
            bytes: 16 * MIB,
            mergeable: false,
            hugepages: None,
            locked: false,
            numa: None,
            shared: false,
            cells: Vec::new(),
        },
        vcpus: 2,
        max_vcpus: None,
        cpu: CpuConfig::default(),
        clock: ClockConfig::default(),
        vcpu_pinning: Vec::new(),
        emulator_pinning: Vec::new(),
        iothreads: Vec::new(),
        boot: BootConfig { kernel: FdIndex(1), initrd: None, cmdline: String::new() },
        smbios: SmbiosConfig::default(),
        serials: vec![SerialConfig { alias: "serial0".to_owned(), log: None, end: ConsoleEnd::Nobody }],
        devices: vec![
            device("console", DeviceKind::Console(console)),
            device("rng0", DeviceKind::Rng(rng)),
            device("balloon0", DeviceKind::Balloon(balloon)),
        ],
        suspend_to_mem: true,
        suspend_to_disk: true,
        on_poweroff: LifecycleAction::default(),
        on_reboot: LifecycleAction::default(),
        on_crash: LifecycleAction::default(),
        start_paused: true,
        sandbox: SandboxConfig::default(),
    }
}

fn machine(config: &VmConfig, state: Option<&MachineState>) -> Result<Machine, crate::machine::MachineError> {
    let kvm = File::options().read(true).write(true).open("/dev/kvm").unwrap();
    let zero = File::open("/dev/zero").unwrap();
    let fds = FdTable::new(vec![kvm.into(), kernel().into(), zero.into()]);
    let consoles: Consoles = ["serial0", "console0", "a0"]
        .map(|alias| (alias.to_owned(), Console::new(alias, None, Box::new(|| {}))))
        .into();
    let signals = Arc::new(Signals::new().unwrap());
    let parts = Parts {
        config,
        fds: &fds,
        consoles: &consoles,
        signals,
        vcpu_filter: ThreadFilter::none(),
        iothread_filter: ThreadFilter::none(),
    };
    match state {
        Some(state) => Machine::restore(parts, state),
        None => Machine::build(parts),
    }
}

fn saved() -> (VmConfig, MachineState) {
    let mut config = config();
    let state = machine(&config, None).unwrap().save().unwrap();
    state.settle_slots(&mut config);
    (config, state)
}

/// What the bytes of a state say, without the clock, which goes on.
fn timeless(state: &MachineState) -> Vec<u8> {
    let mut state = state.clone();
    state.clock = 0;
    state.board.power.timer_ns = 0;
    state.board.rtc.as_mut().unwrap().time = None;
    serde_json::to_vec(&(state.shape, &state.board, &state.devices)).unwrap()
}

#[test]
fn a_machine_goes_on_from_its_bytes() {
    let (config, state) = saved();
    let bytes = state.to_bytes().unwrap();
    assert!(bytes.len() < 256 << 10, "{} bytes", bytes.len());
    let read = MachineState::from_bytes(&bytes).unwrap();
    assert_eq!(read.to_bytes().unwrap(), bytes);
    let again = machine(&config, Some(&read)).unwrap().save().unwrap();
    assert_eq!(timeless(&again), timeless(&state));
    assert!(again.clock >= state.clock && again.clock - state.clock < 60_000_000_000, "the clock goes on");
}

#[test]
fn state_of_another_machine_is_refused() {
    let (config, state) = saved();
    let refused = |change: &dyn Fn(&mut VmConfig)| {
        let mut other = config.clone();
        change(&mut other);
        machine(&other, Some(&state)).err().expect("it does not fit").to_string()
    };
    assert!(refused(&|config| config.clock.rtc = None).contains("real-time clock"));
    assert!(refused(&|config| config.clock.pit = None).contains("interval timer"));
    assert!(refused(&|config| config.memory.bytes = 32 * MIB).contains("bytes of memory"));
    assert!(refused(&|config| config.vcpus = 1).contains("2 vCPUs"));
    assert!(refused(&|config| config.serials.clear()).contains("serial ports"));
    assert!(refused(&|config| drop(config.devices.pop())).contains("'balloon0'"));
    assert!(refused(&|config| config.devices[0].slot = Some(9)).contains("slot 9"));
    assert!(refused(&|config| config.devices[0].kind = config.devices[1].kind.clone()).contains("console"));
    let mut renamed = state.clone();
    renamed.devices[0].alias = "balloon0".to_owned();
    assert!(matches!(renamed.check(&config), Err(StateError::Device(_) | StateError::Slot { .. })));
}

#[test]
fn registers_that_are_none_are_refused() {
    let (config, state) = saved();
    let mut vcpu = serde_json::to_value(&state.vcpus[0]).unwrap();
    vcpu["msrs"] = serde_json::json!([[0xdead_beef_u32, 1]]);
    let mut hostile = state.clone();
    let vcpu = || serde_json::from_value(vcpu.clone()).unwrap();
    hostile.vcpus = Arc::new(vec![vcpu(), vcpu()]);
    let error = machine(&config, Some(&hostile)).err().expect("no host has that register");
    assert!(error.to_string().contains("0xdeadbeef"), "{error}");
}

#[test]
fn sections_that_are_damaged_cut_or_unknown_are_refused() {
    let (_, state) = saved();
    let bytes = state.to_bytes().unwrap();
    for at in (0..bytes.len()).step_by(101).chain(0..section::HEADER) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(MachineState::from_bytes(&damaged).is_err(), "byte {at}");
        assert!(MachineState::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    }
    let trailing = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(MachineState::from_bytes(&trailing), Err(StateError::Trailing)));
    let start = |kind: u32, version: u16, length: u64| {
        let mut header = [0; section::HEADER];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[4..6].copy_from_slice(&version.to_le_bytes());
        header[8..16].copy_from_slice(&length.to_le_bytes());
        let own = crc32fast::hash(&header[..20]);
        header[20..].copy_from_slice(&own.to_le_bytes());
        MachineState::from_bytes(&header).err().expect("it is no state")
    };
    assert!(matches!(start(99, 1, 0), StateError::Unknown(99)));
    assert!(matches!(start(1, 2, 0), StateError::Version { kind: 1, version: 2 }));
    assert!(matches!(start(1, 1, u64::MAX), StateError::Length { kind: 1, .. }));
    assert!(matches!(start(2, 1, 0), StateError::Order { expected: 1, found: 2 }));
}

/// What version 1 wrote, by a guest with two vCPUs of one host. With `REEVE_WRITE_FIXTURE` set it is written anew, which is for the
/// beginning of a version only.
#[test]
fn state_of_version_1_is_still_read() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state-1");
    if std::env::var_os("REEVE_WRITE_FIXTURE").is_some() {
        std::fs::write(&path, saved().1.to_bytes().unwrap()).unwrap();
    }
    let state = MachineState::from_bytes(&std::fs::read(path).unwrap()).unwrap();
    let mut config = config();
    state.settle_slots(&mut config);
    state.check(&config).unwrap();
    assert_eq!((state.vcpus.len(), state.devices.len(), state.shape.memory), (2, 3, 16 * MIB));
    assert_eq!(state.devices[1].alias, "rng0");
}
