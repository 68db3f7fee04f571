//! What is refused, where, and what is said about it.

use reeve_xml::{Kind, ParseOptions, XmlError, check, decode, device, domain};

/// A good domain with something put before its end, and something put inside `<devices>`.
fn with(body: &str, devices: &str) -> String {
    format!(
        "<domain type='kvm'>\n<name>a</name>\n<memory unit='MiB'>64</memory>\n<os><type>hvm</type></os>\n{body}\n<devices>\n{devices}\n</devices>\n</domain>\n"
    )
}

fn refused(text: &str) -> XmlError {
    match domain::parse(text, &ParseOptions::default()) {
        Ok(parsed) => panic!("not refused: {parsed:?}\n{text}"),
        Err(error) => error,
    }
}

#[test]
fn whole_domains() {
    for (text, line, column, path, message) in [
        ("", 1, 1, "/", "there is no element"),
        ("<domain", 1, 1, "/", "the tag is never closed"),
        (
            "<domain type='kvm'>\n  <name>a</nome>",
            2,
            10,
            "/domain/name",
            "</nome> stands where <name> of line 2",
        ),
        ("<network/>", 1, 1, "/network", "a domain document starts with <domain>, not <network>"),
        ("<domain><name>a</name></domain>", 1, 1, "/domain", "needs the attribute type"),
        ("<domain type='kvm'/>", 1, 1, "/domain", "add <name>"),
        ("<domain type='kvm'><name>a</name></domain>", 1, 1, "/domain", "domain 'a' has no memory"),
        (
            "<domain type='kvm'><name>a</name><memory>1</memory></domain>",
            1,
            1,
            "/domain",
            "<os><type>hvm</type>",
        ),
        ("<a/><b/>", 1, 5, "/", "a second root element"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 1, 1, "/", "are refused"),
        ("<domain type='kvm'><name>&b;</name></domain>", 1, 26, "/domain/name", "entity &b; is not defined"),
        ("<domain type='kvm' type='sim'/>", 1, 20, "/", "attribute 'type' stands twice"),
        ("<domain type=kvm/>", 1, 14, "/", "needs quotes"),
        ("<domain type='a&b'/>", 1, 9, "/", "write &amp;"),
        ("<domain type='kvm'><name>\u{1}</name></domain>", 1, 26, "/domain/name", "XML cannot hold"),
    ] {
        let error = refused(text);
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!((error.line, error.column, error.path.as_str()), (line, column, path), "{text}: {error}");
    }
}

#[test]
fn values_of_a_domain() {
    for (body, path, message) in [
        ("<uuid>xyz</uuid>", "/domain/uuid", "'xyz' is not a UUID"),
        ("<title>a\nb</title>", "/domain/title", "more than one line"),
        ("<memory>1</memory>", "/domain/memory[2]", "more than one <memory>"),
        (
            "<currentMemory unit='furlong'>1</currentMemory>",
            "/domain/currentMemory/@unit",
            "is not one of b, bytes",
        ),
        (
            "<currentMemory unit='TiB'>99999999999</currentMemory>",
            "/domain/currentMemory",
            "more than any machine",
        ),
        ("<currentMemory>-1</currentMemory>", "/domain/currentMemory", "not a whole number"),
        ("<vcpu>0</vcpu>", "/domain/vcpu", "1 to 4096"),
        ("<vcpu>5000</vcpu>", "/domain/vcpu", "1 to 4096"),
        ("<vcpu>99999999999999999999</vcpu>", "/domain/vcpu", "not a whole number"),
        ("<vcpu current='3'>2</vcpu>", "/domain/vcpu/@current", "not between 1 and 2"),
        ("<vcpu cpuset='1-'>2</vcpu>", "/domain/vcpu/@cpuset", "'1-'"),
        (
            "<cputune><vcpupin vcpu='1' cpuset='0'/></cputune>",
            "/domain/cputune/vcpupin/@vcpu",
            "vCPU 1 does not exist",
        ),
        ("<iothreads>65</iothreads>", "/domain/iothreads", "64 I/O threads at most"),
        ("<iothreads>x</iothreads>", "/domain/iothreads", "not a whole number"),
        (
            "<iothreadids><iothread id='2'/><iothread id='2'/></iothreadids>",
            "/domain/iothreadids/iothread[2]/@id",
            "I/O thread 2 is there twice",
        ),
        ("<iothreadids><iothread id='0'/></iothreadids>", "/domain/iothreadids/iothread/@id", "from 1"),
        (
            "<iothreads>2</iothreads><cputune><iothreadpin iothread='3' cpuset='0'/></cputune>",
            "/domain/cputune/iothreadpin/@iothread",
            "I/O thread 3 does not exist; the domain has 1, 2",
        ),
        ("<cputune><period>5</period></cputune>", "/domain/cputune/period", "1000 to 1000000"),
        ("<cputune><quota>5</quota></cputune>", "/domain/cputune/quota", "1000 to 18446744073709551"),
        (
            "<resource><partition>production</partition></resource>",
            "/domain/resource/partition",
            "'production' is no partition",
        ),
        ("<numatune><memory mode='lax'/></numatune>", "/domain/numatune/memory/@mode", "not one of strict"),
        ("<cpu><topology sockets='0' cores='1' threads='1'/></cpu>", "/domain/cpu/topology", "at least 1"),
        ("<on_crash>explode</on_crash>", "/domain/on_crash", "'explode' is not an action"),
        ("<on_reboot>coredump-restart</on_reboot>", "/domain/on_reboot", "for <on_crash> only"),
        (
            "<sysinfo type='smbios'><system><entry name='uuid'>1</entry></system></sysinfo>",
            "/domain/sysinfo/system",
            "is not the domain's UUID",
        ),
    ] {
        let error = refused(&with(body, ""));
        assert!(error.message.contains(message) && error.path == path, "{body}: {error}");
        assert!(error.line == 3 || error.line == 5 || error.line == 6, "{body}: {error}");
    }
}

#[test]
fn devices_of_a_domain() {
    let disk = "<disk><target dev='vda'/></disk>";
    let nic = "<interface type='bridge'><mac address='52:54:00:00:00:01'/></interface>";
    let slot = "<rng model='virtio'><backend model='random'/><address type='pci' slot='0x3'/></rng>";
    for (devices, path, message) in [
        (disk.repeat(2), "/domain/devices/disk[2]/target/@dev", "target 'vda' is used by two devices"),
        (nic.repeat(2), "/domain/devices/interface[2]/mac/@address", "MAC '52:54:00:00:00:01' is used"),
        (slot.repeat(2), "/domain/devices/rng[2]/address", "PCI address '0000:00:03.0' is used"),
        ("<disk/>".into(), "/domain/devices/disk", "add <target dev='vda'"),
        (disk.replace("vda", "v/a"), "/domain/devices/disk/target/@dev", "not a device name"),
        (
            disk.replace("<disk>", "<disk device='tape'>"),
            "/domain/devices/disk/@device",
            "not one of disk, cdrom",
        ),
        (nic.replace("52:54", "53:54"), "/domain/devices/interface/mac/@address", "multicast"),
        (nic.replace("52:54", "5254"), "/domain/devices/interface/mac/@address", "six pairs"),
        (slot.replace("0x3", "0x20"), "/domain/devices/rng/address/@slot", "above 0x1f"),
        (slot.replace("0x3", "0x0"), "/domain/devices/rng/address", "host bridge"),
        (slot.replace("0x3", "zz"), "/domain/devices/rng/address/@slot", "not a number"),
        (
            "<memballoon model='none'/>".repeat(2),
            "/domain/devices/memballoon[2]",
            "more than one <memballoon>",
        ),
        ("<watchdog model='i6300esb' action='bark'/>".into(), "/domain/devices/watchdog/@action", "'bark'"),
    ] {
        let error = refused(&with("", &devices));
        assert!(error.message.contains(message) && error.path == path, "{devices}: {error}");
        assert_eq!(error.line, 7, "{devices}: {error}");
    }
    let both = with("", "<disk><target dev='vda'/><boot order='1'/></disk>")
        .replace("hvm</type>", "hvm</type><boot dev='hd'/>");
    assert_eq!(refused(&both).path, "/domain/os/boot");
}

#[test]
fn documents_without_bound() {
    let deep = "<a>".repeat(100) + &"</a>".repeat(100);
    assert!(refused(&deep).message.contains("more than 64 deep"));
    let wide: String = (0..200).map(|n| format!(" a{n}=''")).collect();
    assert!(refused(&format!("<domain{wide}/>")).message.contains("more than 128 attributes"));
    let many = format!("<domain>{}</domain>", "<a/>".repeat(100_001));
    assert!(refused(&many).message.contains("more than 100000 elements"));
    let large = " ".repeat((4 << 20) + 1);
    assert!(refused(&large).message.contains("at most 4194304"));
}

#[test]
fn values_that_are_mended() {
    let text = with("<currentMemory unit='GiB'>1</currentMemory><vcpu cpuset='1-4,^3,6'>1</vcpu>", "")
        .replace("<memory unit='MiB'>64", "<memory unit='b'>1048577");
    let parsed = domain::parse(&text, &ParseOptions::default()).expect("a good document");
    assert_eq!(parsed.document.memory.as_kib(), 1025, "rounded up to KiB");
    assert_eq!(parsed.document.current_memory, parsed.document.memory, "lowered to memory");
    assert_eq!(parsed.document.vcpu.cpuset.expect("a set").to_string(), "1-2,4,6");
    assert!(!parsed.document.uuid.is_nil(), "made");
    let plain = with("<uuid>4dea22b31d52d8f32516782e98ab3fa0</uuid>", "");
    let parsed = domain::parse(&plain, &ParseOptions::default()).expect("a good document");
    assert_eq!(parsed.document.uuid.to_string(), "4dea22b3-1d52-d8f3-2516-782e98ab3fa0");
}

#[test]
fn single_devices_and_other_kinds() {
    let error = device::parse("<dsik><target dev='vda'/></dsik>").expect_err("a typo");
    assert_eq!(error.message, "<dsik> is not a device; did you mean <disk>?");
    let error = device::parse("<disk>\n<target dev='v-a'/></disk>").expect_err("a bad name");
    assert_eq!((error.line, error.path.as_str()), (2, "/disk/target/@dev"));

    let error = check("<pool type='dir'/>", Some(Kind::Network)).expect_err("another kind");
    assert_eq!(error.message, "a network document starts with <network>, not <pool>");
    let error = check("<netwrok/>", None).expect_err("a typo");
    assert!(error.message.ends_with("did you mean <network>?"), "{error}");
    let checked = check("<network><name>n</name><forward mode='open' mod='nat'/></network>", None)
        .expect("a good document");
    assert_eq!(
        checked.canonical,
        "<network>\n  <name>n</name>\n  <forward mode='open' mod='nat'/>\n</network>\n"
    );
    assert_eq!(
        checked.warnings[0].to_string(),
        "line 1, column 45: /network/forward/@mod: <forward> has no attribute 'mod'; did you mean 'mode'?"
    );

    let error = decode(b"<a>\n\xff</a>").expect_err("not UTF-8");
    assert_eq!((error.line, error.column), (2, 1));
}

#[test]
fn what_an_earlier_version_kept_is_read_as_it_is_written() {
    let cells = "<cpu><numa><cell id='0' memory='32' unit='MiB'/></numa></cpu>";
    let disk = |target: &str| {
        format!("<disk><source file='/a.img'/><wwn>5000c50015ea71aa</wwn><target dev='{target}'/></disk>")
    };
    let text = with(cells, &disk("vda"));
    assert!(refused(&text).message.contains("no world wide name"), "{}", refused(&text));
    let kept = domain::parse_kept(&text).expect("no rule of that time is broken");
    assert_eq!(kept.devices.disks[0].wwn.as_deref(), Some("5000c50015ea71aa"));
    assert_eq!((kept.memory.as_mib(), kept.cpu.map(|cpu| cpu.numa.len())), (32, Some(1)));
    // A guest that goes on has what it was given.
    let (guest, left_out) = domain::parse_going_on(&text).expect("it was given nothing of this");
    assert_eq!((guest.memory.as_mib(), guest.cpu.map(|cpu| cpu.numa.len())), (64, Some(0)));
    assert_eq!((guest.devices.disks[0].wwn.as_deref(), left_out.len()), (None, 2));
    let twice = with(cells, &disk("vda").repeat(2));
    for error in [domain::parse_kept(&twice).err(), domain::parse_going_on(&twice).err()] {
        assert!(error.as_ref().is_some_and(|error| error.message.contains("vda")), "{error:?}");
    }
}
