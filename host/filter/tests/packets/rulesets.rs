//! Chains, verdicts, sets, maps and layers.

use reeve_model::MacAddress;
use reeve_model::filter::{Chain, Field, Flow, Layer, Operand, Ruleset, Set, Verdict, VerdictMap};
use reeve_model::network::IpNetwork;
use reeve_packets::{Frame, SYN, icmp, ipv4, ipv6, tcp, udp};
use reeve_sys::nft::{KernelNft, Nft};

use crate::rig::{self, GUEST, OTHER, Way, binding, is, not, number, rule, rules};

fn four(source: &str, port: u16) -> Vec<u8> {
    Frame::new(OTHER, GUEST).ipv4(&ipv4(source, "10.0.0.2"), &udp(1000, port))
}

fn address(text: &str) -> Operand {
    Operand::Address(text.parse().unwrap())
}

#[test]
fn sets_hold_addresses_networks_and_ranges() {
    rig::with(|rig| {
        let network = IpNetwork { address: "10.1.0.9".parse().unwrap(), prefix: 16 };
        let elements = vec![address("10.0.0.1"), Operand::Network(network), address("10.1.7.7")];
        let numbers = vec![Operand::Number(53), Operand::Range(80, 90), Operand::Number(85)];
        for negated in [false, true] {
            let set = |field, name: &str| {
                let one = is(field, Operand::Set(name.to_owned()));
                if negated { not(one) } else { one }
            };
            let matches = vec![
                number(Field::IpProtocol, 17),
                set(Field::IpSource, "sources"),
                set(Field::DestinationPort, "ports"),
            ];
            let mut rules = rules(Layer::Link, vec![rule(matches, Verdict::Drop)]);
            rules.sets = vec![
                Set { name: "sources".to_owned(), elements: elements.clone() },
                Set { name: "ports".to_owned(), elements: numbers.clone() },
            ];
            rig.bind(rules);
            for (source, inside) in [("10.0.0.1", true), ("10.1.255.255", true), ("10.2.0.0", false)] {
                for (port, listed) in [(53, true), (54, false), (80, true), (90, true), (91, false)] {
                    let dropped = if negated { !inside && !listed } else { inside && listed };
                    rig.assert(Way::Out, &four(source, port), !dropped, "a set");
                }
            }
        }
    });
}

#[test]
fn sets_are_looked_up_in_any_field_of_their_type() {
    rig::with(|rig| {
        let set = |field| is(field, Operand::Set("some".to_owned()));
        /// Elements, the field, a frame that has one of them, and one that has none.
        type Case = (Vec<Operand>, Field, Vec<u8>, Vec<u8>);
        let cases: Vec<Case> = vec![
            (
                vec![Operand::Mac(GUEST)],
                Field::EtherSource,
                four("10.0.0.1", 1),
                Frame::new(OTHER, MacAddress([2, 0, 0, 0, 0, 9])).carry(0x88b6, &[0; 46]),
            ),
            (
                vec![Operand::Number(6), Operand::Number(58)],
                Field::Ip6Protocol,
                Frame::new(OTHER, GUEST).ipv6(&ipv6("fd00::1", "fd00::2"), &tcp(1, 2, SYN)),
                Frame::new(OTHER, GUEST).ipv6(&ipv6("fd00::1", "fd00::2"), &udp(1, 2)),
            ),
            (
                vec![address("fd00::1")],
                Field::Ip6Source,
                Frame::new(OTHER, GUEST).ipv6(&ipv6("fd00::1", "fd00::2"), &udp(1, 2)),
                Frame::new(OTHER, GUEST).ipv6(&ipv6("fd00::2", "fd00::2"), &udp(1, 2)),
            ),
            (
                vec![Operand::Number(0), Operand::Range(40, 46)],
                Field::IpDscp,
                four("10.0.0.1", 1),
                Frame::new(OTHER, GUEST)
                    .ipv4(&reeve_packets::Ipv4 { dscp: 47, ..ipv4("10.0.0.1", "10.0.0.2") }, &udp(1, 2)),
            ),
            (
                vec![Operand::Number(5)],
                Field::VlanId,
                Frame::new(OTHER, GUEST).tagged(5, 0x88b6, &[0; 46]),
                Frame::new(OTHER, GUEST).tagged(6, 0x88b6, &[0; 46]),
            ),
        ];
        for (elements, field, inside, outside) in cases {
            let mut rules = rules(Layer::Link, vec![rule(vec![set(field)], Verdict::Drop)]);
            rules.sets = vec![Set { name: "some".to_owned(), elements }];
            rig.bind(rules);
            rig.assert(Way::Out, &inside, false, "in the set");
            rig.assert(Way::Out, &outside, true, "not in the set");
        }
    });
}

#[test]
fn maps_jump_and_say_nothing_of_the_rest() {
    rig::with(|rig| {
        let look = Verdict::Map { field: Field::DestinationPort, map: "by-port".to_owned() };
        let udp = number(Field::IpProtocol, 17);
        let mut rules = rules(
            Layer::Link,
            vec![
                rule(vec![udp.clone()], look),
                rule(vec![udp.clone(), number(Field::DestinationPort, 4)], Verdict::Drop),
            ],
        );
        let drop_one = rule(vec![is(Field::IpSource, address("10.0.0.1"))], Verdict::Drop);
        let back = rule(vec![is(Field::IpSource, address("10.0.0.3"))], Verdict::Return);
        let chain =
            |name: &str, rules| Chain { name: name.to_owned(), layer: Layer::Link, entry: None, rules };
        rules.chains.push(chain("one", vec![drop_one, back, rule(vec![udp], Verdict::Accept)]));
        let entries = vec![
            (Operand::Number(1), Verdict::Drop),
            (Operand::Number(2), Verdict::Accept),
            (Operand::Range(3, 5), Verdict::Jump("one".to_owned())),
        ];
        rules.maps = vec![VerdictMap { name: "by-port".to_owned(), entries }];
        rig.bind(rules);
        for (source, port, passes) in [
            ("10.0.0.2", 1, false),
            ("10.0.0.2", 2, true),
            ("10.0.0.1", 3, false),
            ("10.0.0.2", 4, true),
            ("10.0.0.3", 4, false),
            ("10.0.0.3", 5, true),
            ("10.0.0.1", 6, true),
        ] {
            rig.assert(Way::Out, &four(source, port), passes, &format!("{source} {port}"));
        }
    });
}

#[test]
fn a_packet_passes_when_both_layers_let_it() {
    rig::with(|rig| {
        let port = |port| vec![number(Field::IpProtocol, 17), number(Field::DestinationPort, port)];
        let mut both = rules(
            Layer::Link,
            vec![
                rule(port(1), Verdict::Drop),
                rule(port(2), Verdict::Accept),
                rule(port(4), Verdict::Return),
            ],
        );
        let link = rules(
            Layer::Connection,
            vec![
                rule(port(2), Verdict::Drop),
                rule(port(3), Verdict::Accept),
                rule(port(5), Verdict::Continue),
                rule(vec![number(Field::EtherType, 0x800), not(number(Field::IpProtocol, 1))], Verdict::Drop),
            ],
        );
        for mut chain in link.chains {
            chain.name.push_str("-connection");
            both.chains.push(chain);
        }
        rig.bind(both);
        let icmp = Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &icmp(8, 0));
        rig.assert(Way::Out, &icmp, true, "the end of both");
        for (port, passes) in [(1, false), (2, false), (3, true), (4, false), (5, false)] {
            rig.assert(Way::Out, &four("10.0.0.1", port), passes, "two layers");
        }
        // The second layer is for IP.
        let arp = reeve_packets::Arp::request(GUEST, "10.0.0.1", "10.0.0.2");
        rig.assert(Way::Out, &Frame::new(OTHER, GUEST).arp(&arp), true, "ARP");
    });
}

#[test]
fn ways_are_kept_apart_and_other_ports_untouched() {
    rig::with(|rig| {
        let drop = rule(vec![number(Field::EtherType, 0x800)], Verdict::Drop);
        let mut rules = rules(Layer::Link, vec![drop]);
        rules.chains.retain(|chain| chain.entry == Some(Flow::Out));
        rig.bind(rules.clone());
        let there = four("10.0.0.1", 1);
        let back = Frame::new(GUEST, OTHER).ipv4(&ipv4("10.0.0.2", "10.0.0.1"), &udp(1, 2));
        rig.assert(Way::Out, &there, false, "out");
        rig.assert(Way::In, &back, true, "in");
        rules.chains[0].entry = Some(Flow::In);
        rig.bind(rules);
        rig.assert(Way::Out, &there, true, "out");
        rig.assert(Way::In, &back, false, "in");
    });
}

#[test]
fn sets_of_the_host_are_asked_and_kept() {
    rig::with(|rig| {
        rig.bind(Ruleset::default());
        let nft = KernelNft::default();
        nft.apply(
            "add set bridge reeve blocked { type ipv4_addr . inet_service; }\n\
             add element bridge reeve blocked { 10.0.0.1 . 80 }\n",
        )
        .unwrap();
        let asks = |name: &str, negated| {
            let sources = vec![true, false];
            let one = is(Field::HostSet, Operand::HostSet { name: name.to_owned(), sources });
            let one = if negated { not(one) } else { one };
            rules(Layer::Connection, vec![rule(vec![one], Verdict::Drop)])
        };
        rig.bind(asks("blocked", false));
        rig.assert(Way::Out, &four("10.0.0.1", 80), false, "in the set");
        rig.assert(Way::Out, &four("10.0.0.1", 81), true, "not in the set");
        nft.apply("add element bridge reeve blocked { 10.0.0.1 . 81 }").unwrap();
        rig.assert(Way::Out, &four("10.0.0.1", 81), false, "in the set now");
        rig.bindings.adopt(vec![binding("tap0", asks("blocked", true))]).unwrap();
        rig.assert(Way::Out, &four("10.0.0.1", 81), true, "in the set");
        rig.assert(Way::Out, &four("10.0.0.1", 82), false, "not in the set");
        let error = rig.bindings.bind(binding("tap0", asks("gone", false))).unwrap_err();
        assert!(error.to_string().contains("the host has no set 'gone'"), "{error}");
        let one = is(Field::HostSet, Operand::HostSet { name: "blocked".to_owned(), sources: vec![true] });
        let one = rules(Layer::Link, vec![rule(vec![one], Verdict::Drop)]);
        let error = rig.bindings.bind(binding("tap0", one)).unwrap_err();
        assert!(error.to_string().contains("have 2 parts, and a rule looks up 1"), "{error}");
        rig.assert(Way::Out, &four("10.0.0.1", 82), false, "the old rules are in place");
    });
}
