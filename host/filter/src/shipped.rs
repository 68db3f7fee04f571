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
    use super::shipped;

    #[test]
    fn names_are_those_of_the_documents_and_no_identity_is_given_twice() {
        let mut identities = std::collections::BTreeSet::new();
        for (name, document) in shipped() {
            assert!(document.contains(&format!("<filter name='{name}'")), "{name}");
            let uuid = document.split("<uuid>").nth(1).and_then(|rest| rest.split("</uuid>").next());
            assert!(identities.insert(uuid.expect("a uuid")), "{name}");
        }
        assert!(shipped().is_sorted());
    }
}
