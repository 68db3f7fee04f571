//! What holds for every domain and for every text.

#[path = "properties/clocks.rs"]
mod clocks;
#[path = "properties/singles.rs"]
mod singles;

use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use reeve_model::device_address::DeviceAddress;
use reeve_model::domain::{
    BlkioDevice, BlkioTune, CharDevice, ClockConfig, Controller, CpuConfig, CpuFeature, CpuTopology, CpuTune,
    DeviceCommon, Devices, Disk, DiskDriver, DiskSource, DomainConfig, DomainType, Extra, Features,
    Interface, InterfaceDriver, IoLimit, IoLimits, IoTune, Iothread, IothreadPin, Iothreads, LifecycleAction,
    MemBalloon, MemTune, MemoryBacking, NumaTune, OffloadSwitches, OsConfig, PanicDevice, PmConfig, Rng,
    RngRate, SecLabel, SysInfo, SysInfoEntry, VcpuConfig, VcpuPin, Watchdog,
};
use reeve_model::filter::{FilterReference, Parameter};
use reeve_model::network::{Bandwidth, RateLimit, Vlan, VlanTag};
use reeve_model::storage::Encryption;
use reeve_model::{Bytes, CpuSet};
use reeve_xml::{ParseOptions, check, decode, domain};
use uuid::Uuid;

const DOCUMENTS: [&str; 10] = [
    include_str!("../../../tests/fixtures/domain-20-devices.xml"),
    include_str!("../../../tests/fixtures/domain-typos.xml"),
    include_str!("documents/domain.xml"),
    include_str!("documents/domainsnapshot.xml"),
    include_str!("documents/interface.xml"),
    include_str!("documents/network.xml"),
    include_str!("documents/nwfilter.xml"),
    include_str!("documents/pool.xml"),
    include_str!("documents/secret.xml"),
    include_str!("documents/volume.xml"),
];

proptest! {
    #[test]
    fn what_is_written_reads_back(config in domains()) {
        let text = domain::format(&config);
        let parsed = domain::parse(&text, &ParseOptions::default());
        let parsed = parsed.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&parsed.document, &config, "{}", text);
        prop_assert_eq!(domain::format(&parsed.document), text);
    }

    #[test]
    fn damaged_documents_never_panic(which in 0..DOCUMENTS.len(), damage in vec(damage(), 1..6)) {
        let mut bytes = DOCUMENTS[which].as_bytes().to_vec();
        for (place, kind, byte) in damage {
            apply(&mut bytes, place, kind, byte);
        }
        if let Ok(text) = decode(&bytes) && let Ok(checked) = check(text, None) {
            let again = check(&checked.canonical, Some(checked.kind)).map(|again| again.canonical);
            prop_assert_eq!(again, Ok(checked.canonical), "{}", text);
        }
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(text) = decode(&bytes) {
            let _ = check(text, None);
        }
    }
}

/// Place, kind and byte of one piece of damage.
fn damage() -> impl Strategy<Value = (u32, u8, u8)> {
    let bytes = prop::sample::select(b"<>&'\"/= \n-!?[]ax0;:#".to_vec());
    (any::<u32>(), 0..6_u8, bytes)
}

fn apply(bytes: &mut Vec<u8>, place: u32, kind: u8, byte: u8) {
    if bytes.is_empty() {
        return;
    }
    let at = place as usize % bytes.len();
    let end = (at + 1 + place as usize % 37).min(bytes.len());
    match kind {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        // A whole line is lost, or stands twice.
        _ => {
            let start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
            let end =
                bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |newline| at + newline + 1);
            let line = bytes[start..end].to_vec();
            if kind == 4 {
                bytes.drain(start..end);
            } else {
                bytes.splice(start..start, line);
            }
        }
    }
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

/// Anything that can stand in an attribute.
fn value() -> impl Strategy<Value = String> {
    "[ -~\t\né]{0,12}"
}

fn path() -> impl Strategy<Value = String> {
    "/[a-z<&'\"]{1,12}"
}

fn cpus() -> impl Strategy<Value = CpuSet> {
    btree_set(0..64_u32, 1..6).prop_map(|cpus| CpuSet::new(cpus).expect("small numbers"))
}

fn extra() -> impl Strategy<Value = Extra> {
    let attributes =
        of(value()).prop_map(|value| value.map(|value| ("x-note".to_owned(), value)).into_iter().collect());
    let elements = vec(
        prop::sample::select(vec![
            "<x-one/>",
            "<x-two a='b'>words &amp; more</x-two>",
            "<x:y xmlns:x='urn:x'>\n  <!-- kept -->\n  <x:z/>\n</x:y>",
        ])
        .prop_map(str::to_owned),
        0..2,
    );
    (attributes, elements).prop_map(|(attributes, elements)| Extra { attributes, elements })
}

/// A device's common part; `number` makes its address and alias unique.
fn common(number: u8) -> impl Strategy<Value = DeviceCommon> {
    let pci = (any::<u16>(), 1..=255_u8, 0..8_u8, of(any::<bool>())).prop_map(
        move |(domain, bus, function, multifunction)| DeviceAddress::Pci {
            domain,
            bus,
            slot: number % 32,
            function,
            multifunction,
        },
    );
    let drive = (any::<u32>(), any::<u32>()).prop_map(|(controller, unit)| DeviceAddress::Drive {
        controller,
        bus: 0,
        target: 1,
        unit,
    });
    let usb = Just(DeviceAddress::Other {
        extra: Extra {
            attributes: vec![("type".into(), "usb".into()), ("port".into(), "1.2".into())],
            elements: vec![],
        },
    });
    let port = Just(DeviceAddress::VirtioSerial { controller: u32::from(number), bus: 0, port: 1 });
    (any::<bool>(), of(prop_oneof![pci, drive, usb, port]), any::<bool>(), extra()).prop_map(
        move |(alias, address, boot, extra)| DeviceCommon {
            alias: alias.then(|| format!("ua-{number}")),
            address,
            boot_order: boot.then(|| u32::from(number)),
            extra,
        },
    )
}

fn disks() -> impl Strategy<Value = Vec<Disk>> {
    let source = prop_oneof![
        of(path()).prop_map(|path| DiskSource::File { path }),
        of(path()).prop_map(|path| DiskSource::Block { path }),
        "[a-z<&']{1,8}".prop_map(|name| DiskSource::Volume { pool: name.clone(), volume: name, found: None }),
        Just(DiskSource::Other {
            kind: "network".into(),
            source: Some("<source protocol='nbd'>\n  <host name='a'/>\n</source>".into())
        }),
    ];
    let driver =
        (of(word(&["raw", "qcow2"])), of(word(&["none", "directsync"])), of(word(&["native"])), extra())
            .prop_map(|(format, cache, io, extra)| DiskDriver {
                format,
                cache,
                io,
                extra,
                ..DiskDriver::default()
            });
    let encryption = any::<Option<u128>>()
        .prop_map(|secret| secret.map(|secret| Encryption::luks(Uuid::from_u128(secret))));
    let flags = any::<[bool; 2]>();
    let disk = (source, driver, flags, of("[a-zA-Z0-9]{1,20}"), iotune(), encryption, common(1))
        .prop_flat_map(|disk| (Just(disk), singles::told()))
        .prop_map(|((source, driver, [readonly, shareable], serial, iotune, encryption, common), told)| {
            Disk {
                driver,
                readonly,
                shareable,
                serial,
                iotune: Box::new(iotune),
                encryption,
                common,
                ..singles::disk(source, told)
            }
        });
    vec(disk, 0..4).prop_map(|mut disks| {
        for (index, disk) in disks.iter_mut().enumerate() {
            disk.target = format!("vd{}", char::from(b'a' + index as u8));
            renumber(&mut disk.common, 1 + index as u8);
        }
        disks
    })
}

/// Limits that may stand together.
fn iotune() -> impl Strategy<Value = IoTune> {
    let limit = (0_u64..1000, 0_u64..1000, 1_u64..60).prop_map(|(rate, above, length)| match (rate, above) {
        (0, _) => IoLimit::default(),
        (rate, 0) => IoLimit { sec: Some(rate), ..IoLimit::default() },
        (rate, above) => IoLimit { sec: Some(rate), max: Some(rate + above), max_length: Some(length) },
    });
    (limit.clone(), limit, any::<bool>(), of(1_u64..9000)).prop_map(|(one, other, of_ways, size_iops_sec)| {
        let bytes = match of_ways {
            true => IoLimits { read: one, write: other, ..IoLimits::default() },
            false => IoLimits { total: one, ..IoLimits::default() },
        };
        let iops = IoLimits { total: other, ..IoLimits::default() };
        IoTune { bytes, iops, size_iops_sec }
    })
}

/// Makes a common part unique among those of one list.
fn renumber(common: &mut DeviceCommon, number: u8) {
    common.alias = common.alias.take().map(|_| format!("ua-{number}"));
    common.boot_order = common.boot_order.map(|_| u32::from(number));
    match &mut common.address {
        Some(DeviceAddress::Pci { slot, .. }) => *slot = number,
        Some(DeviceAddress::VirtioSerial { controller, .. }) => *controller = u32::from(number),
        _ => {}
    }
}

fn interface() -> impl Strategy<Value = Interface> {
    let source = vec((word(&["bridge", "network", "dev"]), value()), 0..1);
    let model = of(word(&["virtio", "e1000"]));
    let filterref = of(vec(("[A-Z]{1,4}", value()), 0..3)).prop_map(|parameters| {
        let parameter = |(name, value)| Parameter { name, value };
        parameters.map(|parameters| FilterReference {
            filter: "clean-traffic".to_owned(),
            parameters: parameters.into_iter().map(parameter).collect(),
        })
    });
    let network = (of(68..65536_u32), any::<bool>(), of(0..4096_u16), of(1..9_u64), filterref);
    (
        word(&["bridge", "network", "user"]),
        source,
        any::<[u8; 4]>(),
        of("[a-z0-9]{1,15}"),
        model,
        of(any::<bool>()),
        network,
        common(8),
    )
        .prop_map(|(kind, source, mac, target, model, link_up, network, common)| Interface {
            kind,
            source,
            mac: Some(format!("52:54:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3])),
            target,
            model,
            driver: Box::new(InterfaceDriver {
                queues: network.0.map(|number| number % 32),
                host: OffloadSwitches { gso: network.0.map(|number| number % 2 == 0), ..Default::default() },
                guest: OffloadSwitches {
                    csum: network.2.map(|number| number % 2 == 0),
                    ..Default::default()
                },
                ..InterfaceDriver::default()
            }),
            link_up,
            mtu: network.0,
            isolated: network.1,
            vlan: network.2.map(|id| Vlan { trunk: None, tags: vec![VlanTag { id, native_mode: None }] }),
            bandwidth: Bandwidth {
                inbound: None,
                outbound: network.3.map(|average_kib| RateLimit { average_kib, ..RateLimit::default() }),
            },
            virtualport: None,
            filterref: network.4,
            common,
        })
}

fn char_device(number: u8) -> impl Strategy<Value = CharDevice> {
    (
        word(&["pty", "unix", "null"]),
        of(path()),
        of(word(&["bind", "connect"])),
        of(word(&["127.0.0.1", "::1"])),
        of(word(&["raw", "telnet"])),
        of(word(&["virtio", "serial"])),
        of(any::<u32>()),
        common(number),
    )
        .prop_map(move |(kind, path, mode, host, protocol, target_type, port, common)| CharDevice {
            kind,
            path,
            mode,
            service: host.as_ref().map(|_| "2445".to_owned()),
            host,
            protocol,
            target_type,
            port,
            name: Some(format!("org.example.{number}")),
            common,
        })
}

fn devices() -> impl Strategy<Value = Devices> {
    let controller = (word(&["pci", "virtio-serial"]), of(any::<u32>()), of(word(&["pcie-root"])), common(9))
        .prop_map(|(kind, index, model, common)| Controller { kind, index, model, common });
    let rate = of((any::<u64>(), 1..u64::MAX).prop_map(|(bytes, period_ms)| RngRate { bytes, period_ms }));
    let rng = (of(Just("/dev/urandom".to_owned())), rate, common(14)).prop_map(|(device, rate, common)| {
        Rng { model: "virtio".into(), backend: "random".into(), device, rate, common }
    });
    let switches = (of(any::<bool>()), of(any::<bool>()));
    let balloon = (of(any::<u32>()), switches, common(15));
    let balloon = balloon.prop_map(|(stats_period, (auto_deflate, free_page_reporting), common)| {
        MemBalloon { model: "virtio".into(), stats_period, auto_deflate, free_page_reporting, common }
    });
    let watchdog = (of(word(&["reset", "none"])), common(16)).prop_map(|(action, common)| Watchdog {
        model: "i6300esb".into(),
        action,
        common,
    });
    let chars = (vec(char_device(10), 0..2), vec(char_device(11), 0..2), vec(char_device(12), 0..2));
    let lists = (disks(), vec(controller, 0..2), vec(interface(), 0..2), chars, vec(rng, 0..2));
    let other = prop::sample::select(vec![
        None,
        Some("<graphics type='vnc' port='-1'/>"),
        Some("<x-gadget/>"),
        Some("loose words"),
    ]);
    (of(path()), lists, of(balloon), of(watchdog), any::<bool>(), other).prop_map(
        |(
            emulator,
            (disks, controllers, interfaces, (serials, consoles, channels), rngs),
            memballoon,
            watchdog,
            panic,
            other,
        )| Devices {
            emulator,
            disks,
            controllers,
            filesystems: panic.then(singles::filesystem).into_iter().collect(),
            interfaces,
            serials,
            consoles,
            channels,
            rngs,
            memballoon,
            watchdog,
            memories: panic.then(singles::memory).into_iter().collect(),
            vsock: panic.then(singles::vsock),
            panic: panic.then(|| PanicDevice { model: Some("pvpanic".into()), ..PanicDevice::default() }),
            extra: Extra { attributes: vec![], elements: other.map(str::to_owned).into_iter().collect() },
        },
    )
}

fn vcpus() -> impl Strategy<Value = (VcpuConfig, CpuTune)> {
    (
        1..64_u32,
        any::<bool>(),
        of(cpus()),
        cpus(),
        of(any::<u64>()),
        of(1_000..1_000_000_u64),
        of(any::<i64>().prop_filter("in range", |quota| {
            *quota <= 0 || (1_000..=18_446_744_073_709_551).contains(quota)
        })),
        extra(),
    )
        .prop_map(|(max, pinned, cpuset, pins, shares, period, quota, extra)| {
            let vcpu = VcpuConfig {
                max,
                current: Some(max),
                placement: Some("static".into()),
                cpuset,
                extra: extra.clone(),
            };
            let vcpupin = if pinned { vec![VcpuPin { vcpu: max - 1, cpuset: pins.clone() }] } else { vec![] };
            let tune = CpuTune {
                vcpupin,
                iothreadpin: vec![IothreadPin { iothread: 2, cpuset: pins.clone() }],
                emulatorpin: pinned.then_some(pins),
                shares,
                period,
                quota,
                emulator_period: period,
                emulator_quota: None,
                iothread_period: period,
                iothread_quota: quota,
                scheduling: vec![singles::scheduling(1 + max)],
                extra,
            };
            (vcpu, tune)
        })
}

/// I/O threads, the second among them: with numbers, or counted.
fn iothreads(seed: u32) -> Iothreads {
    let mut threads = Iothreads::default();
    if seed.is_multiple_of(2) {
        threads.threads = vec![Iothread { id: seed + 7, extra: Extra::default() }];
    }
    threads.fill(2 + seed % 3);
    if threads.threads.len() < 3 && !threads.has(2) {
        threads.fill(3);
    }
    threads
}

fn cpu() -> impl Strategy<Value = CpuConfig> {
    let features = vec(
        (word(&["require", "disable"]), "[a-z0-9]{1,8}")
            .prop_map(|(policy, name)| CpuFeature { policy, name }),
        0..3,
    );
    (of(word(&["custom", "host-passthrough"])), of("[A-Za-z0-9-]{1,8}"), any::<bool>(), features, extra())
        .prop_map(|(mode, model, topology, features, extra)| CpuConfig {
            mode,
            matching: None,
            fallback: model.as_ref().map(|_| "allow".to_owned()),
            vendor_id: None,
            model,
            vendor: None,
            topology: topology.then_some(CpuTopology { sockets: 8, cores: 8, threads: 1 }),
            features,
            numa: vec![],
            extra,
        })
}

fn tuning() -> impl Strategy<Value = (MemoryBacking, NumaTune, ClockConfig, Features)> {
    let pages = of(vec(prop::sample::select(vec![Bytes::mib(2), Bytes::gib(1)]), 0..3));
    let backing =
        (pages, any::<[bool; 2]>(), extra()).prop_map(|(hugepages, [nosharepages, locked], extra)| {
            MemoryBacking { hugepages, nosharepages, locked, shared: locked.then_some(nosharepages), extra }
        });
    let numa =
        (of(word(&["strict", "interleave"])), of(cpus()), extra()).prop_map(|(mode, nodeset, extra)| {
            NumaTune { mode, nodeset, placement: None, memnodes: vec![], extra }
        });
    let features = (any::<[bool; 3]>(), extra()).prop_map(|([acpi, apic, pae], extra)| Features {
        acpi,
        apic,
        pae,
        extra,
    });
    (backing, numa, clocks::clock(), features)
}

fn limits() -> impl Strategy<Value = (MemTune, BlkioTune)> {
    let size = || of((1..1_u64 << 40).prop_map(Bytes::kib));
    let memory = (size(), size(), size(), extra()).prop_map(|(hard, soft, guarantee, extra)| MemTune {
        hard_limit: hard,
        soft_limit: soft,
        swap_hard_limit: hard.map(|hard| Bytes(hard.0 + 1024)),
        min_guarantee: guarantee,
        extra,
    });
    let device =
        (100..=1000_u64, of(any::<u64>()), of(any::<u64>())).prop_map(|(weight, bytes, iops)| BlkioDevice {
            path: "/dev/sda".into(),
            weight: Some(weight),
            read_bytes_sec: bytes,
            write_bytes_sec: bytes,
            read_iops_sec: iops,
            write_iops_sec: iops,
        });
    let block = (of(100..=1000_u64), vec(device, 0..2), extra())
        .prop_map(|(weight, devices, extra)| BlkioTune { weight, devices, extra });
    (memory, block)
}

fn os() -> impl Strategy<Value = OsConfig> {
    let cmdline = of("[!-~]([ -~]{0,30}[!-~])?");
    let smbios = of(word(&["emulate", "host"]));
    (of(word(&["x86_64"])), of(path()), path(), of(path()), cmdline, smbios, extra()).prop_map(
        |(arch, loader, kernel, initrd, cmdline, smbios, extra)| OsConfig {
            os_type: "hvm".into(),
            arch,
            machine: None,
            loader,
            kernel: Some(kernel),
            initrd,
            cmdline,
            boot: vec![],
            smbios,
            extra,
        },
    )
}

fn sysinfo() -> impl Strategy<Value = SysInfo> {
    let entry = || {
        (word(&["vendor", "version", "asset"]), "[!-~]([ -~]{0,30}[!-~])?")
            .prop_map(|(name, value)| SysInfoEntry { name, value })
    };
    let block = || vec(entry(), 0..3);
    (block(), block(), vec(vec(entry(), 1..3), 0..3), block(), extra()).prop_map(
        |(bios, system, base_boards, chassis, extra)| SysInfo {
            kind: "smbios".into(),
            bios,
            system,
            base_boards,
            chassis,
            extra,
        },
    )
}

fn domains() -> impl Strategy<Value = DomainConfig> {
    let identity = (
        prop_oneof![Just(DomainType::Kvm), Just(DomainType::Sim), Just(DomainType::Other("xen".into()))],
        "[a-z][a-zA-Z0-9_.-]{0,20}",
        any::<[u8; 16]>(),
        of("[ -~é<&]{1,30}"),
        of("[ -~\n\r\té]{1,60}"),
        of(Just("<metadata>\n  <a:b xmlns:a='urn:a'>  words  </a:b>\n</metadata>".to_owned())),
    );
    let memory = (1..1_u64 << 40).prop_flat_map(|memory| (Just(memory), 1..=memory));
    let actions = prop::sample::select(LifecycleAction::ALL.map(|(action, _)| action).to_vec());
    let plain = actions.clone().prop_filter("not for crashes only", |action| !action.is_coredump());
    (
        identity,
        memory,
        vcpus(),
        of(cpu()),
        (tuning(), limits()),
        (os(), of(sysinfo())),
        (plain, actions),
        devices(),
        extra(),
    )
        .prop_map(
            |(
                identity,
                (memory, current),
                (vcpu, cputune),
                cpu,
                tuning,
                (os, sysinfo),
                (plain, on_crash),
                devices,
                extra,
            )| {
                let (domain_type, name, uuid, title, description, metadata) = identity;
                let ((memory_backing, numatune, clock, features), (memtune, blkiotune)) = tuning;
                DomainConfig {
                    domain_type,
                    name,
                    uuid: uuid::Uuid::from_bytes(uuid),
                    title,
                    description,
                    metadata,
                    memory: Bytes::kib(memory),
                    current_memory: Bytes::kib(current),
                    memory_backing,
                    iothreads: iothreads(vcpu.max),
                    vcpu,
                    cputune,
                    memtune,
                    blkiotune,
                    numatune,
                    resource: Box::new(singles::resource(on_crash.is_coredump())),
                    sysinfo,
                    os,
                    features,
                    cpu,
                    clock,
                    pm: PmConfig {
                        suspend_to_mem: on_crash.is_coredump().then_some(true),
                        suspend_to_disk: Some(plain.is_coredump()),
                        ..PmConfig::default()
                    },
                    on_poweroff: plain,
                    on_reboot: plain,
                    on_crash,
                    seclabels: vec![SecLabel { kind: Some("none".into()), ..SecLabel::default() }],
                    devices,
                    extra,
                }
            },
        )
}
