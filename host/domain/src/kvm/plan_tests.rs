use reeve_model::domain::{CharDevice, DeviceCommon, DomainType, VcpuPin};
use reeve_model::{Bytes, CpuSet};
use reeve_vmm::config::{DeviceKind, SandboxConfig};

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
    config.memory = Bytes::mib(64);
    config.memory_backing.hugepages = Some(Vec::new());
    config.memory_backing.locked = true;
    config.numatune.nodeset = CpuSet::new([0]);
    let plan = plan(&config).unwrap();
    assert_eq!(plan.vm.vcpu_pinning, [vec![0, 1], vec![1]]);
    assert_eq!(plan.vm.emulator_pinning, [0, 1]);
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

#[test]
fn every_reason_is_given_at_once() {
    let mut config = document();
    config.domain_type = DomainType::Kvm;
    config.os.os_type = "xen".to_owned();
    config.os.kernel = None;
    config.on_crash = LifecycleAction::CoredumpRestart;
    config.devices.serials.push(character("tcp", None, None));
    config.devices.extra.elements.push("<graphics type='vnc'/>".to_owned());
    let sentences = plan(&config).unwrap_err();
    for part in [
        "os type 'xen'",
        "names no <kernel>",
        "<on_crash> 'coredump-restart'",
        "serial port 'serial0' is of type 'tcp'",
        "no device <graphics>",
    ] {
        assert!(sentences.contains(part), "{part} not in: {sentences}");
    }
    let mut large = document();
    large.vcpu.max = 300;
    assert!(plan(&large).unwrap_err().contains("300 vCPUs are not possible"));
}
