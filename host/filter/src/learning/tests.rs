use reeve_packets::{Arp, BROADCAST, Dhcp, Frame, icmp, ipv4, udp_with};

use super::*;

const GUEST: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 1]);
const OTHER: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 2]);

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[test]
fn addresses_come_from_the_guests_own_packets_only() {
    let from = |source| Frame::new(BROADCAST, source);
    let own = Some(Seen::Address(ip("10.0.0.7")));
    let arp = Arp::request(GUEST, "10.0.0.7", "10.0.0.1");
    let packet = |source| ipv4(source, "10.0.0.1").carry(&icmp(8, 0));
    assert_eq!(frame::address(&from(GUEST).arp(&arp), GUEST), own);
    assert_eq!(frame::address(&from(GUEST).carry(0x800, &packet("10.0.0.7")), GUEST), own);
    let none = [
        from(OTHER).arp(&arp),
        from(GUEST).arp(&Arp { sender_mac: OTHER, ..arp }),
        from(GUEST).arp(&Arp { hardware_length: 5, ..arp }),
        from(GUEST).rarp(&arp),
        from(GUEST).arp(&Arp::request(GUEST, "0.0.0.0", "10.0.0.7")),
        from(GUEST).tagged(5, 0x800, &packet("10.0.0.7")),
        from(GUEST).carry(0x86dd, &packet("10.0.0.7")),
        from(GUEST).carry(0x800, &packet("127.0.0.1")),
        from(GUEST).carry(0x800, &packet("224.0.0.1")),
        from(GUEST).carry(0x800, &packet("255.255.255.255")),
    ];
    for frame in none {
        assert_eq!(frame::address(&frame, GUEST), None, "{frame:02x?}");
    }
}

#[test]
fn messages_of_dhcp_are_read() {
    let server = ip("10.0.0.254");
    let lease = |seconds| Some(Seen::Lease { ip: ip("10.0.0.7"), seconds, server });
    let ack = |seconds| Dhcp::ack(GUEST, "10.0.0.7", "10.0.0.254", seconds);
    assert_eq!(frame::dhcp(&ack(60).from_server(OTHER, "10.0.0.254"), true, GUEST), lease(Some(60)));
    assert_eq!(frame::dhcp(&ack(u32::MAX).from_server(OTHER, "10.0.0.254"), true, GUEST), lease(None));
    let release = Dhcp::release(GUEST, "10.0.0.7").from_client();
    assert_eq!(frame::dhcp(&release, false, GUEST), Some(Seen::Release(ip("10.0.0.7"))));
    let mut decline = Dhcp { kind: 4, ..Dhcp::discover(GUEST) };
    decline.options = vec![50, 4, 10, 0, 0, 7];
    assert_eq!(frame::dhcp(&decline.from_client(), false, GUEST), Some(Seen::Release(ip("10.0.0.7"))));
    // Without the option, the server is who sent it.
    let mut anonymous = ack(60);
    anonymous.options.truncate(6);
    assert_eq!(frame::dhcp(&anonymous.from_server(OTHER, "10.0.0.254"), true, GUEST), lease(Some(60)));
}

#[test]
fn what_is_no_lease_of_the_guest_is_nothing() {
    let ack = Dhcp::ack(GUEST, "10.0.0.7", "10.0.0.254", 60);
    let good = ack.from_server(OTHER, "10.0.0.254");
    assert!(frame::dhcp(&good, true, GUEST).is_some());
    let udp = |source, destination, bytes: &[u8]| {
        Frame::new(GUEST, OTHER).ipv4(&ipv4("10.0.0.254", "10.0.0.7"), &udp_with(source, destination, bytes))
    };
    let mut magic = ack.bytes();
    magic[236] = 0;
    let mut no_lease = ack.clone();
    no_lease.options.clear();
    let mut fragment = good.clone();
    fragment[21] = 1;
    let none = [
        udp(67, 69, &ack.bytes()),
        udp(68, 67, &ack.bytes()),
        udp(67, 68, &magic),
        udp(67, 68, &ack.bytes()[..200]),
        Dhcp { kind: 2, ..ack.clone() }.from_server(OTHER, "10.0.0.254"),
        Dhcp { kind: 6, ..ack.clone() }.from_server(OTHER, "10.0.0.254"),
        Dhcp { client: OTHER, ..ack.clone() }.from_server(OTHER, "10.0.0.254"),
        Dhcp { your_ip: ip("0.0.0.0"), ..ack.clone() }.from_server(OTHER, "10.0.0.254"),
        no_lease.from_server(OTHER, "10.0.0.254"),
        fragment,
    ];
    for frame in none {
        assert_eq!(frame::dhcp(&frame, true, GUEST), None, "{frame:02x?}");
    }
    assert_eq!(frame::dhcp(&good, false, GUEST), None, "the guest did not send it");
    // No cut of a good frame is read past its end, and none is taken for a lease.
    for length in 0..good.len() {
        assert_eq!(frame::dhcp(&good[..length], true, GUEST), None, "{length}");
        let _ = frame::address(&good[..length], GUEST);
    }
}

fn port(mode: LearningMode, servers: &[&str]) -> Port {
    let servers = servers.iter().map(|server| server.parse().unwrap()).collect();
    let watch = Watch { link: LinkName::new("vnet0").unwrap(), mac: GUEST, mode, servers };
    Port { number: 1, watch, leases: Vec::new(), waiting: None }
}

#[test]
fn leases_are_bounded_trusted_and_end() {
    let mut port = port(LearningMode::Dhcp, &["10.0.0.254"]);
    let lease = |last: u8, seconds, server: &str| Seen::Lease {
        ip: Ipv4Addr::new(10, 0, 0, last),
        seconds,
        server: ip(server),
    };
    assert!(!port.take(lease(1, Some(60), "10.0.0.66"), 100));
    assert!(!port.take(lease(1, Some(0), "10.0.0.254"), 100));
    assert!(!port.take(Seen::Address(ip("10.0.0.1")), 100));
    assert!(port.take(lease(1, Some(60), "10.0.0.254"), 100));
    assert!(port.take(lease(1, Some(60), "10.0.0.254"), 130), "it is renewed");
    assert_eq!(port.leases.len(), 1);
    assert!(!port.expire(189));
    assert!(port.expire(190));
    assert!(port.take(lease(1, Some(u32::MAX - 1), "10.0.0.254"), u64::from(u32::MAX)));
    for last in 2..100 {
        assert!(port.take(lease(last, None, "10.0.0.254"), 100));
    }
    assert_eq!(port.leases.len(), MAX_LEASES);
    assert!(!port.take(Seen::Release(ip("10.0.0.2")), 100), "it had to give way");
    assert!(port.take(Seen::Release(ip("10.0.0.99")), 100));
    assert!(port.is_open());
}

#[test]
fn an_address_that_was_seen_stays() {
    let mut port = port(LearningMode::Any, &[]);
    assert!(port.is_open());
    assert!(port.take(Seen::Address(ip("10.0.0.1")), 100));
    assert!(!port.is_open());
    assert!(!port.take(Seen::Address(ip("10.0.0.2")), 100));
    assert!(!port.take(Seen::Release(ip("10.0.0.1")), 100));
    assert!(!port.expire(u64::MAX));
    assert_eq!(port.addresses(), [IpAddr::from([10, 0, 0, 1])]);
}

#[test]
fn provisional_rules_are_valid() {
    for servers in [&[][..], &["10.0.0.254".parse().unwrap(), "fd00::1".parse().unwrap()]] {
        let rules = provisional(GUEST, servers);
        crate::check(rules, &crate::Limits::default()).unwrap();
    }
    // A trusted server that can't speak IPv4 is no reason to trust all.
    let rules = provisional(GUEST, &["fd00::1".parse().unwrap()]);
    assert_eq!(rules.chains[1].rules.len(), 1);
}
