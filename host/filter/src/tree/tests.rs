use std::collections::BTreeMap;
use std::sync::Arc;

use reeve_model::filter::{
    Access, Attribute, Condition, FilterConfig, FilterEntry, FilterReference, FilterRule, Parameter,
    Protocol, ProtocolMatch, RuleAction, RuleDirection, TreeEntry, Value,
};

use super::*;

#[derive(Default)]
struct Filters(BTreeMap<String, Arc<FilterConfig>>);

impl Lookup for Filters {
    fn filter(&self, name: &str) -> Option<Arc<FilterConfig>> {
        self.0.get(name).cloned()
    }
}

impl Filters {
    fn with(mut self, name: &str, entries: Vec<FilterEntry>) -> Self {
        self.0.insert(name.to_owned(), Arc::new(config(name, entries)));
        self
    }
}

fn config(name: &str, entries: Vec<FilterEntry>) -> FilterConfig {
    let uuid = uuid::Uuid::nil();
    let chain = "root".to_owned();
    FilterConfig { name: name.to_owned(), uuid, chain, priority: None, entries, extra: Default::default() }
}

fn reference(name: &str, parameters: &[(&str, &str)]) -> FilterReference {
    let parameter = |(name, value): &(&str, &str)| Parameter { name: (*name).into(), value: (*value).into() };
    FilterReference { filter: name.to_owned(), parameters: parameters.iter().map(parameter).collect() }
}

fn to(name: &str, parameters: &[(&str, &str)]) -> FilterEntry {
    FilterEntry::Reference(reference(name, parameters))
}

fn wants(values: &[(Attribute, &str)]) -> FilterEntry {
    let conditions = values
        .iter()
        .map(|(attribute, value)| Condition { attribute: *attribute, value: Value::parse(value).unwrap() });
    let node = ProtocolMatch { protocol: Protocol::Ip, negated: false, conditions: conditions.collect() };
    FilterEntry::Rule(FilterRule {
        action: RuleAction::Drop,
        direction: RuleDirection::Out,
        priority: 500,
        statematch: true,
        matches: vec![node],
    })
}

fn interface(addresses: &[&str]) -> Interface {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Interface { mac: "52:54:00:00:00:01".parse().unwrap(), addresses }
}

fn failure(filters: &Filters, parameters: &[(&str, &str)]) -> String {
    resolve(&reference("a", parameters), &interface(&[]), filters).unwrap_err().to_string()
}

const IP: Attribute = Attribute::SrcIpAddr;
const PORT: Attribute = Attribute::DstPortStart;

#[test]
fn the_nearest_value_of_a_variable_counts() {
    let filters = Filters::default()
        .with("a", vec![to("b", &[("X", "inner")]), to("c", &[]), to("b", &[("X", "inner")])])
        .with("b", vec![to("c", &[("Y", "1"), ("Y", "2")])])
        .with("c", vec![]);
    let root = reference("a", &[("X", "outer"), ("IP", "10.0.0.9")]);
    let resolved = resolve(&root, &interface(&["10.0.0.1", "fd00::1"]), &filters).unwrap();
    let tree = &resolved.tree.filters;
    let shown: Vec<String> = tree
        .iter()
        .map(|filter| {
            let values = |name: &str| filter.variables.get(name).map_or(String::new(), |v| v.join(","));
            format!("{} X={} Y={} IP={}", filter.name, values("X"), values("Y"), values("IP"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "a X=outer Y= IP=10.0.0.9",
            "c X=outer Y= IP=10.0.0.9",
            "b X=inner Y= IP=10.0.0.9",
            "c X=inner Y=1,2 IP=10.0.0.9",
        ]
    );
    assert_eq!(tree[0].variables["MAC"], ["52:54:00:00:00:01"]);
    assert_eq!(tree[0].variables["IPV6"], ["fd00::1"]);
    // The same filter with the same variables is there once, and every reference leads forward.
    assert_eq!(tree[0].entries, [TreeEntry::Reference(2), TreeEntry::Reference(1), TreeEntry::Reference(2)]);
    assert_eq!(tree[2].entries, [TreeEntry::Reference(3)]);
    assert_eq!(resolved.names.into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn loops_and_missing_filters_are_named() {
    let filters = Filters::default().with("a", vec![to("b", &[])]).with("b", vec![to("c", &[])]);
    assert_eq!(failure(&filters, &[]), "filter 'c' is not defined; filter 'b' refers to it");
    assert_eq!(failure(&Filters::default(), &[]), "filter 'a' is not defined");
    let closing = config("c", vec![to("x", &[]), to("a", &[])]);
    let error = check_definition(&closing, &filters).unwrap_err().to_string();
    assert_eq!(error, "filters refer to each other in a loop: c -> a -> b -> c");
    check_definition(&config("c", vec![to("x", &[])]), &filters).unwrap();
    let filters = filters.with("c", vec![to("a", &[])]);
    assert_eq!(failure(&filters, &[]), "filters refer to each other in a loop: a -> b -> c -> a");
}

#[test]
fn a_variable_without_value_is_an_error_unless_it_can_be_learned() {
    let with =
        |value| Filters::default().with("a", vec![to("b", &[])]).with("b", vec![wants(&[(IP, value)])]);
    assert_eq!(
        failure(&with("$SERVER"), &[]),
        "rule 0 of filter 'b' wants variable 'SERVER', which has no value"
    );
    for (parameters, mode) in [
        (&[][..], LearningMode::Any),
        (&[("CTRL_IP_LEARNING", "any")][..], LearningMode::Any),
        (&[("CTRL_IP_LEARNING", "dhcp")][..], LearningMode::Dhcp),
    ] {
        let resolved = resolve(&reference("a", parameters), &interface(&[]), &with("$IP")).unwrap();
        assert_eq!(resolved.learning, Some(mode));
        let known = resolve(&reference("a", parameters), &interface(&["10.0.0.1"]), &with("$IP")).unwrap();
        assert_eq!(known.learning, None);
    }
    let none = failure(&with("$IP"), &[("CTRL_IP_LEARNING", "none")]);
    assert_eq!(none, "rule 0 of filter 'b' wants variable 'IP', which has no value");
    let wrong = failure(&with("$IP"), &[("CTRL_IP_LEARNING", "guess")]);
    assert_eq!(
        wrong,
        "variable 'CTRL_IP_LEARNING' is 'any', 'dhcp' or 'none', not 'guess' as for filter 'b'"
    );
    let servers =
        |text| resolve(&reference("a", &[("DHCPSERVER", text)]), &interface(&["10.0.0.1"]), &with("$IP"));
    assert_eq!(servers("10.0.0.254").unwrap().dhcp_servers, ["10.0.0.254".parse::<IpAddr>().unwrap()]);
    assert!(servers("here").unwrap_err().to_string().contains("is 'here', which is no address"));
}

#[test]
fn values_fit_where_they_are_used() {
    let with = |entries| Filters::default().with("a", vec![entries]);
    assert_eq!(
        failure(&with(wants(&[(PORT, "$P")])), &[("P", "80"), ("P", "65536")]),
        "variable 'P' is '65536', which is no value of 'dstportstart' in rule 0 of filter 'a'"
    );
    assert_eq!(
        failure(&with(wants(&[(PORT, "$P[2]")])), &[("P", "80"), ("P", "81")]),
        "rule 0 of filter 'a' wants value 2 of variable 'P', which has 2"
    );
    // Only the value that is used has to fit.
    let one = with(wants(&[(PORT, "$P[1]")]));
    resolve(&reference("a", &[("P", "none"), ("P", "81")]), &interface(&[]), &one).unwrap();
    let step = wants(&[(IP, "$IPS[@1]"), (PORT, "$P[@1]")]);
    assert_eq!(
        failure(&with(step), &[("IPS", "10.0.0.1"), ("P", "80"), ("P", "81")]),
        "rule 0 of filter 'a' goes through variables in step that have 1 and 2 values"
    );
    assert!(matches!(Value::parse("$P[@1]"), Ok(Value::Variable { access: Access::Iterator(1), .. })));
}

#[test]
fn trees_are_bounded() {
    let many = |count: usize| (0..count).map(|n| ("P".to_owned(), n.to_string())).collect::<Vec<_>>();
    let given = many(1025);
    let given: Vec<(&str, &str)> =
        given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let filters =
        Filters::default().with("a", vec![wants(&[(PORT, "$P[@1]"), (Attribute::SrcPortStart, "$P[@2]")])]);
    assert_eq!(failure(&filters, &given), "variable 'P' of filter 'a' has more than 1024 values");
    assert_eq!(
        failure(&filters, &given[..200]),
        "the rules of filter 'a' become more than 20000 with the values of their variables"
    );
    let rules = Filters::default().with("a", vec![wants(&[]); MAX_RULES + 1]);
    assert_eq!(failure(&rules, &[]), "filter 'a' has a rule too many: a tree has 4096 rules at most");
    let mut deep = Filters::default().with("a", vec![to("f0", &[])]);
    for n in 0..40 {
        deep = deep.with(&format!("f{n}"), vec![to(&format!("f{}", n + 1), &[])]);
    }
    assert!(failure(&deep, &[]).contains("is more than 32 references away"));
    let wide = (0..300).map(|n| to(&format!("w{n}"), &[])).collect();
    let mut filters = Filters::default().with("a", wide);
    for n in 0..300 {
        filters = filters.with(&format!("w{n}"), vec![]);
    }
    assert!(failure(&filters, &[]).contains("is one too many: a tree has 256 filters"));
    // Every level refers to the next twice: visited once each, not once for every way.
    let mut doubled = Filters::default().with("a", vec![to("d0", &[]), to("d0", &[])]);
    for n in 0..29 {
        let next = format!("d{}", n + 1);
        doubled = doubled.with(&format!("d{n}"), vec![to(&next, &[]), to(&next, &[])]);
    }
    let doubled = doubled.with("d29", vec![]);
    assert_eq!(resolve(&reference("a", &[]), &interface(&[]), &doubled).unwrap().tree.filters.len(), 31);
}
