//! Plugging and unplugging.

use reeve_actions::Attachment;
use reeve_model::ErrorCode;
use reeve_model::domain_disk::{ChangeMedia, MediaAction};
use reeve_model::event::DomainChange as Change;

use crate::support::{Host, ROOT, changes_until, host, plain, refused};

const DISK: &str =
    "<disk type='file' device='disk'><source file='/tmp/none.img'/><target dev='vdb' bus='virtio'/></disk>";

/// Whether the live configuration and the definition have the disk.
fn has(host: &Host) -> (bool, bool) {
    let xml = |inactive| host.xml(&ROOT, "web", inactive).unwrap().contains("vdb");
    (xml(false), xml(true))
}

#[tokio::test]
async fn a_domain_that_is_off_is_changed_for_its_next_start() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.attach_device(&ROOT, "web", DISK).await.unwrap();
    assert!(has(&host).1);
    assert!(host.store.domains().unwrap()[0].xml.contains("vdb"));
    refused(host.attach_device(&ROOT, "web", DISK).await, ErrorCode::AlreadyExists, &["'web'", "vdb"]);
    let live = host.attach_device_to(&ROOT, "web", DISK, Attachment::Live).await;
    refused(live, ErrorCode::WrongState, &["domain 'web' is not running"]);
    host.detach_device(&ROOT, "web", DISK).await.unwrap();
    assert!(!has(&host).1);
    refused(host.detach_device(&ROOT, "web", DISK).await, ErrorCode::NotFound, &["'web'", "vdb"]);
    let shared = "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv/a'/><target dir='a'/></filesystem>";
    host.attach_device(&ROOT, "web", shared).await.unwrap();
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("/srv/a"));
    host.detach_device(&ROOT, "web", "<filesystem><target dir='a'/></filesystem>").await.unwrap();
    assert!(!host.xml(&ROOT, "web", true).unwrap().contains("/srv/a"));
    refused(host.attach_device(&ROOT, "web", "<disk").await, ErrorCode::Invalid, &["device", "line 1"]);
}

#[tokio::test]
async fn a_running_domain_is_changed_where_it_is_said() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let mut events = host.events(&ROOT, None).unwrap();
    host.attach_device(&ROOT, "web", DISK).await.unwrap();
    assert_eq!(has(&host), (true, false));
    assert_eq!(changes_until(&mut events, Change::DeviceAttached).await, [Change::DeviceAttached]);
    host.attach_device_to(&ROOT, "web", DISK, Attachment::Config).await.unwrap();
    assert_eq!(has(&host), (true, true));
    host.detach_device_from(&ROOT, "web", DISK, Attachment::LiveAndConfig).await.unwrap();
    assert_eq!(has(&host), (false, false));
    host.attach_device_to(&ROOT, "web", DISK, Attachment::LiveAndConfig).await.unwrap();
    assert_eq!(has(&host), (true, true));
    host.detach_device(&ROOT, "web", DISK).await.unwrap();
    assert_eq!(has(&host), (false, true));
}

#[tokio::test]
async fn a_medium_is_changed_where_it_is_said() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let drive =
        "<disk type='file' device='cdrom'><source file='/srv/a.iso'/><target dev='hdc' bus='virtio'/></disk>";
    host.attach_device(&ROOT, "web", drive).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let mut events = host.events(&ROOT, None).unwrap();
    let change = |source: Option<&str>, attachment| {
        let action = if source.is_some() { MediaAction::Update } else { MediaAction::Eject };
        let change = ChangeMedia { action, source: source.map(str::to_owned), ..ChangeMedia::default() };
        host.change_media(&ROOT, "web", "hdc", change, attachment)
    };
    let media = || {
        let xml = |inactive| host.xml(&ROOT, "web", inactive).unwrap();
        [false, true].map(|inactive| {
            let name = |name: &&&str| xml(inactive).contains(**name);
            ["a.iso", "b.iso"].iter().find(name).copied()
        })
    };
    change(Some("/srv/b.iso"), Attachment::Live).await.unwrap();
    assert_eq!(media(), [Some("b.iso"), Some("a.iso")]);
    assert_eq!(changes_until(&mut events, Change::Changed).await, [Change::Changed]);
    change(None, Attachment::Config).await.unwrap();
    assert_eq!(media(), [Some("b.iso"), None]);
    refused(
        change(None, Attachment::LiveAndConfig).await,
        ErrorCode::WrongState,
        &["'hdc'", "is empty already"],
    );
    assert_eq!(media(), [Some("b.iso"), None], "both or none");
    change(Some("/srv/a.iso"), Attachment::Persistent).await.unwrap();
    assert_eq!(media(), [Some("a.iso"), Some("a.iso")]);
    let document = drive.replace("<source file='/srv/a.iso'/>", "");
    host.update_device(&ROOT, "web", &document, Attachment::Live).await.unwrap();
    assert_eq!(media(), [None, Some("a.iso")]);
    let serial = document.replace("</disk>", "<serial>7</serial></disk>");
    let refusal = host.update_device(&ROOT, "web", &serial, Attachment::Live).await;
    refused(refusal, ErrorCode::Unsupported, &["'hdc'", "but for the medium of a drive"]);
}

#[tokio::test]
async fn what_a_machine_refuses_does_not_stay_in_the_definition() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let before = host.store.domains().unwrap();
    let watchdog = "<watchdog model='i6300esb'/>";
    let refusal = host.attach_device_to(&ROOT, "web", watchdog, Attachment::LiveAndConfig).await.unwrap_err();
    assert!(refusal.message.contains("'web'") && refusal.message.contains("watchdog"), "{refusal}");
    assert_eq!(host.store.domains().unwrap(), before);
    assert!(!host.xml(&ROOT, "web", true).unwrap().contains("watchdog"));
    assert!(host.store.open_operations().unwrap().is_empty());
}

#[tokio::test]
async fn a_plugged_interface_gets_one_mac_address_for_both() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let nic = "<interface type='ethernet'/>";
    host.attach_device_to(&ROOT, "web", nic, Attachment::LiveAndConfig).await.unwrap();
    let live = host.snapshot(&ROOT, "web").unwrap().config.devices.interfaces;
    let mac = live[0].mac.clone().unwrap();
    assert!(host.xml(&ROOT, "web", true).unwrap().contains(&mac));
    let nic = format!("<interface type='ethernet'><mac address='{mac}'/></interface>");
    host.detach_device_from(&ROOT, "web", &nic, Attachment::LiveAndConfig).await.unwrap();
    assert!(!host.xml(&ROOT, "web", true).unwrap().contains(&mac));
}
