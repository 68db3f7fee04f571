use reeve_model::filter::{Chain, Field, Flow, Layer, Match, Operand, Rule, Ruleset, Verdict};
use reeve_sys::nft::FakeNft;

use super::*;
use crate::check::{Limits, check};

fn name(text: &str) -> LinkName {
    LinkName::new(text).unwrap()
}

fn rules(matches: Vec<Match>) -> Ruleset {
    let rules = vec![Rule { matches, verdict: Verdict::Drop, comment: None }];
    let (layer, entry) = (Layer::Connection, Some(Flow::In));
    Ruleset { chains: vec![Chain { name: "c".to_owned(), layer, entry, rules }], ..Ruleset::default() }
}

fn counting(limit: u64) -> Ruleset {
    let (field, operand) = (Field::ConnectionsAbove, Operand::Number(limit));
    rules(vec![Match { field, negated: false, operand }])
}

fn binding(link: &str, rules: Ruleset) -> Binding {
    Binding {
        link: name(link),
        bridge: Some(name("br0")),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        filters: ["clean".to_owned(), link.to_owned()].into(),
        rules: Arc::new(check(rules, &Limits::default()).unwrap()),
    }
}

fn bindings() -> (Arc<FakeNft>, Bindings) {
    let nft = Arc::new(FakeNft::default());
    (nft.clone(), Bindings::new(nft))
}

/// The last script, without the tables that all share.
fn last(nft: &FakeNft) -> String {
    nft.scripts().pop().unwrap()
}

#[test]
fn a_change_is_one_transaction_about_its_port_only() {
    let (nft, bindings) = bindings();
    bindings.apply_many(vec![binding("vnet0", rules(vec![])), binding("vnet1", rules(vec![]))]).unwrap();
    assert_eq!(nft.scripts().len(), 2, "what the kernel can is asked first");
    bindings.bind(binding("vnet1", rules(vec![]))).unwrap();
    insta::assert_snapshot!(last(&nft));
    bindings.unbind(&[name("vnet0")]).unwrap();
    insta::assert_snapshot!(last(&nft));
    assert_eq!(nft.scripts().len(), 4);
    bindings.unbind(&[name("vnet0")]).unwrap();
    assert_eq!(nft.scripts().len(), 4, "nothing is to be done");
}

#[test]
fn a_refusal_leaves_everything_as_it_was() {
    let (nft, bindings) = bindings();
    nft.set_table(NftFamily::Bridge, BRIDGE_TABLE, Some("table bridge reeve {\n}\n"));
    // Not even the shared tables are made.
    nft.fail_at(2);
    bindings.bind(binding("vnet0", rules(vec![]))).unwrap_err();
    assert!(bindings.links().is_empty());
    bindings.bind(binding("vnet0", rules(vec![]))).unwrap();
    let before = bindings.get(&name("vnet0"));
    nft.fail_at(1);
    let error = bindings
        .apply_many(vec![binding("vnet0", counting(1)), binding("vnet1", rules(vec![]))])
        .unwrap_err();
    assert_eq!(error.to_string(), "packet filter rules are refused: the test wants it so");
    assert_eq!(bindings.links(), [name("vnet0")]);
    assert_eq!(bindings.get(&name("vnet0")), before);
    nft.fail_at(1);
    bindings.unbind(&[name("vnet0")]).unwrap_err();
    nft.fail_at(1);
    bindings.adopt(vec![]).unwrap_err();
    assert_eq!(bindings.get(&name("vnet0")), before);
    // The next change goes on from what is in force.
    bindings.bind(binding("vnet0", rules(vec![]))).unwrap();
    let script = last(&nft);
    assert!(script.contains("delete chain bridge reeve p1-1-in-c"), "{script}");
    assert!(script.contains("chain p1-2-in-c {"), "{script}");
}

#[test]
fn chains_that_count_stay_while_their_rules_do() {
    let (nft, bindings) = bindings();
    bindings.bind(binding("vnet0", counting(3))).unwrap();
    let first = last(&nft);
    assert!(first.contains("chain p1-1-in {\n meta mark set meta mark & 0xcf1fffff\n"), "{first}");
    assert!(
        first.contains("add element inet reeve-filter count-in-ipv4 { \"br0\" . 10.0.0.1 : jump p1-1-in }")
    );
    bindings.bind(binding("vnet0", counting(3))).unwrap();
    assert!(!last(&nft).contains("inet"), "{}", last(&nft));
    // An address more is an entry more.
    let mut more = binding("vnet0", counting(3));
    more.addresses.push("fd00::1".parse().unwrap());
    bindings.bind(more).unwrap();
    let added = "add element inet reeve-filter count-in-ipv6 { \"br0\" . fd00::1 : jump p1-1-in }";
    assert!(last(&nft).contains(added), "{}", last(&nft));
    bindings.bind(binding("vnet0", counting(4))).unwrap();
    let changed = last(&nft);
    assert!(changed.contains("delete chain inet reeve-filter p1-1-in\n"), "{changed}");
    assert!(changed.contains("chain p1-4-in {"), "{changed}");
}

#[test]
fn two_guests_with_one_address_are_no_conflict() {
    let (nft, bindings) = bindings();
    bindings.apply_many(vec![binding("vnet0", counting(1)), binding("vnet1", counting(1))]).unwrap();
    assert_eq!(last(&nft).matches("\"br0\" . 10.0.0.1").count(), 1);
    bindings.bind(binding("vnet1", counting(2))).unwrap();
    assert!(!last(&nft).contains("\"br0\" . 10.0.0.1"));
    let mut elsewhere = binding("vnet2", counting(1));
    elsewhere.bridge = Some(name("br1"));
    bindings.bind(elsewhere).unwrap();
    assert!(last(&nft).contains("\"br1\" . 10.0.0.1"));
}

#[test]
fn numbers_of_ports_are_given_again() {
    let (nft, bindings) = bindings();
    bindings.apply_many(vec![binding("a", rules(vec![])), binding("b", rules(vec![]))]).unwrap();
    bindings.unbind(&[name("a")]).unwrap();
    bindings.bind(binding("c", rules(vec![]))).unwrap();
    assert!(last(&nft).contains("\"c\" : goto p1-1-in-c"), "{}", last(&nft));
    assert_eq!(bindings.links(), [name("b"), name("c")]);
    assert_eq!(bindings.dependents("clean"), [name("b"), name("c")]);
    assert_eq!(bindings.dependents("b"), [name("b")]);
    assert!(bindings.dependents("a").is_empty());
}

#[test]
fn names_that_mean_more_to_nft_are_refused() {
    let (nft, bindings) = bindings();
    for bad in ["a\"b", "vnet*", "a;b", "naïve"] {
        let error = bindings.bind(binding(bad, rules(vec![]))).unwrap_err();
        assert!(error.to_string().contains("its name has other characters"), "{error}");
        let mut on_bridge = binding("vnet0", rules(vec![]));
        on_bridge.bridge = Some(name(bad));
        bindings.bind(on_bridge).unwrap_err();
    }
    assert!(nft.scripts().is_empty());
}

#[test]
fn adopting_keeps_the_sets_of_an_administrator_only() {
    let (nft, bindings) = bindings();
    let listing = "table bridge reeve {\n\tmap link-in {\n\t\ttype ifname : verdict\n\t}\n\n\tset blocked {\n\t\ttype \
                   ipv4_addr\n\t}\n\tset p3-9-x-b4 {\n\t}\n\tchain p3-9-in-c {\n\t}\n}\n";
    nft.set_table(NftFamily::Bridge, BRIDGE_TABLE, Some(listing));
    bindings.adopt(vec![binding("vnet0", rules(vec![]))]).unwrap();
    let script = last(&nft);
    for gone in ["map bridge reeve link-in", "set bridge reeve p3-9-x-b4", "chain bridge reeve p3-9-in-c"] {
        assert!(script.contains(&format!("delete {gone}\n")), "{script}");
    }
    assert!(!script.contains("blocked"));
    assert!(script.contains("\"vnet0\" : goto p1-1-in-c"));
}
