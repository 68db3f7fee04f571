//! Addresses that nobody wrote down: what a guest may send before and after its own is learned, as its peers on the bridge see it.

use std::fs;
use std::net::Ipv4Addr;

use reeve_packets::{Arp, BROADCAST, Dhcp, Frame, ipv4, udp};
use reeve_store::Store;
use reeve_tests::{Guest, Run, policy, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lab::{Lab, document};
use crate::station::{GUEST, STATION, Station, heard_before, listen};
use crate::{Outcome, PATIENCE};

/// A network that gives no addresses.
const QUIET: &str = "<network><name>lab</name><bridge name='labbr'/>\
                     <ip address='192.168.77.1' netmask='255.255.255.0'/></network>";

/// A lab with a guest that is defined, whose filter `own` has these parameters besides.
fn defined(network: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Lab> {
    let lab = Lab::with(network)?;
    lab.reeve(&["network", "start", "lab"])?.ok();
    load(&lab)?;
    define_own(&lab, &[])?;
    let devices =
        interface("lab", &reference("own", parameters)) + "<serial type='pty'><target port='0'/></serial>";
    let guest = Guest::locate()?.document_with("web", 64, "", &devices);
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &guest)?.ok();
    Ok(lab)
}

/// The guest's interface in a network, with more in it.
fn interface(network: &str, more: &str) -> String {
    format!(
        "<interface type='network'><mac address='{GUEST}'/><source network='{network}'/><model type='virtio'/>{more}\
         </interface>"
    )
}

/// Changes the interface of the running guest.
fn update(lab: &Lab, interface: &str) -> anyhow::Result<Run> {
    lab.daemon.reeve_with_input(&["domain", "update-device", "web", "-"], interface)
}

/// Loads the policy that makes rules.
fn load(lab: &Lab) -> Outcome {
    lab.reeve(&["policy", "load", &policy("packet-filter")?.to_string_lossy()])?.ok();
    Ok(())
}

/// Defines the filter `own`: clean traffic with these parameters.
fn define_own(lab: &Lab, parameters: &[(&str, &str)]) -> Outcome {
    let document =
        format!("<filter name='own' chain='root'>{}</filter>", reference("clean-traffic", parameters));
    lab.daemon.reeve_with_input(&["nwfilter", "define", "-"], &document)?.ok();
    Ok(())
}

fn reference(filter: &str, parameters: &[(&str, &str)]) -> String {
    let parameters: String = parameters
        .iter()
        .map(|(name, value)| format!("<parameter name='{name}' value='{value}'/>"))
        .collect();
    format!("<filterref filter='{filter}'>{parameters}</filterref>")
}

/// A lab with that guest running.
fn start(network: &str, parameters: &[(&str, &str)]) -> anyhow::Result<(Lab, Station)> {
    let lab = defined(network, parameters)?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let station = Station::on(&lab, "labbr")?;
    Ok((lab, station))
}

/// What is plugged into all networks.
fn ports(lab: &Lab) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    for network in ["lab", "other"] {
        let shown = lab.reeve(&["network", "ports", network, "-o", "json"])?;
        // Most labs have but one.
        if network == "lab" || shown.code == 0 {
            all.extend(serde_json::from_str::<Vec<Value>>(&shown.ok())?);
        }
    }
    Ok(all)
}

fn addresses(lab: &Lab) -> anyhow::Result<Vec<String>> {
    Ok(serde_json::from_value(ports(lab)?[0]["addresses"].clone())?)
}

fn wait_for(lab: &Lab, wanted: &[&str]) -> Outcome {
    wait::until(&format!("the addresses are {wanted:?}"), PATIENCE, || {
        addresses(lab).is_ok_and(|known| known == wanted)
    })
}

fn link(lab: &Lab) -> anyhow::Result<String> {
    Ok(ports(lab)?[0]["link"].as_str().unwrap_or_default().to_owned())
}

fn arp(ip: &str) -> Vec<u8> {
    Frame::new(BROADCAST, GUEST).arp(&Arp::request(GUEST, ip, "192.168.77.99"))
}

fn packet(ip: &str) -> Vec<u8> {
    Frame::new(STATION, GUEST).ipv4(&ipv4(ip, "192.168.77.99"), &udp(1000, 2000))
}

/// Nothing of the guest is left when its domain has ended.
fn destroy(lab: &Lab) -> Outcome {
    let link = link(lab)?;
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    wait::until("the port is unplugged", PATIENCE, || ports(lab).is_ok_and(|ports| ports.is_empty()))?;
    let rules = lab.rules()?;
    assert!(!rules.contains(&link) && !rules.contains(&GUEST.to_string()), "{rules}");
    wait::until("no sniffer runs", PATIENCE, || lab.sniffers().is_ok_and(|all| all.is_empty()))?;
    assert_eq!(Store::open(&lab.daemon.root().join("var/lib/reeve"))?.learned(&link)?, None);
    Ok(())
}

#[test]
fn the_first_packet_teaches_an_address_and_locks_it() -> Outcome {
    let (mut lab, station) = start(QUIET, &[])?;
    assert!(addresses(&lab)?.is_empty());
    let stranger =
        Frame::new(BROADCAST, STATION).arp(&Arp::request(STATION, "192.168.77.7", "192.168.77.99"));
    let six = Frame::new(BROADCAST, GUEST).carry(0x86dd, &[0x60; 60]);
    assert_eq!(
        station.arrive(&lab, &[&stranger, &six])?,
        [false, false],
        "nothing but requests for an address"
    );
    assert_eq!(lab.sniffers()?.len(), 1);
    assert!(addresses(&lab)?.is_empty());

    assert_eq!(station.arrive(&lab, &[&arp("192.168.77.7")])?, [false], "a packet before its rules");
    wait_for(&lab, &["192.168.77.7"])?;
    let own = [arp("192.168.77.7"), arp("192.168.77.8"), packet("192.168.77.7"), packet("192.168.77.8")];
    let own: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
    station.settles(&lab, &own, &[true, false, true, false])?;
    wait::until("there is nothing more to learn", PATIENCE, || {
        lab.sniffers().is_ok_and(|all| all.is_empty())
    })?;

    lab.daemon.kill()?;
    assert!(lab.rules()?.contains("192.168.77.7"));
    lab.daemon.launch()?;
    assert_eq!(addresses(&lab)?, ["192.168.77.7"]);
    assert_eq!(station.arrive(&lab, &own)?, [true, false, true, false], "at once");

    // A suspended guest may have been anywhere: its first packet counts again.
    lab.reeve(&["domain", "suspend", "web"])?.ok();
    lab.reeve(&["domain", "resume", "web"])?.ok();
    wait_for(&lab, &[])?;
    station.guest_sends(&lab, &[&packet("192.168.77.8")])?;
    wait_for(&lab, &["192.168.77.8"])?;
    station.settles(&lab, &own, &[false, true, false, true])?;
    destroy(&lab)
}

#[test]
fn leases_of_a_trusted_server_count_as_long_as_they_last() -> Outcome {
    let trusted = "192.168.77.254";
    let parameters = [("CTRL_IP_LEARNING", "dhcp"), ("DHCPSERVER", trusted)];
    let (mut lab, station) = start(QUIET, &parameters)?;
    let ack = |ip: &str, server: &str, seconds: u32| {
        Dhcp::ack(GUEST, ip, server, seconds).from_server(STATION, server)
    };
    assert_eq!(station.arrive(&lab, &[&arp("192.168.77.50")])?, [false]);
    let tap = listen(&lab, &link(&lab)?)?;
    let (forged, lease) = (ack("192.168.77.66", "192.168.77.253", 3600), ack("192.168.77.50", trusted, 15));
    station.send(&forged)?;
    station.send(&lease)?;
    let before = heard_before(&tap, PATIENCE, |frame| frame == lease)?;
    assert!(before.is_some_and(|before| !before.contains(&forged)), "the guest hears its server alone");
    wait_for(&lab, &["192.168.77.50"])?;
    let tries = [arp("192.168.77.50"), arp("192.168.77.51"), arp("192.168.77.66")];
    let tries: Vec<&[u8]> = tries.iter().map(Vec::as_slice).collect();
    station.settles(&lab, &tries, &[true, false, false])?;

    // What looks at frames may be lost at any time.
    let first = lab.sniffers()?[0];
    let status = fs::read_to_string(format!("/proc/{first}/status"))?;
    for line in ["Uid:\t65534\t65534", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let pid = i32::try_from(first).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid is a number"), Signal::KILL)?;
    wait::until("another is started", PATIENCE, || {
        lab.sniffers().is_ok_and(|all| all.len() == 1 && all[0] != first)
    })?;
    wait::until("the next lease is learned", PATIENCE, || {
        station.send(&ack("192.168.77.51", trusted, 3600)).is_ok()
            && addresses(&lab).is_ok_and(|known| known.contains(&"192.168.77.51".to_owned()))
    })?;
    wait_for(&lab, &["192.168.77.51"])?;
    station.settles(&lab, &tries, &[false, true, false])?;
    let events = lab.reeve(&["events", "--after", "0", "--timeout", "0", "-o", "json"])?.ok();
    let told = |change: &str, ip: &str| {
        events.lines().filter(|line| line.contains(change) && line.contains(ip)).count()
    };
    let [first, second] = ["192.168.77.50", "192.168.77.51"];
    assert_eq!((told("lease-acquired", first), told("lease-expired", first)), (1, 1), "{events}");
    assert_eq!((told("lease-acquired", second), told("lease-expired", second)), (1, 0), "{events}");

    lab.daemon.kill()?;
    wait::until("the sniffer ends with its daemon", PATIENCE, || {
        lab.sniffers().is_ok_and(|all| all.is_empty())
    })?;
    lab.daemon.launch()?;
    assert_eq!(addresses(&lab)?, ["192.168.77.51"]);
    assert_eq!(station.arrive(&lab, &tries)?, [false, true, false], "a lease outlives the daemon");
    station.guest_sends(&lab, &[&Dhcp::release(GUEST, "192.168.77.51").from_client()])?;
    wait_for(&lab, &[])?;
    station.settles(&lab, &tries, &[false, false, false])?;
    station.send(&ack("192.168.77.50", trusted, 3600))?;
    wait_for(&lab, &["192.168.77.50"])?;
    destroy(&lab)
}

/// Asks the network's server for an address that is the guest's.
fn request(station: &Station, lab: &Lab) -> Outcome {
    let (ip, server) = (Ipv4Addr::new(192, 168, 77, 120), Ipv4Addr::new(192, 168, 77, 1));
    let options = [&[50, 4][..], &ip.octets(), &[54, 4], &server.octets()].concat();
    let request = Dhcp { kind: 3, options, ..Dhcp::discover(GUEST) };
    station.guest_sends(lab, &[&request.from_client()])
}

fn leased(lab: &Lab) -> bool {
    let leases = lab.reeve(&["network", "dhcp-leases", "lab", "-o", "json"]);
    leases.is_ok_and(|run| run.stdout.contains("192.168.77.120"))
}

/// A network that has an address for the guest.
fn generous() -> String {
    let host = format!("<host mac='{GUEST}' ip='192.168.77.120'/></dhcp>");
    document("lab", "labbr", 77).replace("</dhcp>", &host)
}

#[test]
fn the_networks_own_server_is_believed_where_it_is_trusted() -> Outcome {
    for parameters in
        [&[("CTRL_IP_LEARNING", "dhcp")][..], &[("CTRL_IP_LEARNING", "dhcp"), ("DHCPSERVER", "192.168.77.1")]]
    {
        let (lab, station) = start(&generous(), parameters)?;
        wait::until("there is a lease", PATIENCE, || request(&station, &lab).is_ok() && leased(&lab))?;
        wait_for(&lab, &["192.168.77.120"])?;
        let tries = [arp("192.168.77.120"), arp("192.168.77.121")];
        station.settles(&lab, &[&tries[0], &tries[1]], &[true, false])?;
        destroy(&lab)?;
    }
    Ok(())
}

#[test]
fn the_networks_own_server_is_a_stranger_where_another_is_trusted() -> Outcome {
    let parameters = [("CTRL_IP_LEARNING", "dhcp"), ("DHCPSERVER", "192.168.77.66")];
    let (lab, station) = start(&generous(), &parameters)?;
    wait::until("there is a lease", PATIENCE, || request(&station, &lab).is_ok() && leased(&lab))?;
    assert_eq!(station.arrive(&lab, &[&arp("192.168.77.120")])?, [false]);
    assert!(addresses(&lab)?.is_empty());
    destroy(&lab)
}

#[test]
fn a_lease_of_the_network_counts_more_than_a_packet() -> Outcome {
    let (mut lab, station) = start(&generous(), &[])?;
    station.guest_sends(&lab, &[&arp("192.168.77.8")])?;
    wait_for(&lab, &["192.168.77.8"])?;
    wait::until("there is a lease", PATIENCE, || request(&station, &lab).is_ok() && leased(&lab))?;
    wait_for(&lab, &["192.168.77.120"])?;
    let tries = [arp("192.168.77.120"), arp("192.168.77.8")];
    station.settles(&lab, &[&tries[0], &tries[1]], &[true, false])?;
    // The lease is the network's to remember.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(addresses(&lab)?, ["192.168.77.120"]);
    assert_eq!(station.arrive(&lab, &[&tries[0], &tries[1]])?, [true, false]);
    destroy(&lab)
}

#[test]
fn a_redefined_filter_changes_how_an_address_is_found_out() -> Outcome {
    let (lab, station) = start(QUIET, &[])?;
    station.guest_sends(&lab, &[&arp("192.168.77.7")])?;
    wait_for(&lab, &["192.168.77.7"])?;
    let tries = [arp("192.168.77.7"), arp("192.168.77.8")];
    let tries: Vec<&[u8]> = tries.iter().map(Vec::as_slice).collect();
    station.settles(&lab, &tries, &[true, false])?;

    define_own(&lab, &[("CTRL_IP_LEARNING", "dhcp")])?;
    assert!(addresses(&lab)?.is_empty(), "a packet is no lease");
    assert_eq!(station.arrive(&lab, &tries)?, [false, false]);
    assert_eq!(lab.sniffers()?.len(), 1);
    station.send(
        &Dhcp::ack(GUEST, "192.168.77.8", "192.168.77.254", 3600).from_server(STATION, "192.168.77.254"),
    )?;
    wait_for(&lab, &["192.168.77.8"])?;
    station.settles(&lab, &tries, &[false, true])?;

    define_own(&lab, &[("IP", "192.168.77.7")])?;
    assert_eq!(station.arrive(&lab, &tries)?, [true, false], "what is written down");
    wait::until("nobody is watched", PATIENCE, || lab.sniffers().is_ok_and(|all| all.is_empty()))?;
    destroy(&lab)
}

#[test]
fn an_address_that_ended_is_closed_even_when_no_policy_answers() -> Outcome {
    let (lab, station) = start(QUIET, &[("CTRL_IP_LEARNING", "dhcp")])?;
    let server = "192.168.77.254";
    for (ip, seconds) in [("192.168.77.7", 8), ("192.168.77.8", 3600)] {
        station.send(&Dhcp::ack(GUEST, ip, server, seconds).from_server(STATION, server))?;
    }
    wait_for(&lab, &["192.168.77.7", "192.168.77.8"])?;
    lab.reeve(&["policy", "unload", "packet-filter"])?.ok();
    let tries = [arp("192.168.77.7"), arp("192.168.77.8")];
    let tries: Vec<&[u8]> = tries.iter().map(Vec::as_slice).collect();
    station.settles(&lab, &tries, &[false, false])?;
    let events = lab.reeve(&["events", "--after", "0", "--timeout", "0", "-o", "json"])?.ok();
    assert!(events.lines().any(|line| line.contains("\"own\"") && line.contains("failed")), "{events}");
    load(&lab)?;
    wait_for(&lab, &["192.168.77.8"])?;
    station.settles(&lab, &tries, &[false, true])?;
    destroy(&lab)
}

#[test]
fn a_guest_that_moves_is_learned_anew() -> Outcome {
    let (mut lab, station) = start(QUIET, &[])?;
    lab.define(&QUIET.replace("lab", "other").replace("77", "78"))?.ok();
    lab.reeve(&["network", "start", "other"])?.ok();
    station.guest_sends(&lab, &[&arp("192.168.77.7")])?;
    wait_for(&lab, &["192.168.77.7"])?;
    let tries = [arp("192.168.77.7"), arp("192.168.77.8")];
    let tries: Vec<&[u8]> = tries.iter().map(Vec::as_slice).collect();
    station.settles(&lab, &tries, &[true, false])?;

    // Neither other limits nor a move that fails make it forget.
    lab.reeve(&["domain", "domiftune", "web", &GUEST.to_string(), "--inbound", "100000"])?.ok();
    lab.inside(&["ip", "link", "set", "otherbr", "name", "away"])?;
    let said = update(&lab, &interface("other", &reference("own", &[])))?;
    assert!(said.code != 0 && said.stderr.contains("otherbr"), "{said:?}");
    assert_eq!(addresses(&lab)?, ["192.168.77.7"]);
    assert_eq!(station.arrive(&lab, &tries)?, [true, false]);
    lab.inside(&["ip", "link", "set", "away", "name", "otherbr"])?;

    update(&lab, &interface("other", &reference("own", &[])))?.ok();
    assert!(addresses(&lab)?.is_empty(), "it was learned elsewhere");
    station.move_to(&lab, "otherbr")?;
    assert_eq!(station.arrive(&lab, &[tries[1]])?, [false], "a packet before its rules");
    wait_for(&lab, &["192.168.77.8"])?;
    station.settles(&lab, &tries, &[false, true])?;
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(addresses(&lab)?, ["192.168.77.8"]);
    assert_eq!(station.arrive(&lab, &tries)?, [false, true]);
    assert!(lab.sniffers()?.is_empty(), "there is nothing more to learn");
    destroy(&lab)
}

#[test]
fn a_filter_that_is_changed_says_whether_a_guest_is_watched() -> Outcome {
    let dhcp = [("CTRL_IP_LEARNING", "dhcp")];
    let (lab, station) = start(QUIET, &dhcp)?;
    let (server, link) = ("192.168.77.254", link(&lab)?);
    let lease = |ip: &str| Dhcp::ack(GUEST, ip, server, 3600).from_server(STATION, server);
    let tries = [arp("192.168.77.7"), arp("192.168.77.8")];
    let tries: Vec<&[u8]> = tries.iter().map(Vec::as_slice).collect();
    let nobody_watches =
        || wait::until("nobody is watched", PATIENCE, || lab.sniffers().is_ok_and(|all| all.is_empty()));
    station.send(&lease("192.168.77.7"))?;
    wait_for(&lab, &["192.168.77.7"])?;
    station.settles(&lab, &tries, &[true, false])?;

    update(&lab, &interface("lab", &reference("own", &[("IP", "192.168.77.8")])))?.ok();
    assert_eq!(station.arrive(&lab, &tries)?, [false, true], "what is written down");
    nobody_watches()?;
    update(&lab, &interface("lab", &reference("own", &dhcp)))?.ok();
    assert_eq!(station.arrive(&lab, &tries)?, [false, false], "what was learned before is forgotten");
    assert_eq!(lab.sniffers()?.len(), 1);

    // A cable that was pulled carries leases again.
    for state in ["down", "up"] {
        lab.reeve(&["domain", "domif-setlink", "web", &GUEST.to_string(), state])?.ok();
    }
    wait::until("the lease is learned", PATIENCE, || {
        station.send(&lease("192.168.77.8")).is_ok()
            && addresses(&lab).is_ok_and(|known| known == ["192.168.77.8"])
    })?;
    station.settles(&lab, &tries, &[false, true])?;

    update(&lab, &interface("lab", ""))?.ok();
    let rules = lab.rules()?;
    assert!(!rules.contains(&link), "{rules}");
    assert_eq!(station.arrive(&lab, &tries)?, [true, true]);
    nobody_watches()?;
    assert_eq!(Store::open(&lab.daemon.root().join("var/lib/reeve"))?.learned(&link)?, None);
    update(&lab, &interface("lab", &reference("own", &dhcp)))?.ok();
    assert_eq!(station.arrive(&lab, &tries)?, [false, false]);
    station.send(&lease("192.168.77.7"))?;
    wait_for(&lab, &["192.168.77.7"])?;
    destroy(&lab)
}

#[test]
fn a_guest_whose_cable_was_pulled_from_the_start_is_watched() -> Outcome {
    let lab = defined(QUIET, &[])?;
    let mac = GUEST.to_string();
    lab.reeve(&["domain", "domif-setlink", "web", &mac, "down", "--config"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert_eq!(lab.sniffers()?.len(), 1);
    lab.reeve(&["domain", "domif-setlink", "web", &mac, "up"])?.ok();
    let station = Station::on(&lab, "labbr")?;
    station.guest_sends(&lab, &[&arp("192.168.77.7")])?;
    wait_for(&lab, &["192.168.77.7"])?;
    destroy(&lab)
}

#[test]
fn without_learning_an_address_must_be_written_down() -> Outcome {
    let lab = defined(QUIET, &[("CTRL_IP_LEARNING", "none")])?;
    let said = lab.reeve(&["domain", "start", "web"])?.fails(7);
    assert!(said.contains("can't be filtered by 'own'") && said.contains("'IP'"), "{said}");
    assert_eq!(lab.links()?, ["labbr"]);
    Ok(())
}
