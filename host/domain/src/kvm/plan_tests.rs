use reeve_model::domain::{
    CharDevice, CpuConfig, DeviceCommon, DomainType, Extra, Filesystem, IothreadPin, MemNode, MemoryDevice,
    NumaCell, SecLabel, VcpuPin,
};
use reeve_model::{Bytes, CpuSet};
use reeve_vmm::config::{ConsoleEnd, DeviceKind, SandboxConfig};

use super::*;

fn document() -> DomainConfig {
    let text = r#"{
        "domain_type": "kvm", "name": "web", "uuid": "00000000-0000-0000-0000-000000000001",
        "memory": 67108865, "current_memory": 67108864, "vcpu": {"max": 2},
        "os": {"os_type": "hvm", "kernel": "/boot/vmlinuz", "initrd": "/boot/initrd"},
        "on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "preserve"
    }"#;
    serde_json::from_str(text).unwrap()
}

fn character(kind: &str, target: Option<&str>, name: Option<&str>) -> CharDevice {
    CharDevice {
        kind: kind.to_owned(),
        path: None,
        mode: None,
        host: None,
        service: None,
        protocol: None,
        target_type: target.map(str::to_owned),
        port: None,
        name: name.map(str::to_owned),
        common: DeviceCommon::default(),
    }
}

fn plan(config: &DomainConfig) -> Result<Plan, String> {
    let sentences =
        |refusals: Vec<Refusal>| refusals.into_iter().map(|each| each.0).collect::<Vec<_>>().join("; ");
    Plan::new(config, &SandboxConfig::default()).map_err(sentences)
}

#[test]
fn memory_is_rounded_up_and_a_guest_gets_a_balloon() {
    let plan = plan(&document()).unwrap();
    assert_eq!(plan.vm.memory.bytes, 65 << 20);
    assert!(plan.vm.memory.mergeable && plan.vm.start_paused);
    let [device] = plan.vm.devices.as_slice() else { panic!("{:?}", plan.vm.devices) };
    assert!(matches!(&device.kind, DeviceKind::Balloon(balloon) if balloon.target == 64 << 20));
    let names: Vec<_> = plan.sources.0.iter().collect();
    assert!(matches!(names[0], Source::Kvm));
    assert!(matches!(names[2], Source::Read { what, .. } if what == "initrd"));
    assert_eq!(plan.vm.boot.initrd, Some(FdIndex(2)));
    assert_eq!(plan.vm.on_crash, vm::LifecycleAction::Preserve);
}

#[test]
fn pins_nodes_and_huge_pages_reach_the_worker() {
    let mut config = document();
    config.vcpu.cpuset = CpuSet::new([0, 1]);
    config.cputune.vcpupin.push(VcpuPin { vcpu: 1, cpuset: CpuSet::new([1]).unwrap() });
    config.iothreads.fill(2);
    config.cputune.iothreadpin.push(IothreadPin { iothread: 2, cpuset: CpuSet::new([1]).unwrap() });
    config.memory = Bytes::mib(64);
    config.memory_backing.hugepages = Some(Vec::new());
    config.memory_backing.locked = true;
    config.numatune.nodeset = CpuSet::new([0]);
    let plan = plan(&config).unwrap();
    assert_eq!(plan.vm.vcpu_pinning, [vec![0, 1], vec![1]]);
    assert_eq!(plan.vm.emulator_pinning, [0, 1]);
    let iothread = |id, cpus| vm::IothreadConfig { id, cpus };
    assert_eq!(plan.vm.iothreads, [iothread(1, vec![0, 1]), iothread(2, vec![1])]);
    let numa = vm::NumaConfig { mode: vm::NumaMode::Strict, nodes: vec![0] };
    assert_eq!(plan.vm.memory.numa, Some(numa));
    assert_eq!((plan.vm.memory.hugepages, plan.locked), (Some(2 << 20), Some(64 << 20)));
}

#[test]
fn a_serial_console_is_the_first_serial_port_and_channels_follow_virtio_consoles() {
    let mut config = document();
    config.devices.consoles.push(character("pty", Some("serial"), None));
    config.devices.channels.push(character("unix", Some("virtio"), Some("org.qemu.guest_agent.0")));
    config.devices.consoles.push(character("pty", Some("virtio"), None));
    let plan = plan(&config).unwrap();
    assert_eq!(plan.vm.serials.iter().map(|serial| serial.alias.as_str()).collect::<Vec<_>>(), ["serial0"]);
    let ports = plan.vm.devices.iter().find_map(|device| match &device.kind {
        DeviceKind::Console(console) => Some(&console.ports),
        _ => None,
    });
    let ports: Vec<_> =
        ports.unwrap().iter().map(|port| (port.alias.as_str(), port.name.as_deref())).collect();
    assert_eq!(ports, [("console1", None), ("channel0", Some("org.qemu.guest_agent.0"))]);
}

fn source(kind: &str, mode: Option<&str>, path: Option<&str>) -> CharDevice {
    let mut device = character(kind, None, Some("org.example.0"));
    (device.mode, device.path) = (mode.map(str::to_owned), path.map(str::to_owned));
    device
}

#[test]
fn the_hosts_side_of_a_channel_is_a_socket_a_file_or_nobody() {
    let of = |channel: CharDevice| {
        let mut config = document();
        config.devices.channels.push(channel);
        let plan = plan(&config)?;
        let port = plan.vm.devices.iter().find_map(|device| match &device.kind {
            DeviceKind::Console(console) => Some(console.ports[0].clone()),
            _ => None,
        });
        Ok::<_, String>((port.unwrap(), plan.sources.0))
    };
    for (kind, mode) in [("pty", None), ("null", None), ("unix", Some("bind"))] {
        assert_eq!(of(source(kind, mode, None)).unwrap().0.end, ConsoleEnd::Nobody);
    }
    let path = PathBuf::from("/run/web.agent");
    let what = "channel0".to_owned();
    let (port, sources) = of(source("unix", Some("bind"), Some("/run/web.agent"))).unwrap();
    let ConsoleEnd::Listener { fd } = port.end else { panic!("{port:?}") };
    assert_eq!(sources[fd.0 as usize], Source::SocketListener { what: what.clone(), path: path.clone() });
    let (port, sources) = of(source("unix", Some("connect"), Some("/run/web.agent"))).unwrap();
    let ConsoleEnd::Peer { fd } = port.end else { panic!("{port:?}") };
    assert_eq!(sources[fd.0 as usize], Source::SocketPeer { what: what.clone(), path: path.clone() });
    let (port, sources) = of(source("pipe", None, Some("/run/web.agent"))).unwrap();
    assert_eq!(sources[port.log.unwrap().0 as usize], Source::Pipe { what: what.clone(), path });
    let mut tcp = source("tcp", Some("bind"), None);
    (tcp.host, tcp.service) = (Some("127.0.0.1".to_owned()), Some("2445".to_owned()));
    let (port, sources) = of(tcp.clone()).unwrap();
    let ConsoleEnd::Listener { fd } = port.end else { panic!("{port:?}") };
    let address = "127.0.0.1:2445".parse().unwrap();
    assert_eq!(sources[fd.0 as usize], Source::TcpListener { what, address });
    tcp.protocol = Some("telnet".to_owned());
    assert!(of(tcp.clone()).unwrap_err().contains("speaks 'telnet'"));
    (tcp.protocol, tcp.host) = (None, Some("localhost".to_owned()));
    assert!(of(tcp).unwrap_err().contains("no IP address"));
}

#[test]
fn what_a_channel_cant_be_is_said_with_the_reason() {
    let refused = |channels: &[CharDevice]| {
        let mut config = document();
        config.devices.channels.extend_from_slice(channels);
        plan(&config).unwrap_err()
    };
    for (kind, reason) in [
        ("udp", "UDP loses what is said"),
        ("dev", "locked-in"),
        ("stdio", "no terminal"),
        ("vc", "no screen"),
        ("spicevmc", "SPICE"),
        ("nonsense", "no such type"),
    ] {
        let sentence = refused(&[source(kind, None, None)]);
        assert!(sentence.contains(reason) && sentence.contains("use pty, unix"), "{sentence}");
    }
    assert!(refused(&[source("unix", None, Some("agent"))]).contains("not absolute"));
    assert!(refused(&[source("unix", Some("connect"), None)]).contains("has no path"));
    assert!(refused(&[source("unix", Some("listen"), None)]).contains("mode 'listen'"));
    let two = [source("pty", None, None), source("pty", None, None)];
    assert!(refused(&two).contains("the second one with the name 'org.example.0'"));
    let mut forward = source("unix", Some("bind"), Some("/tmp/guestfwd"));
    forward.target_type = Some("guestfwd".to_owned());
    assert!(refused(&[forward]).contains("forwards TCP"));
    let mut config = document();
    config.devices.consoles = vec![character("pty", None, None), character("pty", Some("serial"), None)];
    assert!(plan(&config).unwrap_err().contains("the second serial one"));
}

#[test]
fn devices_that_there_are_not_are_refused_with_what_to_use() {
    for (name, instead) in [
        ("sound", "leave it out"),
        ("hostdev", "stay with the host"),
        ("redirdev", "stay with the host"),
        ("smartcard", "stay with the host"),
        ("video", "use a console"),
        ("parallel", "a serial port"),
    ] {
        let mut config = document();
        config.devices.extra.elements.push(format!("<{name}/>"));
        let said = plan(&config).unwrap_err();
        assert!(said.contains(&format!("no device <{name}>: ")) && said.contains(instead), "{said}");
    }
}

#[test]
fn directories_are_shared_with_a_guest_whose_memory_is_of_few_pieces() {
    let mut config = document();
    config.devices.filesystems.push(Filesystem {
        driver: Some("virtiofs".to_owned()),
        source: Some("/srv".to_owned()),
        target: Some("files".to_owned()),
        ..Filesystem::default()
    });
    assert!(plan(&config).is_ok());
    // Who serves a directory takes eight pieces at most.
    config.devices.memories.push(MemoryDevice {
        model: "virtio-mem".to_owned(),
        size: Bytes::mib(64),
        block: None,
        requested: None,
        node: None,
        common: DeviceCommon::default(),
    });
    assert!(plan(&config).unwrap_err().contains("can't be plugged in blocks then: leave one of both out"));
    config.devices.filesystems.clear();
    assert!(!plan(&config).err().unwrap_or_default().contains("leave one of both out"));
}

#[test]
fn every_reason_is_given_at_once() {
    let mut config = document();
    config.domain_type = DomainType::Kvm;
    config.os.os_type = "xen".to_owned();
    config.os.kernel = None;
    config.on_crash = LifecycleAction::RenameRestart;
    config.devices.serials.push(character("tcp", None, None));
    config.devices.extra.elements.push("<graphics type='vnc'/>".to_owned());
    let sentences = plan(&config).unwrap_err();
    for part in [
        "os type 'xen'",
        "names no <kernel>",
        "<on_crash> 'rename-restart' can't be carried out: under another name",
        "serial port 'serial0' has no address",
        "no device <graphics>",
    ] {
        assert!(sentences.contains(part), "{part} not in: {sentences}");
    }
    let mut large = document();
    large.vcpu.max = 300;
    assert!(plan(&large).unwrap_err().contains("300 vCPUs are not possible"));
}

#[test]
fn a_label_that_workers_do_not_have_is_refused() {
    let with = |kind: Option<&str>| {
        let mut config = document();
        let (kind, model) = (kind.map(str::to_owned), Some("selinux".to_owned()));
        config.seclabels.push(SecLabel { kind, model, ..SecLabel::default() });
        plan(&config).map(drop)
    };
    assert_eq!(with(Some("none")), Ok(()));
    for kind in [None, Some("dynamic"), Some("static")] {
        assert!(with(kind).unwrap_err().contains("a label of selinux"));
    }
}

#[test]
fn nodes_of_the_guest_reach_the_worker() {
    let mut config = document();
    let cell = |id, cpus: &[u32], mib| NumaCell {
        id,
        cpus: CpuSet::new(cpus.iter().copied()),
        memory: Bytes::mib(mib),
        distances: if id == 1 { vec![(0, 40)] } else { Vec::new() },
        extra: Extra::default(),
    };
    config.cpu = Some(CpuConfig { numa: vec![cell(0, &[1], 40), cell(1, &[0], 24)], ..CpuConfig::default() });
    config.memory = Bytes::mib(64);
    config.numatune.memnodes =
        vec![MemNode { cell: 1, mode: Some("interleave".to_owned()), nodeset: CpuSet::new([0]).unwrap() }];
    let memory = plan(&config).unwrap().vm.memory;
    let bound = vm::NumaConfig { mode: vm::NumaMode::Interleave, nodes: vec![0] };
    let expected = [
        vm::CellConfig { bytes: 40 << 20, vcpus: vec![1], distances: vec![10, 40], numa: None },
        vm::CellConfig { bytes: 24 << 20, vcpus: vec![0], distances: vec![40, 10], numa: Some(bound) },
    ];
    assert_eq!((memory.bytes, memory.cells), (64 << 20, expected.to_vec()));
}
