//! Typed edits.

use reeve_actions::edit::{EditError, apply};
use reeve_model::Bytes;
use reeve_model::domain::DomainConfig;
use reeve_model::edit::Edit;

use crate::support::document;

const DEVICES: &str = "
  <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/tmp/a.img'/><target dev='vda' bus='virtio'/></disk>
  <interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='br0'/><target dev='tap0'/></interface>
  <rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='ua-rng'/></rng>";

fn config() -> DomainConfig {
    reeve_xml::domain::parse(&document("web", "sim.start-ms=1", DEVICES), &Default::default())
        .unwrap()
        .document
}

fn edited(edit: Edit) -> DomainConfig {
    apply(&config_fixed(), &[edit]).unwrap()
}

/// The same domain each time: a document without a UUID gets a new one.
fn config_fixed() -> DomainConfig {
    DomainConfig { uuid: uuid::Uuid::nil(), ..config() }
}

fn error(edit: Edit) -> EditError {
    apply(&config_fixed(), &[edit]).unwrap_err()
}

#[test]
fn scalars() {
    let small = edited(Edit::SetMemory { bytes: Bytes::mib(32) });
    assert_eq!((small.memory, small.current_memory), (Bytes::mib(32), Bytes::mib(32)));
    let large = edited(Edit::SetMemory { bytes: Bytes::mib(128) });
    assert_eq!((large.memory, large.current_memory), (Bytes::mib(128), Bytes::mib(64)));
    assert_eq!(edited(Edit::SetCurrentMemory { bytes: Bytes::mib(16) }).current_memory, Bytes::mib(16));
    assert_eq!(edited(Edit::SetVcpus { count: 4 }).vcpu.max, 4);
    assert_eq!(edited(Edit::SetCpuShares { shares: 512 }).cputune.shares, Some(512));
    assert_eq!(edited(Edit::SetTitle { title: "x".to_owned() }).title.as_deref(), Some("x"));
    assert_eq!(edited(Edit::SetTitle { title: String::new() }).title, None);
    assert_eq!(edited(Edit::SetCmdline { cmdline: "quiet".to_owned() }).os.cmdline.as_deref(), Some("quiet"));
}

/// Found by fuzzing: the stored document said less than the configuration.
#[test]
fn memory_is_rounded_up_as_in_documents() {
    let odd = Bytes(Bytes::mib(16).0 - 1);
    assert_eq!(edited(Edit::SetCurrentMemory { bytes: odd }).current_memory, Bytes::mib(16));
    assert_eq!(edited(Edit::SetMemory { bytes: odd }).memory, Bytes::mib(16));
    assert!(matches!(error(Edit::SetMemory { bytes: Bytes(u64::MAX) }), EditError::Size { .. }));
}

/// Found by fuzzing: a name with a quote in it brought elements into the stored document that no grant covered.
#[test]
fn an_attribute_name_is_a_name() {
    for attribute in ["", "a b", "x='1'/><script path='/x'/><x y", "-x", "1x", "a[b", "x:y"] {
        let (mac, value) = ("00:16:3e:00:00:01".to_owned(), "br1".to_owned());
        let edit = Edit::SetInterfaceSource { mac, attribute: attribute.to_owned(), value };
        assert!(matches!(error(edit), EditError::Attribute { .. }), "{attribute}");
    }
}

#[test]
fn devices() {
    let cache = Edit::SetDiskCache { target: "vda".to_owned(), cache: "none".to_owned() };
    assert_eq!(edited(cache).devices.disks[0].driver.cache.as_deref(), Some("none"));
    let source = Edit::SetInterfaceSource {
        mac: "00:16:3E:00:00:01".to_owned(),
        attribute: "bridge".to_owned(),
        value: "br1".to_owned(),
    };
    assert_eq!(edited(source).devices.interfaces[0].source, [("bridge".to_owned(), "br1".to_owned())]);
    let balloon = Edit::AddDevice { xml: "<memballoon model='virtio'/>".to_owned() };
    assert_eq!(edited(balloon).devices.memballoon.unwrap().model, "virtio");
    for alias in ["ua-rng", "vda", "tap0", "00:16:3e:00:00:01"] {
        let edited = edited(Edit::RemoveDevice { alias: alias.to_owned() }).devices;
        assert_eq!(edited.disks.len() + edited.interfaces.len() + edited.rngs.len(), 2, "{alias}");
    }
}

#[test]
fn metadata_and_the_whole_document() {
    let edits = [
        Edit::SetMetadata { xml: "<a:x xmlns:a='urn:a'>1</a:x>".to_owned() },
        Edit::SetMetadata { xml: "<a:x xmlns:a='urn:a'>2</a:x>".to_owned() },
    ];
    let metadata = apply(&config_fixed(), &edits).unwrap().metadata.unwrap();
    assert!(metadata.contains(">2<") && !metadata.contains(">1<"), "{metadata}");
    let xml = reeve_xml::domain::format(&DomainConfig { title: Some("new".to_owned()), ..config_fixed() });
    assert_eq!(edited(Edit::Replace { xml }).title.as_deref(), Some("new"));
}

#[test]
fn what_can_not_be_is_refused_with_the_subject() {
    let text = |edit| error(edit).to_string();
    let name = "domain 'web'";
    for (edit, words) in [
        (Edit::SetDiskCache { target: "vdz".to_owned(), cache: "none".to_owned() }, ["'vdz'", "vda"]),
        (Edit::RemoveDevice { alias: "nothing".to_owned() }, ["'nothing'", "ua-rng"]),
        (Edit::SetMemory { bytes: Bytes(0) }, ["memory", "not valid"]),
        (Edit::SetCurrentMemory { bytes: Bytes::gib(1) }, ["above memory", "not valid"]),
        (Edit::SetVcpus { count: 0 }, ["vCPUs", "not valid"]),
        (Edit::SetDiskCache { target: "vda".to_owned(), cache: "fast".to_owned() }, ["fast", "not valid"]),
    ] {
        let message = text(edit);
        assert!(message.contains(name) && words.iter().all(|word| message.contains(word)), "{message}");
    }
    let taken = "<disk type='file' device='disk'><source file='/b'/><target dev='vda' bus='virtio'/></disk>";
    assert!(matches!(error(Edit::AddDevice { xml: taken.to_owned() }), EditError::Conflict { .. }));
    assert!(matches!(
        error(Edit::AddDevice { xml: "<disk".to_owned() }),
        EditError::Xml { edit: "add-device", .. }
    ));
    assert!(matches!(
        error(Edit::SetMetadata { xml: "<x/>".to_owned() }),
        EditError::Xml { edit: "set-metadata", .. }
    ));
    let renamed = reeve_xml::domain::format(&DomainConfig { name: "mail".to_owned(), ..config_fixed() });
    assert!(matches!(error(Edit::Replace { xml: renamed }), EditError::Identity { what: "name", .. }));
    let other = reeve_xml::domain::format(&DomainConfig { uuid: uuid::Uuid::max(), ..config_fixed() });
    assert!(matches!(error(Edit::Replace { xml: other }), EditError::Identity { what: "UUID", .. }));
}
