//! Devices that are changed in place, on a host without networks: what is changed where, and what is refused.

use reeve_actions::Attachment;
use reeve_model::domain_interface::{AddressOptions, AddressSource, SetBandwidth};
use reeve_model::event::DomainChange as Change;
use reeve_model::network::RateLimit;
use reeve_model::{Actor, ErrorCode};

use crate::support::{Host, ROOT, changes_until, document, host, refused};

const NIC: &str = "<interface type='ethernet'><mac address='52:54:00:00:00:07'/><target dev='web0'/>\
                   <model type='virtio'/></interface>";
const DISK: &str =
    "<disk type='file' device='disk'><source file='/tmp/none.img'/><target dev='vdb' bus='virtio'/></disk>";

/// The interface with more in it.
fn with(more: &str) -> String {
    NIC.replace("</interface>", &format!("{more}</interface>"))
}

/// A running domain with a disk and an interface.
async fn running() -> (tempfile::TempDir, Host) {
    let (directory, host) = host();
    host.define(&ROOT, &document("web", "", &format!("{DISK}{NIC}")), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    (directory, host)
}

/// Whether the cable is plugged in: of the running machine, of the definition.
fn links(host: &Host) -> (bool, bool) {
    let link = |inactive| host.interfaces(&ROOT, "web", inactive).unwrap()[0].link_up;
    (link(false), link(true))
}

#[tokio::test]
async fn a_device_is_changed_where_it_is_said() {
    let (_directory, host) = running().await;
    let mut events = host.events(&ROOT, None).unwrap();
    let pulled = with("<link state='down'/>");
    host.update_device(&ROOT, "web", &pulled, Attachment::Current).await.unwrap();
    assert_eq!(links(&host), (false, true));
    assert_eq!(changes_until(&mut events, Change::Changed).await, [Change::Changed]);
    host.update_device(&ROOT, "web", &pulled, Attachment::Persistent).await.unwrap();
    assert_eq!(links(&host), (false, false));
    host.update_device(&ROOT, "web", NIC, Attachment::Live).await.unwrap();
    assert_eq!(links(&host), (true, false), "what a document does not say is as if there were none");
    host.update_device(&ROOT, "web", NIC, Attachment::Config).await.unwrap();
    assert_eq!(links(&host), (true, true));
    host.destroy(&ROOT, "web").await.unwrap();
    host.update_device(&ROOT, "web", &pulled, Attachment::Persistent).await.unwrap();
    assert!(
        host.store.domains().unwrap()[0].xml.contains("state='down'"),
        "one that is off has a definition only"
    );
    let live = host.update_device(&ROOT, "web", NIC, Attachment::Live).await;
    refused(live, ErrorCode::WrongState, &["domain 'web' is not running"]);
}

#[tokio::test]
async fn a_link_is_set_by_target_or_mac() {
    let (_directory, host) = running().await;
    let set = async |name: &str, up, to| host.set_interface_link(&ROOT, "web", name, up, to).await;
    let pulled = set("web0", false, Attachment::Current).await.unwrap();
    assert_eq!((pulled.link_up, pulled.target.as_deref()), (false, Some("web0")));
    assert_eq!(links(&host), (false, true));
    set("52:54:00:00:00:07", false, Attachment::Config).await.unwrap();
    assert_eq!(links(&host), (false, false));
    set("web0", true, Attachment::LiveAndConfig).await.unwrap();
    assert_eq!(links(&host), (true, true));
    let missing = refused(
        set("vnet9", true, Attachment::Current).await,
        ErrorCode::NotFound,
        &["domain 'web' has no interface 'vnet9'"],
    );
    assert!(missing.hint.unwrap().contains("reeve domain domiflist web"));
}

#[tokio::test]
async fn limits_are_changed_a_direction_at_a_time() {
    let (_directory, host) = running().await;
    let limit = |average_kib| Some(RateLimit { average_kib, ..RateLimit::default() });
    let set = async |limits| {
        host.set_interface_bandwidth(&ROOT, "web", "web0", limits, Attachment::LiveAndConfig).await
    };
    set(SetBandwidth { inbound: limit(1000), outbound: limit(500) }).await.unwrap();
    let now = set(SetBandwidth { inbound: limit(0), outbound: None }).await.unwrap();
    assert_eq!((now.bandwidth.inbound, now.bandwidth.outbound), (None, limit(500)));
    for inactive in [false, true] {
        assert_eq!(host.interfaces(&ROOT, "web", inactive).unwrap()[0].bandwidth, now.bandwidth);
    }
    let floor = RateLimit { average_kib: 10, floor_kib: Some(5), ..RateLimit::default() };
    refused(
        set(SetBandwidth { inbound: Some(floor), outbound: None }).await,
        ErrorCode::Invalid,
        &["domain 'web'", "floor"],
    );
}

#[tokio::test]
async fn what_a_guest_was_told_is_not_changed_while_it_runs() {
    let (_directory, host) = running().await;
    for (changed, field) in [
        (NIC.replace("'virtio'", "'e1000'"), "<model type> can't be changed from 'virtio' to 'e1000'"),
        (NIC.replace("'web0'", "'web1'"), "<target dev> can't be changed from 'web0' to 'web1'"),
        (with("<mtu size='1400'/>"), "<mtu size> can't be changed from 'none' to '1400'"),
        (with("<boot order='1'/>"), "<boot order>"),
        (with("<rom bar='off'/>"), "beyond what this version knows"),
    ] {
        let live = host.update_device(&ROOT, "web", &changed, Attachment::LiveAndConfig).await;
        let error = refused(live, ErrorCode::Unsupported, &["interface 'web0' of domain 'web'", field]);
        assert!(error.hint.unwrap().contains("--config"));
        let stored = &host.store.domains().unwrap()[0].xml;
        assert!(
            stored.contains("'web0'") && !stored.contains("e1000") && !stored.contains("1400"),
            "{stored}"
        );
    }
    host.update_device(&ROOT, "web", &with("<mtu size='1400'/>"), Attachment::Config).await.unwrap();
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("1400"));
    assert!(host.store.open_operations().unwrap().is_empty());
}

#[tokio::test]
async fn devices_that_are_not_there_or_can_not_be_changed_are_named() {
    let (_directory, host) = running().await;
    let update = async |xml: &str, to| host.update_device(&ROOT, "web", xml, to).await;
    let other = NIC.replace("00:07", "00:08");
    refused(update(&other, Attachment::Live).await, ErrorCode::NotFound, &["'web'", "'52:54:00:00:00:08'"]);
    refused(
        update("<interface type='ethernet'/>", Attachment::Live).await,
        ErrorCode::Invalid,
        &["not named"],
    );
    refused(
        update("<watchdog model='i6300esb'/>", Attachment::Config).await,
        ErrorCode::Unsupported,
        &["<watchdog> of domain 'web'"],
    );
    refused(update("<disk", Attachment::Live).await, ErrorCode::Invalid, &["device", "line 1"]);
    let changed = DISK.replace("none.img", "other.img");
    let live = update(&changed, Attachment::Live).await;
    refused(live, ErrorCode::Unsupported, &["disk 'vdb' of domain 'web'", "while the machine runs"]);
    update(&changed, Attachment::Config).await.unwrap();
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("/tmp/other.img"));
    assert!(!host.xml(&ROOT, "web", false).unwrap().contains("/tmp/other.img"));
    refused(
        update(&changed.replace("vdb", "vdc"), Attachment::Config).await,
        ErrorCode::NotFound,
        &["domain 'web' has no disk 'vdc'"],
    );
}

#[tokio::test]
async fn addresses_are_those_of_a_running_guest() {
    let (_directory, host) = running().await;
    let ask = async |options: AddressOptions| host.interface_addresses(&ROOT, "web", &options).await;
    assert!(ask(AddressOptions::default()).await.unwrap().is_empty(), "the simulator has no leases");
    let of =
        |interface: &str| AddressOptions { interface: Some(interface.into()), ..AddressOptions::default() };
    refused(ask(of("vnet9")).await, ErrorCode::NotFound, &["'web'", "'vnet9'"]);
    let from = |source| AddressOptions { source, ..AddressOptions::default() };
    assert!(ask(from(AddressSource::Arp)).await.unwrap().is_empty(), "nobody sent a frame");
    refused(ask(from(AddressSource::Agent)).await, ErrorCode::Unsupported, &["'web'", "no channels"]);
    host.destroy(&ROOT, "web").await.unwrap();
    refused(ask(AddressOptions::default()).await, ErrorCode::WrongState, &["domain 'web' is not running"]);
}

#[tokio::test]
async fn who_may_not_change_devices_may_not_change_interfaces() {
    let (_directory, host) = running().await;
    let nobody = Actor::Client { uid: 4242, pid: 1 };
    refused(
        host.update_device(&nobody, "web", NIC, Attachment::Live).await,
        ErrorCode::Denied,
        &["4242", "domain:device"],
    );
    refused(
        host.set_interface_link(&nobody, "web", "web0", false, Attachment::Live).await,
        ErrorCode::Denied,
        &["4242", "domain:device"],
    );
    let limits = SetBandwidth::default();
    refused(
        host.set_interface_bandwidth(&nobody, "web", "web0", limits, Attachment::Live).await,
        ErrorCode::Denied,
        &["4242", "domain:device"],
    );
    refused(host.interfaces(&nobody, "web", false), ErrorCode::Denied, &["4242", "domain:read"]);
    assert_eq!(links(&host), (true, true));
}
