//! Devices that are plugged into running guests of the native driver, and networks of sockets.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panic and says why it is skipped"
)]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_domain::{Console, Device, Request, Turn};
use reeve_model::domain::{Disk, DomainConfig, Interface};
use reeve_model::event::DomainChange as Change;
use reeve_model::{Actor, DomainState as State, ErrorCode};
use reeve_sys::link::{
    Change as LinkChange, KernelLinks, LinkName, Links, Macvtap, MacvtapMode, NewLink, PersistentTap,
};
use reeve_sys::namespace::NetworkNamespace;
use reeve_sys::packet::PacketSocket;
use reeve_sys::process::Run;
use support::lab::{Lab, disk, guest_document, interface, says};
use support::{Host, InMemory};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

const MAC: &str = "00:16:3e:00:00:01";

async fn turn(host: &Host, uuid: Uuid, request: Request) -> Turn {
    host.domains.begin(Actor::Daemon, uuid, request).await.unwrap()
}

async fn attach(host: &Host, uuid: Uuid, device: Device) -> Result<(), reeve_model::Error> {
    Ok(turn(host, uuid, Request::AttachDevice).await.attach_device(device).await?)
}

async fn detach(host: &Host, uuid: Uuid, device: Device) -> Result<(), reeve_model::Error> {
    Ok(turn(host, uuid, Request::DetachDevice).await.detach_device(device).await?)
}

async fn update(host: &Host, uuid: Uuid, device: Device) -> Result<(), reeve_model::Error> {
    Ok(turn(host, uuid, Request::UpdateDevice).await.update_device(device).await?)
}

fn a_disk(disk: &Disk) -> Device {
    Device::Disk(Box::new(disk.clone()))
}

fn a_nic(interface: &Interface) -> Device {
    Device::Interface(Box::new(interface.clone()))
}

fn live(host: &Host, uuid: Uuid) -> DomainConfig {
    host.domains.snapshot(uuid).unwrap().config
}

async fn tell(console: &mut Console, command: &str, answer: &str) -> String {
    console.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    says(console, answer).await
}

/// A running guest and its console.
async fn boot(host: &Host, config: &DomainConfig) -> (Uuid, Console) {
    let uuid = host.define(config);
    host.start(uuid).await.unwrap();
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    says(&mut console, "ready").await;
    (uuid, console)
}

fn image(lab: &Lab) -> PathBuf {
    let image = lab.root.path().join("image");
    std::fs::write(&image, vec![0; 1 << 20]).unwrap();
    image
}

/// Waits for something that the kernel does a moment after a descriptor was closed.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn disk_and_interface_come_and_go_while_the_guest_runs() {
    let lab = Lab::new();
    let host = lab.host();
    let image = image(&lab);
    let (uuid, mut console) = boot(&host, &guest_document("web", "")).await;
    let (disk, nic) = (disk("vdb", &image), interface("ethernet", MAC, &[]));
    attach(&host, uuid, a_disk(&disk)).await.unwrap();
    attach(&host, uuid, a_nic(&nic)).await.unwrap();
    says(&mut console, "net 0 is in slot").await;
    tell(&mut console, "disk put 0 3 written-by-a-guest", "ok").await;
    tell(&mut console, "disk flush 0", "ok").await;
    assert!(std::fs::read(&image).unwrap()[3 * 512..].starts_with(b"written-by-a-guest"));
    tell(&mut console, "net 0 mac", MAC).await;
    let config = live(&host, uuid);
    let target = config.devices.interfaces[0].target.clone().unwrap();
    assert_eq!(host.kept.records()[0].config, config, "the next daemon knows of them");
    assert!(host.domains.definition(uuid).unwrap().unwrap().devices.disks.is_empty());
    tell(&mut console, "net 0 send 3 100", "ok frames=3").await;
    let stats = host.domains.stats(uuid).await.unwrap();
    assert_eq!(
        (stats.disks[0].target.as_str(), stats.interfaces[0].target.as_str()),
        ("vdb", target.as_str())
    );
    assert_eq!((stats.interfaces[0].tx_packets, stats.interfaces[0].tx_bytes), (3, 300));
    let second = {
        let mut config = guest_document("second", "");
        config.devices.disks.push(disk.clone());
        host.define(&config)
    };
    assert_eq!(host.start(second).await.unwrap_err().code, ErrorCode::Busy, "the image is locked");

    let tap = PathBuf::from(format!("/sys/class/net/{target}"));
    assert!(tap.exists());
    detach(&host, uuid, a_nic(&nic)).await.unwrap();
    detach(&host, uuid, a_disk(&disk)).await.unwrap();
    assert!(live(&host, uuid).devices.interfaces.is_empty() && live(&host, uuid).devices.disks.is_empty());
    assert_eq!(host.kept.records()[0].config, live(&host, uuid));
    until("the tap is left", || !tap.exists()).await;
    host.start(second).await.unwrap();
    let gone = detach(&host, uuid, a_disk(&disk)).await.unwrap_err();
    assert!(gone.message.contains("has no disk 'vdb'"), "{gone}");
    let missing = support::lab::disk("vdc", Path::new("/no/such/image"));
    let error = attach(&host, uuid, a_disk(&missing)).await.unwrap_err();
    assert!(error.message.contains("disk vdc '/no/such/image' can't be opened"), "{error}");
    assert!(live(&host, uuid).devices.disks.is_empty());
    for uuid in [uuid, second] {
        host.ask(uuid, Request::Destroy).await.unwrap();
    }
    lab.is_clean();
}

#[tokio::test]
async fn a_guest_that_keeps_a_device_is_waited_for_and_then_believed_when_it_lets_go() {
    let lab = Lab::new();
    let host = lab.host();
    let mut config = guest_document("web", "run=pci+auto+off");
    let disk = disk("vda", &image(&lab));
    config.devices.disks.push(disk.clone());
    let (uuid, mut console) = boot(&host, &config).await;
    let error = detach(&host, uuid, a_disk(&disk)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Deadline, "{error}");
    assert!(
        error.message.contains("did not answer the request to let go of the device within 5 s"),
        "{error}"
    );
    assert_eq!(live(&host, uuid).devices.disks.len(), 1);
    host.told.forget();
    tell(&mut console, "pci eject 1", "ok gone").await;
    host.hears(uuid, Change::DeviceDetached).await;
    assert!(
        live(&host, uuid).devices.disks.is_empty() && host.kept.records()[0].config.devices.disks.is_empty()
    );

    attach(&host, uuid, a_disk(&disk)).await.unwrap();
    let turn = turn(&host, uuid, Request::DetachDevice).await;
    turn.remove_device(a_disk(&disk)).await.unwrap();
    drop(turn);
    assert!(live(&host, uuid).devices.disks.is_empty());
    attach(&host, uuid, a_disk(&disk)).await.unwrap();
    host.ask(uuid, Request::Destroy).await.unwrap();
    lab.is_clean();
}

#[tokio::test]
async fn a_link_goes_down_and_up_and_what_can_not_be_changed_is_refused() {
    let lab = Lab::new();
    let host = lab.host();
    let mut config = guest_document("web", "");
    let nic = interface("ethernet", MAC, &[]);
    config.devices.interfaces.push(Interface { link_up: Some(false), ..nic.clone() });
    let (uuid, mut console) = boot(&host, &config).await;
    tell(&mut console, "net link", "ok down").await;
    tell(&mut console, "net send 4", "ok frames=4").await;
    let up = Interface { link_up: Some(true), ..nic.clone() };
    update(&host, uuid, a_nic(&up)).await.unwrap();
    says(&mut console, "net 0 is up").await;
    tell(&mut console, "net send 2", "ok frames=2").await;
    let stats = host.domains.stats(uuid).await.unwrap().interfaces[0].clone();
    assert_eq!((stats.tx_packets, stats.tx_dropped), (2, 4));
    let config = live(&host, uuid);
    assert_eq!(config.devices.interfaces[0].link_up, Some(true));
    assert!(
        config.devices.interfaces[0].target.is_some() && config.devices.interfaces[0].common.alias.is_some()
    );
    for changed in [
        Interface { model: Some("e1000".to_owned()), ..nic.clone() },
        Interface { target: Some("other".to_owned()), ..nic.clone() },
        Interface { mtu: Some(9000), ..nic.clone() },
    ] {
        let error = update(&host, uuid, a_nic(&changed)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unsupported, "{error}");
    }
    assert_eq!(live(&host, uuid), config);
    let unknown = interface("ethernet", "00:16:3e:00:00:02", &[]);
    let error = update(&host, uuid, a_nic(&unknown)).await.unwrap_err();
    assert!(error.message.contains("has no interface '00:16:3e:00:00:02'"), "{error}");
    update(&host, uuid, a_nic(&Interface { link_up: Some(false), ..nic })).await.unwrap();
    says(&mut console, "net 0 is down").await;
    // A guest that starts over is as its domain says.
    host.ask(uuid, Request::Reset).await.unwrap();
    says(&mut console, "ready").await;
    tell(&mut console, "net link", "ok down").await;
    host.ask(uuid, Request::Destroy).await.unwrap();
    lab.is_clean();
}

#[tokio::test]
async fn a_tunnel_joins_guests_and_a_missing_server_is_named() {
    let lab = Lab::new();
    let host = lab.host();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let at = [("address", "127.0.0.1"), ("port", port.as_str())];
    let document = |name: &str, kind: &str, mac: &str| {
        let mut config = guest_document(name, "");
        config.devices.interfaces.push(interface(kind, mac, &at));
        config
    };
    let client = document("client", "client", "00:16:3e:00:00:02");
    let error = host.start(host.define(&client)).await.unwrap_err();
    let sentence = format!("no tunnel server answers at 127.0.0.1:{port}");
    assert!(error.message.contains(&sentence), "{error}");
    let (server, mut console) = boot(&host, &document("server", "server", MAC)).await;
    let busy = host.start(host.define(&document("twin", "server", MAC))).await.unwrap_err();
    assert!(busy.message.contains("can't be listened on"), "{busy}");
    let (client, mut other) = boot(&host, &client).await;
    console.write_all(b"net recv 5 15000\n").await.unwrap();
    tell(&mut other, "net send 5 200", "ok frames=5").await;
    says(&mut console, "ok frames=5 bytes=1000").await;
    // A third one is plugged into the network.
    let (third, mut late) = boot(&host, &guest_document("third", "")).await;
    attach(&host, third, a_nic(&interface("client", "00:16:3e:00:00:03", &at))).await.unwrap();
    says(&mut late, "net 0 is in slot").await;
    other.write_all(b"net recv 5 15000\n").await.unwrap();
    tell(&mut late, "net send 5 200", "ok frames=5").await;
    says(&mut other, "ok frames=5 bytes=1000").await;
    for uuid in [server, client, third] {
        host.ask(uuid, Request::Destroy).await.unwrap();
    }
    lab.is_clean();
}

/// Runs a test, workers included, in a network namespace of its own; says so where that is not allowed.
fn isolated<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send) {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(error) => return println!("SKIP C {name}: {error}"),
    };
    let body = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    };
    namespace.run(body).unwrap();
}

fn ip(arguments: &str) {
    let args = arguments.split_whitespace().map(OsStr::new).collect();
    let deadline = Duration::from_secs(20);
    let run = Run { path: Path::new("/usr/sbin/ip"), args, input: &[], deadline, output_limit: 1 << 20 };
    let finished = run.finish().unwrap();
    assert!(finished.succeeded(), "ip {arguments}: {}", finished.first_line());
}

#[test]
fn guests_of_a_multicast_group_are_one_network() {
    isolated("guests_of_a_multicast_group_are_one_network", multicast);
}

async fn multicast() {
    ip("link set lo multicast on");
    ip("route add 224.0.0.0/4 dev lo");
    let lab = Lab::new();
    let host = lab.host();
    let at = [("address", "230.0.0.1"), ("port", "5558")];
    let mut guests = Vec::new();
    for (name, mac) in [("one", MAC), ("two", "00:16:3e:00:00:02")] {
        let mut config = guest_document(name, "");
        config.devices.interfaces.push(interface("mcast", mac, &at));
        guests.push(boot(&host, &config).await);
    }
    let [(one, first), (two, second)] = guests.as_mut_slice() else { panic!("two guests") };
    for _ in 0..3 {
        second.write_all(b"net recv 5 15000\n").await.unwrap();
        tell(first, "net send 5 200", "ok frames=5").await;
        says(second, "ok frames=5 bytes=1000").await;
        tell(first, "net recv 1 50", "ok frames=0").await;
        std::mem::swap(first, second);
    }
    for uuid in [*one, *two] {
        host.ask(uuid, Request::Destroy).await.unwrap();
    }
    lab.is_clean();
}

#[test]
fn links_that_somebody_made_carry_the_frames_of_guests() {
    isolated("links_that_somebody_made_carry_the_frames_of_guests", prepared_links);
}

async fn prepared_links() {
    let name = |text: &str| LinkName::new(text).unwrap();
    let links = KernelLinks;
    links.create(&name("lower"), &NewLink::Veth { peer: name("far") }).unwrap();
    let macvtap =
        Macvtap { lower: name("lower"), mode: MacvtapMode::Bridge, mac: Some(MAC.parse().unwrap()) };
    links.create(&name("direct0"), &NewLink::Macvtap(macvtap)).unwrap();
    links.create(&name("vnet0"), &NewLink::Tap(PersistentTap::default())).unwrap();
    for link in ["lower", "far", "direct0"] {
        links.change(&name(link), &LinkChange::Up).unwrap();
    }
    let lab = Lab::new();
    let host = lab.host();
    let mut config = guest_document("web", "");
    let made = |kind: &str, mac: &str, target: &str| Interface {
        target: Some(target.to_owned()),
        ..interface(kind, mac, &[])
    };
    config.devices.interfaces.push(made("direct", MAC, "direct0"));
    let (uuid, mut console) = boot(&host, &config).await;
    let second = made("network", "00:16:3e:00:00:02", "vnet0");
    attach(&host, uuid, a_nic(&second)).await.unwrap();
    says(&mut console, "net 1 is in slot").await;
    for (net, link) in [(0, "far"), (1, "vnet0")] {
        let socket = PacketSocket::open(&name(link), None).unwrap();
        tell(&mut console, &format!("net {net} send 1 333"), "ok frames=1").await;
        let ours = |frame: &[u8]| frame.len() == 333 && frame[12..14] == [0x88, 0xb5];
        let deadline = Instant::now() + Duration::from_secs(10);
        while !socket.receive(Duration::from_millis(100)).unwrap().is_some_and(|frame| ours(&frame.bytes)) {
            assert!(Instant::now() < deadline, "no frame came by {link}");
        }
        let mut back = vec![0xff; 6];
        back.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
        back.resize(60, 7);
        console.write_all(format!("net {net} recv 1 10000\n").as_bytes()).await.unwrap();
        socket.send(&back).unwrap();
        says(&mut console, "ok frames=1").await;
    }
    detach(&host, uuid, a_nic(&second)).await.unwrap();
    host.ask(uuid, Request::Destroy).await.unwrap();
    for link in ["direct0", "vnet0"] {
        assert!(links.find(&name(link)).unwrap().is_some(), "'{link}' is gone with the guest");
    }
    lab.is_clean();
}

#[tokio::test]
async fn links_that_nobody_made_are_named() {
    let lab = Lab::new();
    let host = lab.host();
    let (uuid, _console) = boot(&host, &guest_document("web", "")).await;
    for (kind, sentence) in
        [("network", "there is no tap 'rvnobody'"), ("direct", "tap 'rvnobody' can't be opened")]
    {
        let nic = Interface { target: Some("rvnobody".to_owned()), ..interface(kind, MAC, &[]) };
        let error = attach(&host, uuid, a_nic(&nic)).await.unwrap_err();
        assert!(error.message.contains(sentence), "{error}");
    }
    let error = attach(&host, uuid, a_nic(&interface("user", MAC, &[]))).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported, "{error}");
    assert!(live(&host, uuid).devices.interfaces.is_empty());
    host.ask(uuid, Request::Destroy).await.unwrap();
    lab.is_clean();
}

/// What was plugged before a daemon died is there for the next one, and what went meanwhile is not.
#[test]
fn a_restarted_daemon_finds_what_was_plugged() {
    let lab = Lab::new();
    let kept: Arc<InMemory> = Arc::default();
    let config = guest_document("web", "run=pci+auto+off");
    let (stays, goes) = (image(&lab), lab.root.path().join("other"));
    std::fs::write(&goes, vec![0; 1 << 20]).unwrap();
    let (stays, goes) = (disk("vdb", &stays), disk("vdc", &goes));
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();

    let first = runtime();
    let unrecorded = first.block_on(async {
        let host = Host::with_records(vec![lab.driver()], kept.clone());
        let (uuid, mut console) = boot(&host, &config).await;
        attach(&host, uuid, a_disk(&stays)).await.unwrap();
        attach(&host, uuid, a_disk(&goes)).await.unwrap();
        tell(&mut console, "pci rescan", "ok disks=2").await;
        tell(&mut console, "disk put 0 3 before", "ok").await;
        // The guest lets go of one while no daemon hears it.
        detach(&host, uuid, a_disk(&goes)).await.unwrap_err();
        console.write_all(b"spin 1\npci eject 3\n").await.unwrap();
        // The record of this one is lost.
        let before = kept.records();
        let nic = interface("ethernet", MAC, &[]);
        attach(&host, uuid, a_nic(&nic)).await.unwrap();
        use reeve_domain::Keeper;
        kept.keep(&before[0]).await.unwrap();
        live(&host, uuid).devices.interfaces[0].target.clone().unwrap()
    });
    first.shutdown_timeout(Duration::from_secs(5));

    let second = runtime();
    second.block_on(async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let host = Host::with_records(vec![lab.driver()], kept.clone());
        host.domains.restore(config.clone(), false).unwrap();
        let recovered = host.domains.recover(kept.records(), &BTreeMap::new()).await;
        assert_eq!(recovered.adopted, [config.uuid]);
        let config = live(&host, config.uuid);
        let disks: Vec<_> = config.devices.disks.iter().map(|disk| disk.target.as_str()).collect();
        assert_eq!((disks, config.devices.interfaces.len()), (vec!["vdb"], 0));
        assert_eq!(kept.records()[0].config, config);
        until("an unrecorded interface is left", || {
            !Path::new(&format!("/sys/class/net/{unrecorded}")).exists()
        })
        .await;
        let uuid = config.uuid;
        assert_eq!(host.state(uuid), Some(State::Running));
        let stats = host.domains.stats(uuid).await.unwrap();
        assert_eq!((stats.disks.len(), stats.disks[0].target.as_str()), (1, "vdb"));
        let mut console = host.domains.open_console(uuid, None).await.unwrap();
        tell(&mut console, "pci auto on", "ok").await;
        tell(&mut console, "disk read 0 3", "text=before").await;
        detach(&host, uuid, a_disk(&stays)).await.unwrap();
        host.ask(uuid, Request::Destroy).await.unwrap();
        lab.is_clean();
    });
}
