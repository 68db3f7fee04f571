//! From a domain's configuration to a worker's: pure, with every reason why it can't be.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use reeve_image::Format;
use reeve_model::CpuSet;
use reeve_model::domain::{DomainConfig, LifecycleAction, NumaCell, NumaTune};
use reeve_model::storage::SecretReference;
use reeve_sys::open::ImageAccess;
use reeve_vmm::config::{self as vm, FdIndex, VmConfig};

use super::filesystems::Share;
use super::{clock, cpu, devices, smbios};
use crate::driver::Refusal;
use crate::names;

const MIB: u64 = 1 << 20;
const DEFAULT_HUGE_PAGE: u64 = 2 * MIB;

/// Something the worker gets as a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// /dev/kvm.
    Kvm,
    /// A file for reading.
    Read { what: String, path: PathBuf },
    /// A disk image or block device, with what is below it.
    Image { what: String, path: PathBuf, access: ImageAccess, format: Format },
    /// What a drive without a medium has: a file without a byte.
    Empty,
    /// The key of an encrypted image among the sources.
    Key { what: String, path: PathBuf, image: FdIndex, secret: SecretReference },
    /// A character device for reading.
    Random { path: PathBuf },
    /// A file to append to.
    Log { what: String, path: PathBuf },
    /// A pipe with a name, for output that may be lost.
    Pipe { what: String, path: PathBuf },
    /// A socket that listens at a path.
    SocketListener { what: String, path: PathBuf },
    /// A socket that is connected to who serves a directory.
    Share(Box<Share>),
    /// A socket that is connected to the one at a path.
    SocketPeer { what: String, path: PathBuf },
    /// A TCP socket that listens.
    TcpListener { what: String, address: SocketAddr },
    /// A TCP socket that is connected.
    TcpPeer { what: String, address: SocketAddr },
    /// A tap device, up or down, with one queue or several.
    Tap { name: String, bridge: Option<String>, up: bool, multi_queue: bool },
    /// One more queue of a tap or macvtap among the sources.
    TapQueue { first: FdIndex },
    /// A tap that somebody made for it, up or down.
    PreparedTap { name: String, up: bool },
    /// A macvtap that somebody made for it.
    Macvtap { name: String },
    /// A socket that gets what is sent to a multicast group.
    MulticastReceiver { group: SocketAddrV4 },
    /// A socket that sends to a multicast group.
    MulticastSender { group: SocketAddrV4 },
    /// A socket that waits for the clients of a tunnel.
    TunnelServer { address: SocketAddr },
    /// A socket that is connected to the server of a tunnel.
    TunnelClient { address: SocketAddr },
}

/// The descriptors of a configuration, in the order of their indexes.
#[derive(Debug, Default)]
pub(super) struct Sources(pub Vec<Source>);

impl Sources {
    /// Adds one and gives its index.
    pub fn add(&mut self, source: Source) -> FdIndex {
        self.0.push(source);
        FdIndex(self.0.len() as u32 - 1)
    }
}

/// What to launch.
#[derive(Debug)]
pub(super) struct Plan {
    pub vm: VmConfig,
    pub sources: Sources,
    /// Bytes it may lock in RAM.
    pub locked: Option<u64>,
    /// The partition that its group is in, where an operator made one for it.
    pub partition: Option<String>,
}

impl Plan {
    /// The plan for a domain, or every reason why the driver will not run it.
    pub fn new(config: &DomainConfig, sandbox: &vm::SandboxConfig) -> Result<Self, Vec<Refusal>> {
        let mut config = config.clone();
        names::assign(&mut config);
        let config = &config;
        let mut refusals = Vec::new();
        let mut refuse = |sentence: String| refusals.push(Refusal(sentence));
        check_machine(config, &mut refuse);
        let mut sources = Sources::default();
        let kvm = sources.add(Source::Kvm);
        let boot = boot(config, &mut sources, &mut refuse);
        let (serials, devices) = devices::all(config, &mut sources, &mut refuse);
        let vcpus = config.vcpu.at_boot();
        let vm = VmConfig {
            name: config.name.clone(),
            kvm,
            memory: memory(config),
            vcpus,
            max_vcpus: Some(config.vcpu.max),
            cpu: cpu::plan(config.cpu.as_ref(), &config.vcpu, cpu::host(), &mut refuse),
            clock: clock::plan(&config.clock, clock::tsc(), &mut refuse),
            vcpu_pinning: pinning(config),
            emulator_pinning: emulator_pinning(config),
            iothreads: iothreads(config),
            boot,
            smbios: smbios::plan(config, &mut refuse),
            serials,
            devices,
            suspend_to_mem: config.pm.mem(),
            suspend_to_disk: config.pm.disk(),
            on_poweroff: action("on_poweroff", config.on_poweroff, &mut refuse),
            on_reboot: action("on_reboot", config.on_reboot, &mut refuse),
            on_crash: action("on_crash", config.on_crash, &mut refuse),
            start_paused: true,
            sandbox: sandbox.clone(),
        };
        if refusals.is_empty()
            && let Err(error) = vm.validate()
        {
            refusals.push(Refusal(error.to_string()));
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let locked = vm.memory.locked.then_some(vm.memory.bytes);
        let partition = config.resource.own_partition().map(str::to_owned);
        Ok(Self { vm, sources, locked, partition })
    }
}

fn check_machine(config: &DomainConfig, refuse: &mut impl FnMut(String)) {
    let os = &config.os;
    if os.os_type != "hvm" {
        refuse(format!("os type '{}' is not 'hvm'", os.os_type));
    }
    if let Some(arch) = os.arch.as_deref().filter(|arch| *arch != std::env::consts::ARCH) {
        refuse(format!("architecture '{arch}' is not this host's {}", std::env::consts::ARCH));
    }
    for label in config.seclabels.iter().filter(|label| !label.is_none()) {
        let model = label.model.as_deref().unwrap_or("some security driver");
        refuse(format!(
            "it asks for a label of {model}, and there is none to be had: workers are kept apart by users, seccomp and Landlock; write <seclabel type='none'/>, or leave it out"
        ));
    }
    if let Some(loader) = &os.loader {
        refuse(format!("firmware '{loader}' can't be booted: name a <kernel>"));
    } else if os.kernel.is_none() {
        refuse("it names no <kernel>, and there is no firmware to boot from a disk".to_owned());
    }
}

fn boot(config: &DomainConfig, sources: &mut Sources, refuse: &mut impl FnMut(String)) -> vm::BootConfig {
    let mut file = |what: &str, path: &Option<String>| {
        let path = path.as_ref()?;
        if !path.starts_with('/') {
            refuse(format!("{what} '{path}' is not an absolute path"));
        }
        Some(sources.add(Source::Read { what: what.to_owned(), path: path.into() }))
    };
    let kernel = file("kernel", &config.os.kernel).unwrap_or(FdIndex(0));
    let initrd = file("initrd", &config.os.initrd);
    vm::BootConfig { kernel, initrd, cmdline: config.os.cmdline.clone().unwrap_or_default() }
}

/// Rounded up to what a worker can have, as libvirt does.
pub(super) fn memory(config: &DomainConfig) -> vm::MemoryConfig {
    let backing = &config.memory_backing;
    let size = |sizes: &Vec<reeve_model::Bytes>| sizes.first().map_or(DEFAULT_HUGE_PAGE, |size| size.0);
    let hugepages = backing.hugepages.as_ref().map(size);
    let unit = hugepages.unwrap_or(MIB).max(MIB);
    let whole = |bytes: u64| bytes.checked_next_multiple_of(unit).unwrap_or(bytes);
    let cells = cells(config, whole);
    let bytes = match cells.is_empty() {
        true => whole(config.memory.0),
        false => cells.iter().map(|cell| cell.bytes).fold(0, u64::saturating_add),
    };
    vm::MemoryConfig {
        bytes,
        cells,
        mergeable: !backing.nosharepages,
        hugepages,
        locked: backing.locked,
        numa: numa(&config.numatune),
        shared: !config.devices.filesystems.is_empty(),
    }
}

/// NUMA nodes of the guest. A vCPU that is of none by its document is of the first.
fn cells(config: &DomainConfig, whole: impl Fn(u64) -> u64) -> Vec<vm::CellConfig> {
    let Some(cpu) = &config.cpu else { return Vec::new() };
    let distance = |from: u32, to: u32| u8::try_from(cpu.distance(from, to)).unwrap_or(u8::MAX);
    let bound = |cell: u32| {
        let found = config.numatune.memnodes.iter().find(|node| node.cell == cell)?;
        let mode = found.mode.as_deref().unwrap_or(config.numatune.strictness());
        Some(vm::NumaConfig { mode: numa_mode(mode), nodes: found.nodeset.iter().collect() })
    };
    let one = |cell: &NumaCell| vm::CellConfig {
        bytes: whole(cell.memory.0),
        vcpus: cell.cpus.iter().flat_map(CpuSet::iter).collect(),
        distances: cpu.numa.iter().map(|to| distance(cell.id, to.id)).collect(),
        numa: bound(cell.id),
    };
    cpu.numa.iter().map(one).collect()
}

fn numa(tune: &NumaTune) -> Option<vm::NumaConfig> {
    let mode = numa_mode(tune.strictness());
    tune.nodeset.as_ref().map(|nodes| vm::NumaConfig { mode, nodes: nodes.iter().collect() })
}

fn numa_mode(word: &str) -> vm::NumaMode {
    match word {
        "preferred" => vm::NumaMode::Preferred,
        "interleave" => vm::NumaMode::Interleave,
        _ => vm::NumaMode::Strict,
    }
}

fn pinning(config: &DomainConfig) -> Vec<Vec<u32>> {
    let vcpus = config.vcpu.max.min(VmConfig::MAX_VCPUS) as usize;
    let mut pinning = vec![cpus(config.vcpu.cpuset.as_ref()); vcpus];
    for pin in &config.cputune.vcpupin {
        if let Some(slot) = pinning.get_mut(pin.vcpu as usize) {
            *slot = cpus(Some(&pin.cpuset));
        }
    }
    pinning
}

fn emulator_pinning(config: &DomainConfig) -> Vec<u32> {
    cpus(config.cputune.emulatorpin.as_ref().or(config.vcpu.cpuset.as_ref()))
}

fn iothreads(config: &DomainConfig) -> Vec<vm::IothreadConfig> {
    let pin = |id: u32| config.cputune.iothreadpin.iter().find(|pin| pin.iothread == id);
    let one = |id| {
        let set = pin(id).map(|pin| &pin.cpuset).or(config.vcpu.cpuset.as_ref());
        vm::IothreadConfig { id, cpus: cpus(set) }
    };
    config.iothreads.ids().into_iter().map(one).collect()
}

fn cpus(set: Option<&CpuSet>) -> Vec<u32> {
    set.map(|set| set.iter().collect()).unwrap_or_default()
}

fn action(name: &str, action: LifecycleAction, refuse: &mut impl FnMut(String)) -> vm::LifecycleAction {
    match action {
        LifecycleAction::Destroy => return vm::LifecycleAction::Destroy,
        LifecycleAction::Restart => return vm::LifecycleAction::Restart,
        // It waits for the daemon, which dumps it and does the rest.
        LifecycleAction::CoredumpDestroy | LifecycleAction::CoredumpRestart | LifecycleAction::Preserve => {
            return vm::LifecycleAction::Preserve;
        }
        LifecycleAction::RenameRestart => {}
    }
    refuse(format!(
        "<{name}> 'rename-restart' can't be carried out: under another name it would have the same disks; use destroy, restart or preserve"
    ));
    vm::LifecycleAction::Destroy
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
