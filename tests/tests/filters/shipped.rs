//! The filters that ship, one by one and together.

use reeve_packets::{ACK, Arp, BROADCAST, Dhcp, Frame, SYN, ipv4, tcp, udp, udp_with};

use crate::Outcome;
use crate::host::Filter;
use crate::rig::Way::{In, Out};
use crate::rig::{
    GUEST, OTHER, STRANGER, Step, arp_back, arp_out, back, back6, filtered, out, out6, pass, stop,
};

fn shipped(root: &str, parameters: &[(&str, &str)], steps: &[Step]) -> Outcome {
    filtered(&Filter { root, parameters, ..Filter::default() }, steps)
}

fn own_request() -> Vec<u8> {
    arp_out(&Arp::request(GUEST, "10.0.0.1", "10.0.0.2"))
}

fn own_reply() -> Vec<u8> {
    arp_out(&Arp::reply(GUEST, "10.0.0.1", OTHER, "10.0.0.2"))
}

fn foreign_request() -> Vec<u8> {
    arp_out(&Arp::request(GUEST, "10.0.0.9", "10.0.0.2"))
}

fn foreign_mac() -> Vec<u8> {
    arp_out(&Arp::reply(STRANGER, "10.0.0.1", OTHER, "10.0.0.2"))
}

fn spoofed_frame() -> Vec<u8> {
    Frame::new(OTHER, STRANGER).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &udp(1, 2))
}

fn spoofed_address() -> Vec<u8> {
    Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.9", "10.0.0.2"), &udp(1, 2))
}

fn announcement() -> Arp {
    Arp { operation: 3, target_mac: GUEST, ..Arp::request(GUEST, "0.0.0.0", "0.0.0.0") }
}

fn asked() -> Vec<u8> {
    Dhcp::discover(GUEST).from_client()
}

fn offered(server: &str) -> Vec<u8> {
    Dhcp::ack(GUEST, "10.0.0.1", server, 3600).from_server(OTHER, server)
}

#[test]
fn clean_traffic() -> Outcome {
    shipped(
        "clean-traffic",
        &[],
        &[
            pass("IPv4 of its own", Out, out(&udp(1, 2))),
            pass("IPv4 to it", In, back(&udp(2, 1))),
            pass("a new connection to it", In, back(&tcp(2000, 80, SYN))),
            stop("another's frame", Out, spoofed_frame()),
            stop("another's address", Out, spoofed_address()),
            pass("its request", Out, own_request()),
            pass("its reply", Out, own_reply()),
            stop("a request with another's address", Out, foreign_request()),
            stop("a reply with another's hardware address", Out, foreign_mac()),
            pass("a request for it", In, arp_back(&Arp::request(OTHER, "10.0.0.2", "10.0.0.1"))),
            stop("a request for another", In, arp_back(&Arp::request(OTHER, "10.0.0.2", "10.0.0.9"))),
            stop("IPv6 of its own", Out, out6(&udp(1, 2))),
            stop("IPv6 to it", In, back6(&udp(2, 1))),
            stop("a frame of no protocol", Out, Frame::new(OTHER, GUEST).carry(0x88b6, &[1; 46])),
            pass("it asks for an address", Out, asked()),
        ],
    )
}

#[test]
fn announcements_pass_and_other_rarp_does_not() -> Outcome {
    let whole = Frame::new(BROADCAST, GUEST).rarp(&announcement());
    let peers = Arp { sender_mac: OTHER, target_mac: OTHER, ..announcement() };
    let reply = Arp { operation: 4, ..announcement() };
    let steps = || {
        [
            pass("it moved here", Out, whole.clone()),
            pass("a peer moved", In, Frame::new(BROADCAST, OTHER).rarp(&peers)),
            stop("a reply", Out, Frame::new(BROADCAST, GUEST).rarp(&reply)),
            stop("a reply to it", In, Frame::new(GUEST, OTHER).rarp(&reply)),
            stop("another moved, it says", Out, Frame::new(BROADCAST, GUEST).rarp(&peers)),
        ]
    };
    shipped("qemu-announce-self", &[], &steps())?;
    shipped("clean-traffic", &[], &steps()[2..])?;
    let other = Frame::new(OTHER, GUEST).rarp(&reply);
    shipped(
        "qemu-announce-self-rarp",
        &[],
        &[pass("it moved here", Out, whole.clone()), pass("others are not its business", Out, other)],
    )?;
    shipped(
        "no-other-rarp-traffic",
        &[],
        &[
            stop("RARP", Out, whole.clone()),
            stop("RARP to it", In, Frame::new(BROADCAST, OTHER).rarp(&peers)),
            pass("ARP", Out, own_request()),
        ],
    )
}

#[test]
fn no_spoofing_of_one_kind() -> Outcome {
    shipped(
        "no-mac-spoofing",
        &[],
        &[
            pass("its frame", Out, out(&udp(1, 2))),
            stop("another's frame", Out, spoofed_frame()),
            pass("another's address", Out, spoofed_address()),
            pass("anything to it", In, back6(&udp(2, 1))),
        ],
    )?;
    shipped(
        "no-ip-spoofing",
        &[],
        &[
            pass("its address", Out, out(&udp(1, 2))),
            stop("another's address", Out, spoofed_address()),
            pass("it asks for an address", Out, asked()),
            pass("IPv6", Out, out6(&udp(1, 2))),
            pass("anything to it", In, back(&udp(2, 1))),
        ],
    )?;
    let more = [("IP", "10.0.0.1"), ("IP", "10.0.0.9")];
    shipped(
        "no-ip-spoofing",
        &more,
        &[
            pass("one address", Out, out(&udp(1, 2))),
            pass("the other", Out, spoofed_address()),
            stop(
                "none of them",
                Out,
                Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.8", "10.0.0.2"), &udp(1, 2)),
            ),
        ],
    )?;
    shipped(
        "no-mac-broadcast",
        &[],
        &[
            stop("a broadcast", Out, Frame::new(BROADCAST, GUEST).carry(0x88b6, &[1; 46])),
            pass("a broadcast to it", In, Frame::new(BROADCAST, OTHER).carry(0x88b6, &[1; 46])),
            pass("to one", Out, Frame::new(OTHER, GUEST).carry(0x88b6, &[1; 46])),
        ],
    )
}

#[test]
fn no_spoofing_in_arp() -> Outcome {
    let to_it = || arp_back(&Arp::reply(OTHER, "10.0.0.2", GUEST, "10.0.0.1"));
    shipped(
        "no-arp-spoofing",
        &[],
        &[
            pass("its request", Out, own_request()),
            pass("its reply", Out, own_reply()),
            stop("another's address", Out, foreign_request()),
            stop("another's hardware address", Out, foreign_mac()),
            stop(
                "another's frame",
                Out,
                Frame::new(OTHER, STRANGER).arp(&Arp::request(GUEST, "10.0.0.1", "10.0.0.2")),
            ),
            pass("a reply to it", In, to_it()),
            stop("a reply to another", In, arp_back(&Arp::reply(OTHER, "10.0.0.2", STRANGER, "10.0.0.1"))),
            stop(
                "neither request nor reply",
                Out,
                arp_out(&Arp { operation: 8, ..Arp::request(GUEST, "10.0.0.1", "10.0.0.2") }),
            ),
            pass("IPv4", Out, spoofed_address()),
        ],
    )?;
    shipped(
        "no-arp-mac-spoofing",
        &[],
        &[
            pass("its hardware address", Out, foreign_request()),
            stop("another's hardware address", Out, foreign_mac()),
            pass("to it", In, to_it()),
        ],
    )?;
    shipped(
        "no-arp-ip-spoofing",
        &[],
        &[
            pass("its address", Out, foreign_mac()),
            stop("another's address", Out, foreign_request()),
            pass("to it", In, to_it()),
        ],
    )
}

/// A filter that lets nothing else pass shows what another accepts.
fn alone(name: &str, parameters: &[(&str, &str)], steps: &[Step]) -> Outcome {
    let document = format!(
        "<filter name='test'><filterref filter='{name}'/>\
         <rule action='drop' direction='inout' priority='1000'/></filter>"
    );
    filtered(&Filter { documents: &[&document], parameters, ..Filter::default() }, steps)
}

#[test]
fn what_is_allowed_passes_where_nothing_else_does() -> Outcome {
    alone(
        "allow-dhcp",
        &[],
        &[
            pass("it asks", Out, asked()),
            pass("any server answers", In, offered("10.0.0.2")),
            stop("something else", Out, out(&udp(1, 2))),
            stop("a server it is not", Out, out(&udp_with(67, 68, b"data"))),
        ],
    )?;
    alone(
        "allow-dhcp-server",
        &[("DHCPSERVER", "10.0.0.2")],
        &[
            pass("it asks", Out, asked()),
            pass("its server answers", In, offered("10.0.0.2")),
            stop("another answers", In, offered("10.0.0.3")),
            stop("something else", In, back(&udp(2, 1))),
        ],
    )?;
    alone(
        "allow-arp",
        &[],
        &[
            pass("ARP", Out, foreign_request()),
            pass("ARP to it", In, arp_back(&Arp::request(OTHER, "10.0.0.2", "10.0.0.9"))),
            stop("IPv4", Out, out(&udp(1, 2))),
        ],
    )?;
    alone(
        "allow-ipv4",
        &[],
        &[
            pass("IPv4", Out, out(&udp(1, 2))),
            pass("IPv4 to it", In, back(&tcp(1, 2, ACK))),
            stop("IPv6", Out, out6(&udp(1, 2))),
            stop("ARP", In, arp_back(&Arp::request(OTHER, "10.0.0.2", "10.0.0.1"))),
        ],
    )?;
    alone(
        "allow-incoming-ipv4",
        &[],
        &[
            pass("IPv4 to it", In, back(&udp(1, 2))),
            stop("IPv4", Out, out(&udp(1, 2))),
            stop("IPv6 to it", In, back6(&udp(1, 2))),
        ],
    )
}

#[test]
fn neither_multicast_nor_other_protocols() -> Outcome {
    let group = |address: &str| Frame::new(BROADCAST, GUEST).ipv4(&ipv4("10.0.0.1", address), &udp(1, 2));
    shipped(
        "no-ip-multicast",
        &[],
        &[
            stop("the first group", Out, group("224.0.0.0")),
            stop("the last group", Out, group("239.255.255.255")),
            pass("below", Out, group("223.255.255.255")),
            pass("above", Out, group("240.0.0.0")),
            pass(
                "a group to it",
                In,
                Frame::new(BROADCAST, OTHER).ipv4(&ipv4("10.0.0.2", "224.0.0.9"), &udp(1, 2)),
            ),
        ],
    )?;
    shipped(
        "no-other-l2-traffic",
        &[],
        &[
            pass("IPv4", Out, out(&udp(1, 2))),
            pass("ARP", In, arp_back(&Arp::request(OTHER, "10.0.0.2", "10.0.0.1"))),
            stop("IPv6", Out, out6(&udp(1, 2))),
            stop("IPv6 to it", In, back6(&udp(1, 2))),
            stop("RARP", Out, Frame::new(BROADCAST, GUEST).rarp(&announcement())),
        ],
    )
}

#[test]
fn clean_traffic_by_a_gateway() -> Outcome {
    let gateway = "52:54:00:00:00:0b";
    shipped(
        "clean-traffic-gateway",
        &[("GATEWAY_MAC", gateway)],
        &[
            pass("to the gateway", Out, out(&udp(1, 2))),
            pass("from the gateway", In, back(&udp(2, 1))),
            stop(
                "to another",
                Out,
                Frame::new(STRANGER, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &udp(1, 2)),
            ),
            stop(
                "from another",
                In,
                Frame::new(GUEST, STRANGER).ipv4(&ipv4("10.0.0.2", "10.0.0.1"), &udp(1, 2)),
            ),
            stop("another's address", Out, spoofed_address()),
            pass(
                "a broadcast",
                Out,
                Frame::new(BROADCAST, GUEST).arp(&Arp::request(GUEST, "10.0.0.1", "10.0.0.2")),
            ),
        ],
    )
}
