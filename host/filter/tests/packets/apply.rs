//! How rules come and go: at once, without touching others, and back after somebody took them away.

use std::time::Instant;

use reeve_filter::Bindings;
use reeve_model::filter::{Field, Layer, Operand, Ruleset, Verdict};
use reeve_packets::{Frame, ipv4, udp};
use reeve_sys::nft::{KernelNft, Nft, NftFamily};

use crate::rig::{self, GUEST, OTHER, Way, binding, is, not, number, rule, rules};

fn blocks(port: u64) -> Ruleset {
    let matches = vec![number(Field::IpProtocol, 17), number(Field::DestinationPort, port)];
    rules(Layer::Link, vec![rule(matches, Verdict::Drop)])
}

fn to(port: u16) -> Vec<u8> {
    Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &udp(1, port))
}

fn listed() -> String {
    let nft = KernelNft::default();
    let list = |family, name| nft.list_table(family, name).unwrap().unwrap_or_default();
    list(NftFamily::Bridge, "reeve") + &list(NftFamily::Inet, "reeve-filter")
}

#[test]
fn rules_replace_each_other_and_leave_nothing_behind() {
    rig::with(|rig| {
        rig.bind(Ruleset::default());
        rig.bindings.unbind(&[rig::name("tap0")]).unwrap();
        let bare = listed();
        let counted = |port| {
            let mut rules = blocks(port);
            rules.chains[0].layer = Layer::Connection;
            rules.chains[0].rules[1].matches.push(number(Field::ConnectionsAbove, 0));
            rules
                .sets
                .push(reeve_model::filter::Set { name: "s".to_owned(), elements: vec![Operand::Number(17)] });
            let listed = is(Field::IpProtocol, Operand::Set("s".to_owned()));
            rules.chains[1].rules[1].matches.push(listed);
            rules
        };
        for port in 1..20 {
            rig.bind(counted(u64::from(port)));
            rig.assert(Way::Out, &to(port), false, "the new rule");
            rig.assert(Way::Out, &to(port - 1), true, "the old rule is gone");
        }
        rig.bindings.unbind(&[rig::name("tap0"), rig::name("tap9")]).unwrap();
        rig.assert(Way::Out, &to(19), true, "no rule");
        assert_eq!(listed(), bare);
        assert!(rig.bindings.links().is_empty());
    });
}

#[test]
fn rules_may_be_there_before_their_link() {
    rig::with(|rig| {
        let spoofed = rule(vec![not(is(Field::EtherSource, Operand::Mac(GUEST)))], Verdict::Drop);
        let both = vec![binding("tap2", rules(Layer::Link, vec![spoofed])), binding("tap0", blocks(7))];
        rig.bindings.apply_many(both).unwrap();
        rig::plug("tap2", "end2");
        let late = reeve_sys::packet::PacketSocket::open(&rig::name("end2"), None).unwrap();
        late.send(&Frame::new(OTHER, OTHER).carry(0x88b6, &[1; 46])).unwrap();
        rig.assert(Way::Out, &to(7), false, "its neighbour's rule");
        assert_eq!(rig.bindings.dependents("tap2"), [rig::name("tap2")]);
        // Its frame would have been flooded to the others; the first they get is another's.
        rig.assert(Way::Out, &to(8), true, "what follows");
    });
}

#[test]
fn a_new_daemon_adopts_and_a_flush_is_mended() {
    rig::with(|rig| {
        rig.bind(blocks(7));
        let next = Bindings::new(std::sync::Arc::new(KernelNft::default()));
        next.adopt(vec![binding("tap0", blocks(8)), binding("tap1", Ruleset::default())]).unwrap();
        rig.assert(Way::Out, &to(7), true, "rules of the daemon before");
        rig.assert(Way::Out, &to(8), false, "rules now");
        // A daemon that knows of none removes what is left by its first change.
        let third = Bindings::new(std::sync::Arc::new(KernelNft::default()));
        third.bind(binding("tap1", Ruleset::default())).unwrap();
        rig.assert(Way::Out, &to(8), true, "nothing is left");
        third.bind(binding("tap0", blocks(9))).unwrap();
        KernelNft::default().apply("delete table bridge reeve\ndelete table inet reeve-filter").unwrap();
        rig.assert(Way::Out, &to(9), true, "somebody flushed the tables");
        third.bind(binding("tap1", blocks(1))).unwrap();
        rig.assert(Way::Out, &to(9), false, "back with the next change");
    });
}

#[test]
fn five_hundred_ports_are_one_transaction() {
    rig::with(|rig| {
        let many =
            |first: u64| (0..500).map(move |n| (format!("vnet{n}"), blocks(first + n))).collect::<Vec<_>>();
        let bindings = |first| many(first).into_iter().map(|(link, rules)| binding(&link, rules)).collect();
        let start = Instant::now();
        rig.bindings.apply_many(bindings(1)).unwrap();
        let fresh = start.elapsed();
        rig.bindings.bind(binding("tap0", blocks(7))).unwrap();
        let start = Instant::now();
        rig.bindings.apply_many(bindings(2)).unwrap();
        let again = start.elapsed();
        let start = Instant::now();
        rig.bindings.bind(binding("tap0", blocks(8))).unwrap();
        let one = start.elapsed();
        rig.assert(Way::Out, &to(7), true, "the old rule");
        rig.assert(Way::Out, &to(8), false, "the rule of one among many");
        let chains = listed().matches("chain p").count();
        assert_eq!(chains, 501 * 2, "two chains a port");
        let figures = format!("500 ports: fresh {fresh:?}, again {again:?}, one among them {one:?}");
        assert!(again.as_secs() < 30, "{figures}");
        // Seen with --nocapture only.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{figures}\n").as_bytes());
    });
}
