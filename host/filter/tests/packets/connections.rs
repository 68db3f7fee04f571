//! States of connections and how many there are: through the bridge, from the host and to it.

use std::net::UdpSocket;
use std::time::Duration;

use reeve_model::filter::{ConnectionState, Field, Flow, Layer, Operand, Rule, Ruleset, Verdict};
use reeve_packets::{ACK, Arp, BROADCAST, Frame, RST, SYN, Segment, icmp, icmp_error, ipv4, ipv6, tcp, udp};
use reeve_sys::link::{Address, KernelLinks, Links};

use crate::rig::{self, GUEST, OTHER, Rig, Way, is, not, number, rule, rules};

fn out(segment: &Segment) -> Vec<u8> {
    Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), segment)
}

fn back(segment: &Segment) -> Vec<u8> {
    Frame::new(GUEST, OTHER).ipv4(&ipv4("10.0.0.2", "10.0.0.1"), segment)
}

fn out6(segment: &Segment) -> Vec<u8> {
    Frame::new(OTHER, GUEST).ipv6(&ipv6("fd00::1", "fd00::2"), segment)
}

fn back6(segment: &Segment) -> Vec<u8> {
    Frame::new(GUEST, OTHER).ipv6(&ipv6("fd00::2", "fd00::1"), segment)
}

fn state(states: &[ConnectionState]) -> reeve_model::filter::Match {
    is(Field::State, Operand::States(states.to_vec()))
}

/// Rules for one way of layer connection.
fn one_way(flow: Flow, list: Vec<Rule>) -> Ruleset {
    let mut rules = rules(Layer::Connection, list);
    rules.chains.retain(|chain| chain.entry == Some(flow));
    rules
}

#[test]
fn answers_pass_where_nothing_new_does() {
    rig::with(|rig| {
        rig.bind(one_way(Flow::In, vec![rule(vec![state(&[ConnectionState::New])], Verdict::Drop)]));
        rig.assert(Way::In, &back(&udp(53, 1000)), false, "nobody asked");
        rig.assert(Way::Out, &out(&udp(1000, 53)), true, "a question");
        rig.assert(Way::In, &back(&udp(53, 1000)), true, "its answer");
        rig.assert(Way::In, &back(&udp(53, 1001)), false, "another's answer");
        rig.assert(Way::In, &back6(&udp(53, 1000)), false, "nobody asked");
        rig.assert(Way::Out, &out6(&udp(1000, 53)), true, "a question");
        rig.assert(Way::In, &back6(&udp(53, 1000)), true, "its answer");
        rig.assert(Way::In, &back(&tcp(80, 2000, SYN)), false, "a connection to the guest");
        rig.assert(Way::Out, &out(&tcp(2000, 80, SYN)), true, "a connection of the guest");
        rig.assert(Way::In, &back(&tcp(80, 2000, SYN | ACK)), true, "its answer");
        rig.assert(Way::Out, &out(&icmp(8, 0)), true, "an echo");
        rig.assert(Way::In, &back(&icmp(0, 0)), true, "its answer");
    });
}

#[test]
fn errors_are_related_and_nonsense_is_invalid() {
    rig::with(|rig| {
        use ConnectionState::{Established, Invalid, New, Related};
        let only = |states: &[ConnectionState]| {
            let others = not(state(states));
            one_way(Flow::In, vec![rule(vec![others], Verdict::Drop)])
        };
        let question = ipv4("10.0.0.1", "10.0.0.2").carry(&udp(3000, 9));
        let error = back(&icmp_error(3, 3, &question));
        rig.bind(only(&[Related]));
        rig.assert(Way::Out, &out(&udp(3000, 9)), true, "a question");
        rig.assert(Way::In, &error, true, "an error about it");
        rig.assert(Way::In, &back(&udp(9, 3000)), false, "an answer");
        rig.bind(only(&[New, Established]));
        rig.assert(Way::In, &error, false, "an error about it");
        rig.assert(Way::In, &back(&udp(9, 3000)), true, "an answer");
        let reset = back(&tcp(1, 2, RST));
        rig.assert(Way::In, &reset, false, "the end of nothing");
        rig.bind(only(&[Invalid]));
        rig.assert(Way::In, &reset, true, "the end of nothing");
        // What is no connection has no state, so no condition on it holds.
        let arp = Arp::request(OTHER, "10.0.0.2", "10.0.0.1");
        rig.assert(Way::In, &Frame::new(BROADCAST, OTHER).arp(&arp), true, "ARP");
    });
}

/// Gives the host an address in the guests' network, and lets it know where the guest is.
fn with_host(rig: &Rig) -> UdpSocket {
    let address = Address::new("10.0.0.254".parse().unwrap(), 24);
    KernelLinks.add_address(&rig::name("br0"), &address).unwrap();
    let arp = Arp::request(GUEST, "10.0.0.1", "10.0.0.254");
    rig.send(Way::Out, &Frame::new(BROADCAST, GUEST).arp(&arp));
    let socket = UdpSocket::bind("10.0.0.254:7000").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn to_host(source: u16) -> Vec<u8> {
    let mac = KernelLinks.find(&rig::name("br0")).unwrap().unwrap().mac.unwrap();
    Frame::new(mac, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.254"), &udp(source, 7000))
}

#[test]
fn the_host_is_a_peer_as_any() {
    rig::with(|rig| {
        let host = with_host(rig);
        rig.bind(one_way(Flow::In, vec![rule(vec![state(&[ConnectionState::New])], Verdict::Drop)]));
        let mut data = [0; 16];
        // From the host, to a guest that did not ask.
        host.send_to(b"new", "10.0.0.1:4000").unwrap();
        assert!(!rig.guest_hears(4000), "nobody asked");
        rig.send(Way::Out, &to_host(4001));
        let (_, from) = host.recv_from(&mut data).unwrap();
        host.send_to(b"answer", from).unwrap();
        assert!(rig.guest_hears(4001), "an answer");
        // And the other way: what is new is dropped, what the host asked for is answered.
        rig.bind(one_way(Flow::Out, vec![rule(vec![state(&[ConnectionState::New])], Verdict::Drop)]));
        rig.send(Way::Out, &to_host(4002));
        host.send_to(b"new", "10.0.0.1:4003").unwrap();
        assert!(rig.guest_hears(4003), "a question of the host");
        rig.send(Way::Out, &to_host(4003));
        let (_, from) = host.recv_from(&mut data).unwrap();
        assert_eq!(from.port(), 4003, "the first that arrives is the answer");
    });
}

fn counted(flow: Flow, more_than: u64, protocol: u64) -> Ruleset {
    let matches = vec![number(Field::IpProtocol, protocol), number(Field::ConnectionsAbove, more_than)];
    one_way(flow, vec![rule(matches, Verdict::Drop)])
}

#[test]
fn connections_are_counted_both_ways() {
    rig::with(|rig| {
        rig.bind(counted(Flow::Out, 2, 6));
        for port in [1000, 1001] {
            rig.assert(Way::Out, &out(&tcp(port, 80, SYN)), true, "as many as may be");
            rig.assert(Way::In, &back(&tcp(80, port, SYN | ACK)), true, "an answer");
        }
        for port in 1002..1010 {
            rig.assert(Way::Out, &out(&tcp(port, 80, SYN)), false, "one more");
            rig.assert(Way::Out, &out(&tcp(1000, 80, ACK)), true, "one that was there");
        }
        rig.assert(Way::Out, &out(&udp(1002, 80)), true, "another protocol");
        rig.assert(Way::In, &back(&tcp(80, 9, SYN)), true, "the other way");
        // Rules that count as before go on counting.
        let mut rules = counted(Flow::Out, 2, 6);
        rules.chains[0].rules.push(rule(vec![number(Field::EtherType, 0x88b7)], Verdict::Drop));
        rig.bind(rules);
        rig.assert(Way::Out, &out(&tcp(1004, 80, SYN)), false, "still two");

        rig.bind(counted(Flow::In, 1, 17));
        rig.assert(Way::In, &back(&udp(2000, 53)), true, "one");
        rig.assert(Way::Out, &out(&udp(53, 2000)), true, "an answer");
        rig.assert(Way::In, &back(&udp(2001, 53)), false, "two");
        rig.assert(Way::In, &back(&udp(2000, 53)), true, "one that was there");
        rig.assert(Way::Out, &out(&tcp(1005, 80, SYN)), true, "nothing is counted this way now");
    });
}

#[test]
fn connections_from_the_host_are_counted_by_address() {
    rig::with(|rig| {
        let host = with_host(rig);
        rig.bind(counted(Flow::In, 1, 17));
        host.send_to(b"first", "10.0.0.1:5000").unwrap();
        assert!(rig.guest_hears(5000), "one");
        rig.send(Way::Out, &to_host(5000));
        host.recv_from(&mut [0; 16]).unwrap();
        host.send_to(b"second", "10.0.0.1:5001").unwrap();
        assert!(!rig.guest_hears(5001), "two");
        host.send_to(b"more", "10.0.0.1:5000").unwrap();
        assert!(rig.guest_hears(5000), "still the first");
    });
}
