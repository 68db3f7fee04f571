//! `anti-spoof-minimal`: another policy for the same hook, on the same bridge.

use reeve_packets::{Arp, Dhcp, Frame, ipv4, udp};

use crate::Outcome;
use crate::host::{Filter, Host};
use crate::rig::Way::{In, Out};
use crate::rig::{GUEST, OTHER, STRANGER, arp_out, back, out, out6, pass, stop, with};

#[test]
fn a_guest_keeps_to_its_addresses_whatever_its_filter_says() -> Outcome {
    let rules = Host::new("anti-spoof-minimal")?.rules(&Filter { root: "allow-arp", ..Filter::default() })?;
    let from = |mac, ip: &str| Frame::new(OTHER, mac).ipv4(&ipv4(ip, "10.0.0.2"), &udp(1, 2));
    with(
        rules,
        &[
            pass("its own", Out, out(&udp(1, 2))),
            stop("another's frame", Out, from(STRANGER, "10.0.0.1")),
            stop("another's address", Out, from(GUEST, "10.0.0.9")),
            pass("it asks for an address", Out, Dhcp::discover(GUEST).from_client()),
            pass("ARP", Out, arp_out(&Arp::request(GUEST, "10.0.0.1", "10.0.0.2"))),
            stop("ARP with another's address", Out, arp_out(&Arp::request(GUEST, "10.0.0.9", "10.0.0.2"))),
            pass("IPv6", Out, out6(&udp(1, 2))),
            pass("to it", In, back(&udp(2, 1))),
        ],
    )
}
