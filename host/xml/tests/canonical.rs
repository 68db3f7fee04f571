//! The canonical form of whole domains, and what is said about them.

use reeve_xml::{ParseOptions, WarningKind, domain};

const MINIMAL: &str = include_str!("../../../tests/fixtures/minimal.xml");
const MANAGED: &str = include_str!("../../../tests/fixtures/lane-b/managed.xml");
const TWENTY_DEVICES: &str = include_str!("../../../tests/fixtures/domain-20-devices.xml");
const TYPOS: &str = include_str!("../../../tests/fixtures/domain-typos.xml");

fn warnings(text: &str) -> String {
    let parsed = domain::parse(text, &ParseOptions::default()).expect("a good document");
    let lines = parsed.warnings.iter().map(|warning| format!("{} {warning}\n", warning.kind));
    lines.collect()
}

#[test]
fn a_minimal_domain_gets_every_default() {
    let checked = reeve_xml::check(MINIMAL, None).expect("a good document");
    assert_eq!(checked.warnings, []);
    insta::assert_snapshot!(checked.canonical);
}

#[test]
fn twenty_devices_are_canonical_already() {
    let parsed = domain::parse(TWENTY_DEVICES, &ParseOptions::default()).expect("a good document");
    assert_eq!(domain::format(&parsed.document), TWENTY_DEVICES);
    assert_eq!(parsed.warnings, []);
    assert_eq!(parsed.document.devices.commons().count(), 20);
}

#[test]
fn drivers_of_interfaces_and_sockets_are_read_whole() {
    let devices = "\
    <filesystem type='mount' accessmode='passthrough'>
      <driver type='virtiofs' queue='512'/>
      <binary path='/usr/libexec/virtiofsd' xattr='on'>
        <cache mode='always'/>
        <sandbox mode='namespace'/>
        <thread_pool size='4'/>
      </binary>
      <source dir='/srv/projects'/>
      <target dir='projects'/>
      <readonly/>
    </filesystem>
    <interface type='network'>
      <mac address='52:54:00:00:00:01'/>
      <source network='default'/>
      <model type='virtio'/>
      <driver name='qemu' queues='4'>
        <host csum='off' gso='off' tso4='off' tso6='off' ecn='off' ufo='off' mrg_rxbuf='off'/>
        <guest csum='off' tso4='on' tso6='off' ecn='off' ufo='off'/>
      </driver>
    </interface>
    <vsock model='virtio'>
      <cid auto='no' address='3'/>
    </vsock>
";
    let text = MINIMAL.replace("</domain>", &format!("<devices>{devices}</devices></domain>"));
    let parsed = domain::parse(&text, &ParseOptions::default()).expect("a good document");
    assert_eq!(parsed.warnings, []);
    let canonical = domain::format(&parsed.document);
    for line in devices.lines() {
        assert!(canonical.contains(line), "{line} is not in {canonical}");
    }
    let guest = text.replace("<guest csum='off'", "<guest gso='off'");
    let parsed = domain::parse(&guest, &ParseOptions::default()).expect("a good document");
    assert_eq!(parsed.warnings.len(), 1, "gso is the host's: {:?}", parsed.warnings);
    let error = domain::parse(&text.replace("csum='off' gso", "csum='maybe' gso"), &ParseOptions::default());
    assert!(error.is_err_and(|error| error.to_string().contains("csum")));
}

#[test]
fn typos_are_named_one_by_one() {
    insta::assert_snapshot!(warnings(TYPOS));
    let parsed = domain::parse(TYPOS, &ParseOptions::default()).expect("typos are no errors");
    insta::assert_snapshot!(domain::format(&parsed.document));
}

#[test]
fn strict_makes_the_first_warning_an_error() {
    let strict = ParseOptions { strict: true };
    let error = domain::parse(TYPOS, &strict).expect_err("typos");
    assert_eq!((error.line, error.column, error.path.as_str()), (4, 3, "/domain/memroy"));
    assert_eq!(error.message, "<domain> has no element <memroy>; did you mean 'memory'?");
    let parsed = domain::parse(TYPOS, &ParseOptions::default()).expect("typos are no errors");
    assert!(parsed.warnings.iter().any(|warning| warning.kind == WarningKind::NotHonoured));
}

#[test]
fn a_running_domain_shows_its_id() {
    let parsed = domain::parse(TWENTY_DEVICES, &ParseOptions::default()).expect("a good document");
    let live = domain::format_live(&parsed.document, 7);
    assert!(live.starts_with("<domain type='kvm' id='7'>\n"));
    let again = domain::parse(&live, &ParseOptions::default()).expect("a good document");
    assert_eq!(again.document, parsed.document);
}

/// A stock guest has all of that (`tests/tests/lane_b.rs`), so nobody is told that it has not.
#[test]
fn what_is_followed_is_not_warned_of() {
    assert_eq!(warnings(MANAGED), "");
    let policies =
        MANAGED.replace("type='qcow2'", "type='qcow2' error_policy='enospace' rerror_policy='stop'");
    assert_eq!(warnings(&policies), "");
    let other = MANAGED.replace("name='qemu' type='qcow2'", "name='file' type='vmdk'");
    assert_eq!(warnings(&other).lines().count(), 2);
}

/// What libvirt's documents say and this machine has no use for is named with the reason.
#[test]
fn what_is_not_followed_says_why() {
    let parts = "<on_lockfailure>pause</on_lockfailure>
      <features><hap/><hyperv><relaxed state='on'/></hyperv></features>
      <devices><emulator>/usr/bin/qemu-kvm</emulator>
        <disk snapshot='no' device='cdrom'>
          <driver type='raw' io='threads'/><source file='/a.iso' startupPolicy='optional'/>
          <target dev='vda'/><boot order='1'/>
        </disk>
        <disk><driver type='raw'/><source file='/b.img'/><target dev='vdb'/><boot order='2'/></disk>
      </devices>
      <resource><partition>/virtualmachines/production</partition></resource>";
    let said = warnings(&MINIMAL.replace("</domain>", &format!("{parts}</domain>")));
    let expected = [
        ("on_lockfailure", "so that none is lost"),
        ("features/hap", "mapped by the CPU"),
        ("features/hyperv", "Windows"),
        ("devices/emulator", "own worker"),
        ("disk[1]/boot", "no firmware"),
        ("disk[2]/boot", "no firmware"),
    ];
    assert_eq!(said.lines().count(), expected.len(), "{said}");
    for ((path, why), line) in expected.into_iter().zip(said.lines()) {
        assert!(line.contains(path) && line.contains(why), "{path}: {line}");
    }
    let parsed = domain::parse(
        &domain::format(
            &domain::parse(
                &MINIMAL.replace("</domain>", &format!("{parts}</domain>")),
                &ParseOptions::default(),
            )
            .expect("a good document")
            .document,
        ),
        &ParseOptions::default(),
    )
    .expect("a good document");
    let partition = parsed.document.resource.partition.as_deref();
    assert_eq!(partition, Some("/virtualmachines/production"));
}
