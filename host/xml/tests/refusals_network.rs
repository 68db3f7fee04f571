//! What is refused in documents of networks, filters and host interfaces, where, and what is said about it.

use reeve_model::network::{NetworkConfig, NetworkUpdate, UpdateCommand, UpdateSection};
use reeve_xml::{ParseOptions, XmlError, filter, host_interface, network};

fn refused<T: std::fmt::Debug>(parsed: Result<T, XmlError>, text: &str) -> XmlError {
    match parsed {
        Ok(parsed) => panic!("not refused: {parsed:?}\n{text}"),
        Err(error) => error,
    }
}

fn assert_refused(text: &str, error: &XmlError, path: &str, message: &str) {
    assert!(error.message.contains(message) && error.path == path, "{text}: {error}");
}

#[test]
fn networks() {
    let ip = "<ip address='10.9.0.1' prefix='24'/>";
    let dhcp = |inside: &str| format!("<ip address='10.9.0.1' prefix='24'><dhcp>{inside}</dhcp></ip>");
    let six = |inside: &str| format!("<ip family='ipv6' address='fd09::1' prefix='64'>{inside}</ip>");
    for (body, path, message) in [
        (
            "<bridge name='a-name-too-long-to-be'/>".to_owned(),
            "/network/bridge",
            "can't be the name of a bridge",
        ),
        ("<bridge delay='31'/>".into(), "/network/bridge", "0 to 30 seconds"),
        ("<bridge stp='maybe'/>".into(), "/network/bridge/@stp", "neither 'on' nor 'off'"),
        ("<mtu size='67'/>".into(), "/network/mtu", "68 to 65535"),
        ("<mac address='53:54:00:00:00:01'/>".into(), "/network/mac", "multicast"),
        ("<mac address='5254'/>".into(), "/network/mac/@address", "not a MAC address"),
        ("<forward mode='bend'/>".into(), "/network/forward/@mode", "not one of none, nat, route"),
        ("<forward mode='route'/>".into(), "/network", "needs an <ip>"),
        (
            format!("<forward mode='route'><nat/></forward>{ip}"),
            "/network/forward/nat",
            "belongs to mode 'nat'",
        ),
        (
            format!("<forward><nat><address start='192.0.2.9' end='192.0.2.1'/></nat></forward>{ip}"),
            "/network/forward/nat/address",
            "must not be after the last",
        ),
        (
            format!("<forward><nat><port start='0' end='9'/></nat></forward>{ip}"),
            "/network/forward/nat/port",
            "1 to 65535",
        ),
        (
            format!("<forward dev='a'><interface dev='b'/></forward>{ip}"),
            "/network/forward",
            "none of its <interface>",
        ),
        ("<forward mode='open' dev='a'/>".into(), "/network/forward", "adds no rules"),
        (format!("<forward mode='bridge' dev='a'/>{ip}"), "/network/ip", "no address of the host"),
        ("<forward mode='bridge'/>".into(), "/network/forward", "needs a <bridge name"),
        ("<forward mode='bridge' dev='a'/><bridge name='b'/>".into(), "/network/forward", "not both"),
        ("<forward mode='vepa'/>".into(), "/network/forward", "mode 'vepa' needs a dev"),
        ("<forward mode='private' dev='a'/><bridge name='b'/>".into(), "/network/bridge", "has no bridge"),
        (ip.repeat(2), "/network/ip[2]", "overlaps"),
        ("<ip address='10.9.0.0' prefix='24'/>".into(), "/network/ip", "is the network itself"),
        ("<ip address='10.9.0.255' prefix='24'/>".into(), "/network/ip", "broadcast"),
        ("<ip address='10.9.0.1' prefix='33'/>".into(), "/network/ip/@prefix", "more than ipv4 has bits"),
        ("<ip address='10.9.0.1' netmask='255.0.255.0'/>".into(), "/network/ip/@netmask", "no netmask"),
        (
            "<ip address='10.9.0.1' netmask='255.0.0.0' prefix='8'/>".into(),
            "/network/ip/@netmask",
            "keep one",
        ),
        ("<ip address='10.9.0.1' family='ipv6'/>".into(), "/network/ip/@family", "is ipv4"),
        (
            "<ip address='10.9.0.1' prefix='24' colour='red'/>".into(),
            "/network/ip/@colour",
            "no attribute 'colour'",
        ),
        (six("<tftp root='/srv'/>"), "/network/ip", "belongs to an IPv4 address"),
        (
            six("<dhcp><range start='fd09::2' end='fd09::9'/></dhcp>").replace("64", "80"),
            "/network/ip",
            "prefix of 64",
        ),
        (dhcp("<range start='10.9.0.9' end='10.9.0.2'/>"), "/network/ip/dhcp/range", "runs backwards"),
        (dhcp("<range start='10.9.1.1' end='10.9.1.2'/>"), "/network/ip/dhcp/range", "not within"),
        (dhcp("<range start='10.9.0.0' end='10.9.0.2'/>"), "/network/ip/dhcp/range", "broadcast address"),
        (
            dhcp("<range start='10.9.0.2' end='10.10.255.2'/>").replace("24", "8"),
            "/network/ip/dhcp/range",
            "65535 is the most",
        ),
        (
            dhcp("<range start='10.9.0.2' end='10.9.0.4'><lease expiry='1'/></range>"),
            "/network/ip/dhcp/range",
            "too short",
        ),
        (
            dhcp("<range start='10.9.0.2' end='10.9.0.4'><lease expiry='1' unit='moons'/></range>"),
            "/network/ip/dhcp/range/lease/@unit",
            "seconds, minutes, hours",
        ),
        (dhcp("<host ip='10.9.0.3'/>"), "/network/ip/dhcp/host", "needs a mac"),
        (dhcp("<host mac='52:54:00:00:00:01'/>"), "/network/ip/dhcp/host", "needs an ip or a name"),
        (dhcp("<host name='a' ip='10.8.0.3'/>"), "/network/ip/dhcp/host", "not within"),
        (dhcp("<host name='a,b' ip='10.9.0.3'/>"), "/network/ip/dhcp/host", "can't be a name"),
        (dhcp("<host id='a b' ip='10.9.0.3'/>"), "/network/ip/dhcp/host", "is no DUID"),
        (dhcp("<bootp file='a&#10;b'/>"), "/network/ip/dhcp/bootp", "no line breaks"),
        ("<ip address='10.9.0.1'><tftp root='srv'/></ip>".into(), "/network/ip/tftp", "not an absolute path"),
        (
            format!("{}{}", dhcp(""), dhcp("").replace("10.9", "10.8")),
            "/network/ip[1]",
            "only one IPv4 address",
        ),
        (
            format!("{ip}<route address='10.7.0.1' prefix='16' gateway='10.9.0.9'/>"),
            "/network/route",
            "has host bits",
        ),
        (
            format!("{ip}<route address='10.7.0.0' prefix='16' gateway='10.8.0.9'/>"),
            "/network/route",
            "in none of the network's addresses",
        ),
        (
            format!("{ip}<route address='10.7.0.0' prefix='16' gateway='10.9.0.9' metric='0'/>"),
            "/network/route",
            "1 or more",
        ),
        ("<portgroup name='a'/><portgroup name='a'/>".into(), "/network/portgroup[2]", "two port groups"),
        (
            "<portgroup name='a' default='yes'/><portgroup name='b' default='yes'/>".into(),
            "/network/portgroup[1]",
            "only one port group",
        ),
        (
            "<bandwidth><inbound peak='5'/></bandwidth>".into(),
            "/network/bandwidth/inbound",
            "average is missing",
        ),
        (
            "<bandwidth><inbound average='9' peak='5'/></bandwidth>".into(),
            "/network/bandwidth/inbound",
            "peak is below average",
        ),
        (
            "<bandwidth><inbound average='9' floor='5'/></bandwidth>".into(),
            "/network/bandwidth/inbound",
            "floor belongs to",
        ),
        ("<vlan/>".into(), "/network/vlan", "needs a <tag>"),
        ("<vlan><tag id='4096'/></vlan>".into(), "/network/vlan", "above 4095"),
        ("<vlan><tag id='1' nativeMode='odd'/></vlan>".into(), "/network/vlan/tag/@nativeMode", "'untagged'"),
        ("<vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>".into(), "/network/vlan", "are a trunk"),
        ("<domain name='a b'/>".into(), "/network/domain", "can't be a name"),
        ("<dns><forwarder/></dns>".into(), "/network/dns/forwarder", "needs an addr"),
        ("<dns><txt name='a' value='b&#10;c'/></dns>".into(), "/network/dns/txt", "no line breaks"),
        ("<dns><host ip='10.9.0.3'/></dns>".into(), "/network/dns/host", "needs a <hostname>"),
        ("<dns><srv service='a' protocol='sctp'/></dns>".into(), "/network/dns/srv", "neither 'tcp'"),
        ("<dns><srv service='a' protocol='tcp' port='1'/></dns>".into(), "/network/dns/srv", "need a target"),
        (
            "<dns><srv service='a' protocol='tcp' target='b' port='0'/></dns>".into(),
            "/network/dns/srv",
            "1 to 65535",
        ),
    ] {
        let text = format!("<network>\n<name>a</name>{body}</network>");
        let error = refused(network::parse(&text, &ParseOptions::default()), &text);
        assert_refused(&text, &error, path, message);
    }
    let text = "<network>\n<name>a/b</name></network>";
    assert_eq!(refused(network::parse(text, &ParseOptions::default()), text).path, "/network/name");
}

#[test]
fn filters() {
    let rule = |inside: &str| format!("<rule action='drop' direction='in'>{inside}</rule>");
    for (body, path, message) in [
        ("<rule direction='in'/>".to_owned(), "/filter/rule", "needs the attribute action"),
        ("<rule action='hide' direction='in'/>".into(), "/filter/rule/@action", "not one of drop, reject"),
        ("<rule action='drop' direction='up'/>".into(), "/filter/rule/@direction", "in, out, inout"),
        (
            "<rule action='drop' direction='in' statematch='no'/>".into(),
            "/filter/rule/@statematch",
            "true, 1, false, 0",
        ),
        (
            "<rule action='drop' direction='in' priority='1001'/>".into(),
            "/filter/rule",
            "a priority is -1000 to 1000",
        ),
        (rule("<tpc dstportstart='1'/>"), "/filter/rule/tpc", "did you mean 'tcp'? (there are mac, vlan"),
        (rule("<tcp srpipaddr='$IP'/>"), "/filter/rule/tcp/@srpipaddr", "did you mean 'srcipaddr'?"),
        (rule("<udp flags='ALL/ALL'/>"), "/filter/rule/udp/@flags", "(it has match, srcmacaddr"),
        (rule("<tcp dstportstart='65536'/>"), "/filter/rule/tcp/@dstportstart", "a number from 0 to 65535"),
        (rule("<ip srcipaddr='::1'/>"), "/filter/rule/ip/@srcipaddr", "an IPv4 address"),
        (rule("<tcp dstportstart='$A['/>"), "/filter/rule/tcp/@dstportstart", "is not a variable"),
        (rule("<tcp match='maybe'/>"), "/filter/rule/tcp/@match", "neither"),
        (rule("<tcp dstportend='9'/>"), "/filter/rule/tcp", "'dstportend' needs 'dstportstart'"),
        (rule("<all ipset='a'/>"), "/filter/rule/all", "'ipset' needs 'ipsetflags'"),
        (rule("<tcp/><udp/>"), "/filter/rule", "about one protocol"),
        (rule("<tcp>words</tcp>"), "/filter/rule/tcp", "means nothing"),
        (
            rule(&format!("<all comment='{}'/>", "x".repeat(257))),
            "/filter/rule/all/@comment",
            "at most 256 characters",
        ),
        ("<filterref/>".into(), "/filter/filterref", "needs the attribute filter"),
        ("<filterref filter='a'/>".into(), "/filter/filterref", "refers to itself"),
        (
            "<filterref filter='b'><parameter name='I-P' value='1'/></filterref>".into(),
            "/filter/filterref",
            "can't be the name of a variable",
        ),
        (
            "<filterref filter='b'><parameter name='IP'/></filterref>".into(),
            "/filter/filterref/parameter",
            "has no value",
        ),
    ] {
        let text = format!("<filter name='a'>\n{body}</filter>");
        let error = refused(filter::parse(&text, &ParseOptions::default()), &text);
        assert_refused(&text, &error, path, message);
        assert_eq!(error.line, 2, "{text}: {error}");
    }
    for (attributes, path, message) in [
        ("name='a/b'", "/filter/@name", "1 to 255 bytes"),
        ("name='a' chain='udp'", "/filter/@chain", "neither 'root' nor a chain"),
        ("name='a' chain='arp x'", "/filter/@chain", "neither 'root' nor a chain"),
        ("name='a' priority='1001'", "/filter/@priority", "-1000 to 1000"),
    ] {
        let text = format!("<filter {attributes}/>");
        let error = refused(filter::parse(&text, &ParseOptions::default()), &text);
        assert_refused(&text, &error, path, message);
    }
    let text = "<filter name='a' chain='arp'><rule action='drop' direction='in'><ip/></rule></filter>";
    let error = refused(filter::parse(text, &ParseOptions::default()), text);
    assert_refused(text, &error, "/filter/rule", "never come to chain 'arp'");
}

#[test]
fn host_interfaces() {
    for (text, path, message) in [
        ("<interface type='tun' name='a'/>", "/interface/@type", "ethernet, bridge, bond, vlan"),
        ("<interface type='bridge' name='a'/>", "/interface", "add <bridge>"),
        ("<interface type='ethernet' name='a b'/>", "/interface/@name", "can't be the name"),
        (
            "<interface type='ethernet' name='a'><start mode='late'/></interface>",
            "/interface/start/@mode",
            "onboot, none, hotplug",
        ),
        (
            "<interface type='bridge' name='a'><bridge><interface type='ethernet' name='a'/></bridge></interface>",
            "/interface/bridge/interface",
            "part of itself",
        ),
        (
            "<interface type='bridge' name='a'><bridge delay='inf'/></interface>",
            "/interface/bridge/@delay",
            "0 to 30",
        ),
        ("<interface type='bond' name='a'><bond/></interface>", "/interface/bond", "needs an <interface>"),
        (
            "<interface type='vlan' name='a'><vlan tag='0'><interface name='b'/></vlan></interface>",
            "/interface/vlan/@tag",
            "not 1 to 4094",
        ),
        (
            "<interface type='ethernet' name='a'><protocol family='ipv4'><ip address='::1'/></protocol></interface>",
            "/interface/protocol",
            "of the other family",
        ),
    ] {
        let error = refused(host_interface::parse(text, &ParseOptions::default()), text);
        assert_refused(text, &error, path, message);
    }
}

fn lab() -> NetworkConfig {
    let text = "<network><name>lab</name><forward dev='a'><interface dev='a'/></forward><domain name='lab'/>
        <dns><txt name='motd' value='x'/></dns>
        <ip address='10.8.0.1' prefix='24'/>
        <ip address='10.9.0.1' prefix='24'><dhcp><range start='10.9.0.9' end='10.9.0.20'/>
        <host mac='52:54:00:00:00:01' name='one' ip='10.9.0.2'/></dhcp></ip>
        <portgroup name='staff'/></network>";
    network::parse(text, &ParseOptions::default()).expect("a good network").document
}

fn update(command: &str, section: &str, xml: &str, parent: Option<u32>) -> Result<NetworkConfig, String> {
    let change = NetworkUpdate {
        command: UpdateCommand::from_word(command).expect("a command"),
        section: UpdateSection::from_word(section).expect("a section"),
        xml: xml.to_owned(),
        parent,
        live: false,
        config: true,
    };
    network::update(&lab(), &change).map_err(|error| error.to_string())
}

#[test]
fn sections_that_are_changed() {
    let host = "<host mac='52:54:00:00:00:02' ip='10.9.0.3'/>";
    let hosts = |network: &NetworkConfig, ip: usize| -> Vec<String> {
        let dhcp = network.ips[ip].dhcp.clone().unwrap_or_default();
        dhcp.hosts.iter().map(|host| host.ip.expect("an address").to_string()).collect()
    };
    let changed = update("add-last", "ip-dhcp-host", host, None).unwrap();
    assert_eq!(hosts(&changed, 1), ["10.9.0.2", "10.9.0.3"], "where DHCP is served");
    let changed = update("add-first", "ip-dhcp-host", host, Some(1)).unwrap();
    assert_eq!(hosts(&changed, 1), ["10.9.0.3", "10.9.0.2"]);
    let moved = "<host mac='52:54:00:00:00:01' name='one' ip='10.9.0.7'/>";
    assert_eq!(hosts(&update("modify", "ip-dhcp-host", moved, None).unwrap(), 1), ["10.9.0.7"]);
    let gone = update("delete", "ip-dhcp-host", "<host mac='52:54:00:00:00:01'/>", None).unwrap();
    assert!(hosts(&gone, 1).is_empty());
    let gone = update("delete", "ip-dhcp-range", "<range start='10.9.0.9' end='10.9.0.20'/>", None).unwrap();
    assert!(gone.ips[1].dhcp.as_ref().is_some_and(|dhcp| dhcp.ranges.is_empty()));
    let changed = update("modify", "portgroup", "<portgroup name='staff' default='yes'/>", None).unwrap();
    assert!(changed.portgroups[0].default);
    let changed = update("modify", "domain", "<domain name='lab2' localOnly='yes'/>", None).unwrap();
    assert_eq!(changed.domain.expect("a domain").name, "lab2");
    let changed = update("add-first", "forward-interface", "<interface dev='b'/>", None).unwrap();
    assert_eq!(changed.forward.expect("a forward").interfaces, ["b", "a"]);
    let changed = update("add-last", "dns-srv", "<srv service='ldap' protocol='tcp' target='x'/>", None);
    assert_eq!(changed.unwrap().dns.srvs.len(), 1);
    let changed = update("add-last", "dns-host", "<host ip='10.9.0.2'><hostname>x</hostname></host>", None);
    assert_eq!(changed.unwrap().dns.hosts.len(), 1);
    let changed = update("add-last", "ip", "<ip family='ipv6' address='fd09::1' prefix='64'/>", None);
    assert_eq!(changed.unwrap().ips.len(), 3);
}

#[test]
fn sections_that_stay() {
    let host = "<host mac='52:54:00:00:00:01' ip='10.9.0.3'/>";
    for (command, section, xml, parent, message) in [
        ("add-last", "bridge", "<bridge name='b'/>", None, "it takes 'modify' only"),
        ("delete", "domain", "<domain name='lab'/>", None, "it takes 'modify' only"),
        (
            "modify",
            "ip-dhcp-range",
            "<range start='10.9.0.9' end='10.9.0.20'/>",
            None,
            "'add-last' and 'delete'",
        ),
        ("add-last", "ip-dhcp-host", host, None, "network 'lab' has a DHCP <host mac='52:54:00:00:00:01'"),
        ("add-last", "ip-dhcp-host", host, Some(5), "network 'lab' has no <ip> at index 5"),
        ("add-last", "ip-dhcp-host", "<host name='x' ip='10.1.0.3'/>", None, "not within"),
        ("delete", "ip-dhcp-host", "<host name='two'/>", None, "network 'lab' has no DHCP <host name='two'>"),
        ("modify", "ip-dhcp-host", "<host ip='10.9.0.2'/>", None, "network 'lab' has no DHCP <host"),
        ("delete", "ip-dhcp-host", "<host/>", None, "give at least one"),
        ("add-last", "portgroup", "<portgroup name='staff'/>", None, "has <portgroup name='staff'> already"),
        ("delete", "portgroup", "<portgroup name='guests'/>", None, "has no <portgroup name='guests'>"),
        ("add-last", "dns-txt", "<txt name='motd' value='y'/>", None, "has <txt name='motd'> already"),
        ("add-last", "dns-txt", "<host name='motd'/>", None, "is a <txt>, not a <host>"),
        ("add-last", "forward-interface", "<interface dev='a'/>", None, "already"),
        ("delete", "forward-pf", "<pf dev='a'/>", None, "has no <pf dev='a'/>"),
        ("add-last", "dns-host", "<host ip='10.9.0.2'/>", None, "needs a <hostname>"),
    ] {
        let error = update(command, section, xml, parent).expect_err(xml);
        assert!(error.contains(message), "{command} {section} {xml}: {error}");
    }
}
