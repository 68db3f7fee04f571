//! A filter policy in one page: a guest sends frames from its own MAC address, and IPv4 and ARP from addresses that the host knows
//! to be its own. It may ask for an address by DHCP. What the interface's filter says is not looked at.

use reeve_sdk::filter::ruleset::{Chain, Field, Flow, Layer, Match, Operand, Rule, Set, Verdict};
use reeve_sdk::filter::{Filter, Rules, Subject};
use reeve_sdk::prelude::*;

/// The policy.
struct AntiSpoof;

impl Policy for AntiSpoof {
    fn filter_generate(_ctx: &Context, interface: &Subject, _filters: &[Filter]) -> Result<Rules, Failure> {
        Ok(rules(interface))
    }
}

/// The rules of an interface.
pub fn rules(interface: &Subject) -> Rules {
    let own: Vec<Operand> = (interface.addresses.iter())
        .filter(|address| !address.contains(':'))
        .map(|address| Operand::Address(address.clone()))
        .collect();
    let mut list = vec![
        drop(vec![not(Field::EtherSource, Operand::Mac(interface.mac.clone()))], "not its own MAC address"),
        Rule { matches: dhcp(), verdict: Verdict::Accept, comment: Some("asks for an address".to_owned()) },
    ];
    let (spoofs_ip, spoofs_arp) = match own.is_empty() {
        // No address is its own yet.
        true => (vec![is(Field::EtherType, 0x800)], vec![is(Field::EtherType, 0x806)]),
        false => (vec![not_own(Field::IpSource)], vec![not_own(Field::ArpSourceIp)]),
    };
    list.push(drop(spoofs_ip, "not its own IPv4 address"));
    list.push(drop(spoofs_arp, "not its own address in ARP"));
    let sets = if own.is_empty() { Vec::new() } else { vec![Set { name: "own".to_owned(), elements: own }] };
    let chain = Chain { name: "out".to_owned(), layer: Layer::Link, entry: Some(Flow::Out), rules: list };
    Rules { chains: vec![chain], sets, maps: Vec::new() }
}

fn drop(matches: Vec<Match>, comment: &str) -> Rule {
    Rule { matches, verdict: Verdict::Drop, comment: Some(comment.to_owned()) }
}

fn is(field: Field, number: u64) -> Match {
    Match { field, negated: false, operand: Operand::Number(number) }
}

fn not(field: Field, operand: Operand) -> Match {
    Match { field, negated: true, operand }
}

fn not_own(field: Field) -> Match {
    not(field, Operand::Set("own".to_owned()))
}

/// A client of DHCP that has no address.
fn dhcp() -> Vec<Match> {
    let nobody = Operand::Address("0.0.0.0".to_owned());
    vec![
        Match { field: Field::IpSource, negated: false, operand: nobody },
        is(Field::IpProtocol, 17),
        is(Field::SourcePort, 68),
        is(Field::DestinationPort, 67),
    ]
}

reeve_sdk::policy!(AntiSpoof: filter_generate);

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(addresses: &[&str]) -> Subject {
        Subject {
            domain: "web".into(),
            link: "vnet0".into(),
            mac: "52:54:00:00:00:01".into(),
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        }
    }

    #[test]
    fn known_addresses_are_a_set_and_no_address_is_none() {
        let known = rules(&interface(&["10.0.0.2", "2001:db8::2"]));
        assert_eq!(known.sets.len(), 1);
        assert_eq!(known.sets[0].elements, [Operand::Address("10.0.0.2".into())]);
        let unknown = rules(&interface(&[]));
        assert!(unknown.sets.is_empty());
        assert_eq!(unknown.chains[0].rules[2].matches, [is(Field::EtherType, 0x800)]);
    }
}
