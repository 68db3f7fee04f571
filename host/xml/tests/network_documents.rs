//! Documents of networks, filters and host interfaces as operators write them: what is read, and the canonical form.

use reeve_model::domain::Device;
use reeve_model::filter::{Access, Attribute, FilterEntry, FilterRule, Protocol, RuleAction, Value};
use reeve_model::network::ForwardMode;
use reeve_xml::{Kind, ParseOptions, check, device, filter, network};

fn rules(text: &str) -> Vec<FilterRule> {
    let parsed = filter::parse(text, &ParseOptions::default()).expect("a good filter");
    let rule = |entry| match entry {
        FilterEntry::Rule(rule) => Some(rule),
        FilterEntry::Reference(_) => None,
    };
    parsed.document.entries.into_iter().filter_map(rule).collect()
}

fn canonical(text: &str, kind: Kind) -> String {
    let checked = check(text, Some(kind)).expect("a good document");
    assert_eq!(checked.warnings, [], "{text}");
    checked.canonical
}

#[test]
fn the_default_network_gets_libvirts_form() {
    let text = "<network><name>default</name><bridge delay='0' name='virbr0' stp='on'/><forward/>
        <ip netmask='255.255.255.0' address='192.168.122.1'><dhcp>
        <host ip='192.168.122.2' mac='52:54:00:AA:00:01'><lease unit='minutes' expiry='120'/></host>
        <range end='192.168.122.254' start='192.168.122.3'/></dhcp></ip></network>";
    assert_eq!(
        canonical(text, Kind::Network),
        "<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.3' end='192.168.122.254'/>
      <host mac='52:54:00:aa:00:01' ip='192.168.122.2'>
        <lease expiry='2' unit='hours'/>
      </host>
    </dhcp>
  </ip>
</network>
"
    );
}

#[test]
fn spellings_of_networks() {
    let parse = |text: &str| network::parse(text, &ParseOptions::default()).expect("a good network").document;
    let old = parse(
        "<network><name>a</name><forward dev='eth0'/><bridge name='b' stp='on' forwardDelay='4'/>
         <ip address='192.168.100.1'/></network>",
    );
    assert_eq!(old.bridge.delay_s, Some(4));
    assert_eq!(old.forward.as_ref().map(|forward| forward.mode), Some(ForwardMode::Nat));
    assert_eq!(old.ips[0].network.prefix, 24, "by its class");
    let isolated = parse("<network><name>a</name><forward mode='none'/></network>");
    assert!(isolated.forward.is_none() && !isolated.uuid.is_nil());
    let tagged = parse(
        "<network><name>a</name><forward mode='bridge'/><bridge name='ovsbr0'/>
         <virtualport type='openvswitch'><parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f'/></virtualport>
         <vlan trunk='yes'><tag id='42' nativeMode='untagged'/><tag id='47'/></vlan>
         <portgroup name='quiet'><vlan><tag id='42'/></vlan></portgroup></network>",
    );
    let vlan = tagged.vlan.expect("tags");
    assert_eq!(vlan.tags.iter().map(|tag| tag.id).collect::<Vec<_>>(), [42, 47]);
    assert_eq!(vlan.tags[0].native_mode.as_deref(), Some("untagged"));
    assert_eq!(tagged.portgroups[0].vlan.as_ref().map(|vlan| vlan.tags[0].id), Some(42));
}

#[test]
fn parts_that_a_host_does_not_act_on_are_kept_and_told() {
    let text =
        "<network><name>a</name><forward mode='hostdev' managed='yes'><driver name='vfio'/><pf dev='eth3'/>
        <address type='pci' domain='0x0000' bus='0x02' slot='0x10' function='0x1'/></forward></network>";
    let checked = check(text, None).expect("a good document");
    let paths: Vec<&str> = checked.warnings.iter().map(|warning| warning.path.as_str()).collect();
    let forward = "/network/forward";
    assert_eq!(
        paths,
        [
            format!("{forward}/@mode"),
            format!("{forward}/@managed"),
            format!("{forward}/driver"),
            format!("{forward}/pf"),
            format!("{forward}/address")
        ]
    );
    assert!(checked.canonical.contains("<driver name='vfio'/>"), "{}", checked.canonical);
    assert!(checked.canonical.contains("slot='0x10' function='0x1'"), "{}", checked.canonical);
}

#[test]
fn a_filter_of_a_server_that_pings() {
    let text = "<filter name='test-eth0'>
        <!-- no spoofing -->
        <filterref filter='clean-traffic'/>
        <rule action='ACCEPT' direction='in'><tcp dstportstart='22'/></rule>
        <rule action='accept' direction='in' statematch='0'><tcp dstportstart='0x50' comment='the $web'/></rule>
        <rule action='accept' direction='out'><icmp/></rule>
        <rule action='drop' direction='inout' priority='1000'><all/></rule>
      </filter>";
    assert_eq!(
        canonical(text, Kind::Filter),
        "<filter name='test-eth0' chain='root'>
  <filterref filter='clean-traffic'/>
  <rule action='accept' direction='in' priority='500'>
    <tcp dstportstart='22'/>
  </rule>
  <rule action='accept' direction='in' priority='500' statematch='false'>
    <tcp dstportstart='0x50' comment='the $web'/>
  </rule>
  <rule action='accept' direction='out' priority='500'>
    <icmp/>
  </rule>
  <rule action='drop' direction='inout' priority='1000'>
    <all/>
  </rule>
</filter>
"
    );
    let rules = rules(text);
    assert_eq!(rules[0].action, RuleAction::Accept);
    assert_eq!(rules[1].matches[0].conditions[1].value, Value::Literal("the $web".to_owned()));
}

#[test]
fn variables_lists_and_negation() {
    let text = "<filter name='no-arp' chain='arp' priority='-500'>
        <rule action='drop' direction='out' priority='300'><mac match='no' srcmacaddr='$MAC'/></rule>
        <rule action='drop' direction='in' priority='450'><arp opcode='Reply'/><arp match='no' arpdstmacaddr='$MAC'/></rule>
        <rule action='accept' direction='in'><arp arpsrcipaddr='$SOURCES[@1]' arpdstipaddr='$IP[2]'/></rule>
        <rule action='drop' direction='inout' priority='1000'/></filter>";
    let rules = rules(text);
    assert!(rules[0].matches[0].negated);
    assert_eq!(rules[1].matches.iter().map(|node| node.negated).collect::<Vec<_>>(), [false, true]);
    let variable = |name: &str, access| Value::Variable { name: name.to_owned(), access };
    assert_eq!(rules[2].matches[0].conditions[0].value, variable("SOURCES", Access::Iterator(1)));
    assert_eq!(rules[2].matches[0].conditions[1].value, variable("IP", Access::Element(2)));
    assert!(rules[3].matches.is_empty());
}

/// Every attribute of every protocol is read and written, and none is warned of.
#[test]
fn every_attribute_of_every_protocol() {
    for protocol in Protocol::ALL {
        let has = |attribute: &Attribute| protocol.datatype(*attribute).is_some();
        let attributes: String = Attribute::ALL
            .iter()
            .copied()
            .filter(has)
            .map(|attribute| format!(" {}='$V'", attribute.as_str()))
            .collect();
        let node = format!("<{}{attributes}/>", protocol.as_str());
        let text = format!(
            "<filter name='a'><rule action='return' direction='inout' priority='1'>{node}</rule></filter>"
        );
        assert!(canonical(&text, Kind::Filter).contains(&node), "{node}");
    }
    let guide = "<filter name='a'><rule action='drop' direction='in'><vlan vlan-id='0x2a'/></rule></filter>";
    assert_eq!(rules(guide)[0].matches[0].conditions[0].attribute, Attribute::VlanId);
}

#[test]
fn network_parts_of_a_domains_interface() {
    let text = "<interface type='network'>
  <mac address='52:54:00:00:00:01'/>
  <source network='lab' portgroup='staff'/>
  <virtualport type='openvswitch'/>
  <vlan>
    <tag id='42'/>
  </vlan>
  <model type='virtio'/>
  <filterref filter='clean-traffic'>
    <parameter name='IP' value='10.0.0.1'/>
    <parameter name='IP' value='10.0.0.2'/>
  </filterref>
  <mtu size='1400'/>
  <bandwidth>
    <inbound average='1000' peak='5000' floor='200' burst='1024'/>
    <outbound average='128' peak='256' burst='256'/>
  </bandwidth>
  <port isolated='yes'/>
</interface>
";
    let Ok(Device::Interface(interface)) = device::parse(text) else { panic!("not an interface") };
    assert_eq!(device::format(&Device::Interface(interface.clone())), text);
    assert!(interface.common.extra.is_empty() && interface.isolated);
    assert_eq!(interface.bandwidth.inbound.and_then(|limit| limit.floor_kib), Some(200));
    assert_eq!(interface.filterref.expect("a filter").parameters.len(), 2);
    for (from, to, path) in [
        ("type='network'", "type='bridge'", "/interface/bandwidth/inbound"),
        ("<outbound average", "<outbound floor='1' average", "/interface/bandwidth/outbound"),
        ("<outbound average='128'", "<outbound", "/interface/bandwidth/outbound"),
        ("size='1400'", "size='4'", "/interface/mtu/@size"),
        ("name='IP' value='10.0.0.2'", "name='I P' value='1'", "/interface/filterref"),
        ("type='network'", "type='mcast'", "/interface/source"),
    ] {
        let error = device::parse(&text.replacen(from, to, 1)).expect_err(to);
        assert_eq!(error.path, path, "{to}: {error}");
    }
}

#[test]
fn a_bridge_of_the_host() {
    let text = "<interface name='br0' type='bridge'><bridge delay='0.01' stp='off'>
        <interface type='ethernet' name='eth0'><mac address='52:54:00:AA:00:01'/></interface>
        <interface type='vlan' name='eth1.5'><vlan tag='5'><interface name='eth1'/></vlan></interface></bridge>
        <protocol family='ipv4'><ip address='10.9.0.1' prefix='24'/><route gateway='10.9.0.9'/></protocol>
        <protocol family='ipv6'><autoconf/><dhcp peerdns='no'/></protocol><start mode='onboot'/></interface>";
    assert_eq!(
        canonical(text, Kind::Interface),
        "<interface type='bridge' name='br0'>
  <start mode='onboot'/>
  <protocol family='ipv4'>
    <ip address='10.9.0.1' prefix='24'/>
    <route gateway='10.9.0.9'/>
  </protocol>
  <protocol family='ipv6'>
    <autoconf/>
    <dhcp peerdns='no'/>
  </protocol>
  <bridge stp='off' delay='0.01'>
    <interface type='ethernet' name='eth0'>
      <mac address='52:54:00:aa:00:01'/>
    </interface>
    <interface type='vlan' name='eth1.5'>
      <vlan tag='5'>
        <interface name='eth1'/>
      </vlan>
    </interface>
  </bridge>
</interface>
"
    );
}
