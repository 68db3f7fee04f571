//! The filters that come with the product. An operator may redefine them.

/// Name and document of each.
const DOCUMENTS: [(&str, &str); 18] = [
    ("allow-arp", include_str!("../filters/allow-arp.xml")),
    ("allow-dhcp", include_str!("../filters/allow-dhcp.xml")),
    ("allow-dhcp-server", include_str!("../filters/allow-dhcp-server.xml")),
    ("allow-incoming-ipv4", include_str!("../filters/allow-incoming-ipv4.xml")),
    ("allow-ipv4", include_str!("../filters/allow-ipv4.xml")),
    ("clean-traffic", include_str!("../filters/clean-traffic.xml")),
    ("clean-traffic-gateway", include_str!("../filters/clean-traffic-gateway.xml")),
    ("no-arp-ip-spoofing", include_str!("../filters/no-arp-ip-spoofing.xml")),
    ("no-arp-mac-spoofing", include_str!("../filters/no-arp-mac-spoofing.xml")),
    ("no-arp-spoofing", include_str!("../filters/no-arp-spoofing.xml")),
    ("no-ip-multicast", include_str!("../filters/no-ip-multicast.xml")),
    ("no-ip-spoofing", include_str!("../filters/no-ip-spoofing.xml")),
    ("no-mac-broadcast", include_str!("../filters/no-mac-broadcast.xml")),
    ("no-mac-spoofing", include_str!("../filters/no-mac-spoofing.xml")),
    ("no-other-l2-traffic", include_str!("../filters/no-other-l2-traffic.xml")),
    ("no-other-rarp-traffic", include_str!("../filters/no-other-rarp-traffic.xml")),
    ("qemu-announce-self", include_str!("../filters/qemu-announce-self.xml")),
    ("qemu-announce-self-rarp", include_str!("../filters/qemu-announce-self-rarp.xml")),
];

/// Name and document of each, by name.
pub fn shipped() -> impl Iterator<Item = (&'static str, &'static str)> {
    DOCUMENTS.into_iter()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use reeve_model::filter::{FilterConfig, FilterReference, Parameter};

    use super::shipped;
    use crate::tree::{Interface, check_definition, resolve};

    fn parsed() -> BTreeMap<String, Arc<FilterConfig>> {
        let parse = |(name, text): (&str, &str)| {
            let parsed =
                reeve_xml::filter::parse(text, &Default::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(parsed.warnings.is_empty(), "{name}: {:?}", parsed.warnings);
            assert_eq!(parsed.document.name, name);
            (name.to_owned(), Arc::new(parsed.document))
        };
        shipped().map(parse).collect()
    }

    #[test]
    fn documents_are_read_whole_and_no_identity_is_given_twice() {
        let filters = parsed();
        assert!(shipped().is_sorted());
        let identities: BTreeSet<_> = filters.values().map(|filter| filter.uuid).collect();
        assert_eq!(identities.len(), filters.len());
    }

    #[test]
    fn every_tree_is_whole_and_takes_lists() {
        let filters = parsed();
        let lookup = |name: &str| filters.get(name).cloned();
        let parameter =
            |name: &str, value: &str| Parameter { name: name.to_owned(), value: value.to_owned() };
        let parameters = vec![
            parameter("IP", "10.0.0.1"),
            parameter("IP", "10.0.0.2"),
            parameter("DHCPSERVER", "10.0.0.254"),
            parameter("GATEWAY_MAC", "52:54:00:00:00:fe"),
        ];
        let interface = Interface { mac: "52:54:00:00:00:01".parse().unwrap(), addresses: vec![] };
        for (name, filter) in &filters {
            check_definition(filter, &lookup).unwrap();
            let root = FilterReference { filter: name.clone(), parameters: parameters.clone() };
            resolve(&root, &interface, &lookup).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let root = FilterReference { filter: "clean-traffic".to_owned(), parameters: vec![] };
        let clean = resolve(&root, &interface, &lookup).unwrap();
        assert_eq!(clean.learning, Some(crate::LearningMode::Any));
        assert_eq!(clean.names.len(), 9);
    }
}
