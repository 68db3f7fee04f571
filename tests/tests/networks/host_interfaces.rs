//! The host's own interfaces: defined, started, bridged. Their kernel state is what is looked at.

use reeve_sys::link::LinkName;
use reeve_sys::packet::PacketSocket;
use reeve_tests::{Namespace, wait};
use serde_json::Value;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

/// A host with an uplink `up0`, and what is at the other end of its cable.
pub struct Uplink {
    pub lab: Lab,
    far: Namespace,
}

impl Uplink {
    /// Nothing but a cable.
    pub fn bare() -> anyhow::Result<Self> {
        let (lab, far) = (Lab::start()?, Namespace::new()?);
        lab.inside(&["ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0"])?;
        let words = far.through();
        let name = words.last().map_or("", String::as_str);
        lab.inside(&["ip", "link", "set", "far0", "netns", name])?;
        far.run(&["ip", "address", "add", "10.9.0.1/24", "dev", "far0"])?;
        far.run(&["ip", "link", "set", "far0", "up"])?;
        lab.inside(&["ip", "link", "set", "up0", "up"])?;
        Ok(Self { lab, far })
    }

    /// With addresses and routes of both families.
    pub fn configured() -> anyhow::Result<Self> {
        let uplink = Self::bare()?;
        for line in [
            "address add 10.9.0.2/24 dev up0",
            "address add fd09::2/64 dev up0 nodad",
            "route add default via 10.9.0.1 dev up0 metric 50",
            "route add 10.77.0.0/16 via 10.9.0.1 dev up0",
            "-6 route add default via fd09::1 dev up0",
        ] {
            let words: Vec<&str> = std::iter::once("ip").chain(line.split(' ')).collect();
            uplink.lab.inside(&words)?;
        }
        Ok(uplink)
    }

    /// What is at the other end of the cable.
    pub fn listen(&self) -> anyhow::Result<PacketSocket> {
        let name = LinkName::new("far0")?;
        Ok(self.far.within(|| PacketSocket::open(&name, None))??)
    }

    /// Addresses and routes of a link; nothing when it is not there.
    pub fn has(&self, link: &str) -> anyhow::Result<Vec<String>> {
        if !self.lab.links()?.iter().any(|name| name == link) {
            return Ok(Vec::new());
        }
        let ip = |words: &[&str]| -> anyhow::Result<Vec<Value>> {
            let text = self.lab.inside(&[&["ip", "-j"], words, &["show", "dev", link]].concat())?;
            Ok(if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(&text)? })
        };
        let mut all = Vec::new();
        for found in ip(&["address"])? {
            let addresses = found["addr_info"].as_array().cloned().unwrap_or_default();
            let global = addresses.iter().filter(|address| address["scope"] == "global");
            all.extend(global.map(|address| format!("{}/{}", address["local"], address["prefixlen"])));
        }
        for route in [ip(&["-4", "route"])?, ip(&["-6", "route"])?].concat() {
            let text = format!("{} {} {}", route["dst"], route["gateway"], route["metric"]);
            if !text.contains("fe80") && !text.contains("ff00") {
                all.push(text);
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// The far end reaches this address.
    pub fn reached(&self, address: &str) -> anyhow::Result<()> {
        self.far.run(&["ping", "-q", "-c", "1", "-w", "15", address]).map(drop)
    }

    pub fn define(&self, document: &str) -> anyhow::Result<reeve_tests::Run> {
        self.lab.daemon.reeve_with_input(&["iface", "define", "-"], document)
    }

    pub fn info(&self, interface: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.lab.reeve(&["iface", "info", interface, "-o", "json"])?.ok())?)
    }
}

/// A bridge over `up0`; `start` is its start mode.
pub fn bridge(start: &str) -> String {
    format!(
        "<interface type='bridge' name='br0'><start mode='{start}'/>\
         <protocol family='ipv4'><ip address='10.9.0.2' prefix='24'/><route gateway='10.9.0.1'/></protocol>\
         <bridge stp='off' delay='0'><interface type='ethernet' name='up0'/></bridge></interface>"
    )
}

#[test]
fn a_bridge_is_defined_started_destroyed_and_undefined() -> Outcome {
    let host = Uplink::bare()?;
    let lab = &host.lab;
    assert_eq!(
        lab.reeve(&["iface", "list", "--name"])?.ok(),
        "lo\nup0\n",
        "what nobody defined is listed too"
    );
    assert_eq!(host.define(&bridge("none"))?.ok(), "Interface 'br0' defined\n");
    assert_eq!(lab.links()?, ["up0"], "a definition makes nothing");
    assert_eq!(lab.reeve(&["iface", "list", "--inactive", "--name"])?.ok(), "br0\n");
    let listed = lab.reeve(&["iface", "list", "--all"])?.ok();
    let row = listed.lines().find(|line| line.contains("br0")).unwrap_or_default();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["br0", "inactive", "-", "bridge", "yes"]);

    assert_eq!(lab.reeve(&["iface", "start", "br0"])?.ok(), "Interface 'br0' started\n");
    assert_eq!(
        host.has("br0")?,
        ["\"10.9.0.0/24\" null null", "\"10.9.0.2\"/24", "\"default\" \"10.9.0.1\" null"]
    );
    host.reached("10.9.0.2")?;
    let info = host.info("br0")?;
    assert_eq!(
        (&info["active"], &info["defined"], &info["kind"]),
        (&true.into(), &true.into(), &"bridge".into())
    );
    let xml = lab.reeve(&["iface", "xml", "br0"])?.ok();
    assert!(
        xml.contains("10.9.0.2") && xml.contains("name='up0'") && xml.contains("<mac"),
        "as it is: {xml}"
    );
    assert!(!lab.reeve(&["iface", "xml", "br0", "--inactive"])?.ok().contains("<mac"));
    let said = lab.reeve(&["iface", "start", "br0"])?.fails(6);
    assert!(said.contains("interface 'br0' is active already"), "{said}");
    // A bridge without an address of its own has its port's.
    let mac = lab.reeve(&["iface", "mac", "br0"])?.ok();
    let said = lab.reeve(&["iface", "name", mac.trim()])?.fails(7);
    assert!(said.contains("br0, up0") && said.contains("by its name"), "{said}");

    assert_eq!(lab.reeve(&["iface", "destroy", "br0"])?.ok(), "Interface 'br0' destroyed\n");
    assert_eq!(lab.links()?, ["up0"]);
    assert_eq!(lab.reeve(&["iface", "name", mac.trim()])?.ok(), "up0\n");
    assert_eq!(host.info(mac.trim())?["name"], "up0");
    let said = lab.reeve(&["iface", "destroy", "br0"])?.fails(6);
    assert!(
        said.contains("interface 'br0' is not active") && said.contains("reeve iface start br0"),
        "{said}"
    );
    assert_eq!(lab.reeve(&["iface", "undefine", "br0"])?.ok(), "Interface 'br0' undefined\n");
    assert_eq!(lab.reeve(&["iface", "list", "--all", "--name"])?.ok(), "lo\nup0\n");
    Ok(())
}

#[test]
fn a_definition_is_edited_and_outlives_the_daemon() -> Outcome {
    let mut host = Uplink::bare()?;
    host.define(&bridge("none"))?.ok();
    let edited = host.lab.reeve_with_editor(&["iface", "edit", "br0"], "sed -i s/10.9.0.2/10.9.0.3/")?.ok();
    assert_eq!(edited, "Interface 'br0' edited\n");
    let same = host.lab.reeve_with_editor(&["iface", "edit", "br0"], "true")?.ok();
    assert_eq!(same, "Interface 'br0' is unchanged\n");
    let said = host.lab.reeve_with_editor(&["iface", "edit", "br0"], "sed -i s/br0/br1/")?.fails(7);
    assert!(said.contains("may not change the name of interface 'br0'"), "{said}");
    // One that nobody defined is defined by the edit.
    let edited = host.lab.reeve_with_editor(&["iface", "edit", "lo"], "sed -i s/127.0.0.1/127.0.0.5/")?.ok();
    assert_eq!(edited, "Interface 'lo' edited\n");
    host.lab.daemon.kill()?;
    host.lab.daemon.launch()?;
    let listed = host.lab.reeve(&["iface", "list", "--all", "--defined", "--name"])?.ok();
    assert_eq!(listed, "br0\nlo\n");
    assert!(host.lab.reeve(&["iface", "xml", "br0"])?.ok().contains("10.9.0.3"));
    assert!(host.lab.reeve(&["iface", "xml", "lo", "--inactive"])?.ok().contains("127.0.0.5"));
    assert_eq!(host.lab.links()?, ["up0"], "nothing was started");
    Ok(())
}

#[test]
fn an_interface_goes_into_a_bridge_with_all_it_has_and_comes_out_again() -> Outcome {
    let host = Uplink::configured()?;
    let lab = &host.lab;
    let before = host.has("up0")?;
    assert!(before.len() >= 7, "{before:?}");
    host.reached("10.9.0.2")?;
    assert_eq!(lab.reeve(&["iface", "bridge", "up0", "br0", "--no-stp"])?.ok(), "Interface 'br0' created\n");
    assert_eq!(host.has("br0")?, before);
    assert!(host.has("up0")?.is_empty());
    host.reached("10.9.0.2")?;
    let kept = lab.reeve(&["iface", "xml", "br0", "--inactive"])?.ok();
    for part in ["<start mode='onboot'/>", "stp='off'", "name='up0'", "10.9.0.2", "fd09::2"] {
        assert!(kept.contains(part), "{part}: {kept}");
    }
    let said = lab.reeve(&["iface", "bridge", "up0", "br1"])?.fails(6);
    assert!(said.contains("'up0'") && said.contains("'br0'"), "{said}");
    let said = lab.reeve(&["iface", "destroy", "up0"])?.fails(6);
    assert!(said.contains("a part of 'br0'"), "{said}");

    assert_eq!(lab.reeve(&["iface", "unbridge", "br0"])?.ok(), "Interface 'up0' taken out of its bridge\n");
    assert_eq!(lab.links()?, ["up0"]);
    assert_eq!(host.has("up0")?, before);
    host.reached("10.9.0.2")?;
    assert_eq!(lab.reeve(&["iface", "list", "--all", "--defined", "--name"])?.ok(), "up0\n");
    Ok(())
}

#[test]
fn an_address_that_somebody_else_renews_is_told() -> Outcome {
    let host = Uplink::bare()?;
    let lease = ["valid_lft", "3600", "preferred_lft", "3600"];
    host.lab.inside(&[&["ip", "address", "add", "10.9.0.2/24", "dev", "up0"], &lease[..]].concat())?;
    let said = host.lab.reeve(&["iface", "bridge", "up0", "br0", "--no-stp"])?;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.contains("address 10.9.0.2/24 of interface 'up0' is leased"), "{}", said.stderr);
    host.reached("10.9.0.2")
}

#[test]
fn a_bridge_that_is_only_defined_does_the_same_when_it_is_started() -> Outcome {
    let host = Uplink::configured()?;
    let lab = &host.lab;
    let before = host.has("up0")?;
    let said = lab.reeve(&["iface", "bridge", "up0", "br0", "--no-stp", "3", "--no-start"])?.ok();
    assert_eq!(said, "Interface 'br0' defined\n");
    assert_eq!((lab.links()?, host.has("up0")?), (vec!["up0".to_owned()], before.clone()));
    assert!(lab.reeve(&["iface", "xml", "br0"])?.ok().contains("delay='3'"));
    lab.reeve(&["iface", "start", "br0"])?.ok();
    let started = host.has("br0")?;
    for line in &before {
        assert!(started.contains(line), "{line} is missing: {started:?}");
    }
    assert!(host.has("up0")?.is_empty());
    host.reached("10.9.0.2")?;

    lab.reeve(&["iface", "unbridge", "br0", "--no-start"])?.ok();
    assert_eq!(lab.links()?, ["up0"]);
    assert_eq!(host.info("up0")?["active"], false);
    assert!(host.has("up0")?.is_empty());
    lab.reeve(&["iface", "start", "up0"])?.ok();
    assert!(host.has("up0")?.contains(&"\"10.9.0.2\"/24".to_owned()));
    host.reached("10.9.0.2")?;
    Ok(())
}

#[test]
fn an_interface_on_boot_is_started_with_the_daemon() -> Outcome {
    let mut host = Uplink::bare()?;
    host.define(&bridge("onboot"))?.ok();
    host.lab.daemon.stop()?;
    host.lab.daemon.launch()?;
    let there = || host.lab.links().is_ok_and(|links| links.contains(&"br0".to_owned()));
    wait::until("the daemon has started it", PATIENCE, there)?;
    host.reached("10.9.0.2")?;
    let links = host.lab.inside(&["ip", "-j", "link", "show", "dev", "br0"])?;
    host.lab.daemon.kill()?;
    host.lab.daemon.launch()?;
    host.lab.reeve(&["iface", "list"])?.ok();
    assert_eq!(host.lab.inside(&["ip", "-j", "link", "show", "dev", "br0"])?, links, "it is the same one");
    Ok(())
}

#[test]
fn what_would_cut_something_off_is_refused_and_named() -> Outcome {
    let host = Uplink::configured()?;
    let lab = &host.lab;
    let before = host.has("up0")?;
    // A bridge whose port would lose an address that nobody wrote down.
    host.define(&bridge("none"))?.ok();
    let said = lab.reeve(&["iface", "start", "br0"])?.fails(6);
    assert!(
        said.contains("'up0' has the address fd09::2/64") && said.contains("reeve iface bridge up0 br0"),
        "{said}"
    );
    lab.reeve(&["iface", "undefine", "br0"])?.ok();
    // Something stands on it.
    lab.inside(&["ip", "link", "add", "link", "up0", "name", "mv0", "type", "macvtap", "mode", "bridge"])?;
    let said = lab.reeve(&["iface", "bridge", "up0", "br0"])?.fails(6);
    assert!(said.contains("interface 'up0': 'mv0' is attached to it"), "{said}");
    lab.inside(&["ip", "link", "delete", "mv0"])?;
    // Nothing could start it again.
    let said = lab.reeve(&["iface", "destroy", "up0"])?.fails(6);
    assert!(
        said.contains("interface 'up0' is not defined")
            && said.contains("reeve iface xml up0 | reeve iface define -"),
        "{said}"
    );
    assert_eq!((lab.links()?, host.has("up0")?), (vec!["up0".to_owned()], before.clone()));
    // A guest is plugged in.
    lab.reeve(&["iface", "bridge", "up0", "br0"])?.ok();
    lab.inside(&["ip", "tuntap", "add", "vnet0", "mode", "tap"])?;
    lab.inside(&["ip", "link", "set", "vnet0", "master", "br0"])?;
    for verb in ["destroy", "unbridge"] {
        let said = lab.reeve(&["iface", verb, "br0"])?.fails(6);
        assert!(said.contains("interface 'br0': 'vnet0' is attached to it"), "{said}");
    }
    assert_eq!(host.has("br0")?, before);
    Ok(())
}

#[test]
fn what_is_no_interface_is_refused() -> Outcome {
    let host = Uplink::bare()?;
    let lab = &host.lab;
    let said = lab.reeve(&["iface", "info", "nobody"])?.fails(3);
    assert!(
        said.contains("interface 'nobody' does not exist") && said.contains("reeve iface list --all"),
        "{said}"
    );
    lab.reeve(&["iface", "name", "52:54:00:00:00:99"])?.fails(3);
    host.define("<interface type='ethernet' name='absent0'/>")?.ok();
    let said = lab.reeve(&["iface", "mac", "absent0"])?.fails(1);
    assert!(said.contains("interface 'absent0' has no MAC address"), "{said}");
    lab.reeve(&["iface", "start", "absent0"])?.fails(3);
    lab.reeve(&["iface", "undefine", "absent0"])?.ok();
    host.define("<interface type='bridge' name='br0'>")?.fails(7);
    let said = host.define("<interface type='ethernet' name='much-too-long-a-name'/>")?.fails(7);
    assert!(said.contains("1 to 15 bytes"), "{said}");
    let said = lab.reeve(&["iface", "bridge", "up0", "much-too-long-a-name"])?.fails(7);
    assert!(said.contains("much-too-long-a-name"), "{said}");
    let said = lab.reeve(&["iface", "bridge", "up0", "br0", "31"])?.fails(7);
    assert!(said.contains("31 s") && said.contains("0 to 30"), "{said}");
    lab.reeve(&["iface", "bridge", "nobody", "br0"])?.fails(3);
    let said = lab.reeve(&["iface", "bridge", "lo", "br0"])?.fails(6);
    assert!(said.contains("interface 'lo'"), "{said}");
    lab.reeve(&["iface", "bridge", "up0", "lo"])?.fails(6);
    let said = lab.reeve(&["iface", "start", "up0"])?.fails(6);
    assert!(said.contains("interface 'up0' is not defined"), "{said}");
    let said = lab.reeve(&["iface", "undefine", "up0"])?.fails(6);
    assert!(said.contains("interface 'up0' is not defined"), "{said}");
    lab.reeve(&["iface", "unbridge", "up0"])?.fails(6);
    let said = lab.reeve(&["iface", "bridge", "up0", "virbr0"])?.fails(6);
    assert!(said.contains("the bridge of network 'default'"), "{said}");

    // Two definitions of one link.
    host.define("<interface type='ethernet' name='up0'/>")?.ok();
    let said = host.define(&bridge("none"))?.fails(6);
    assert!(said.contains("'up0'") && said.contains("reeve iface undefine up0"), "{said}");
    lab.reeve(&["iface", "undefine", "up0"])?.ok();
    host.define(&bridge("none"))?.ok();
    let said = host.define("<interface type='ethernet' name='up0'/>")?.fails(6);
    assert!(said.contains("a part of 'br0'"), "{said}");
    // What this version can't make is kept and said to be so; what is something else on the host is not touched.
    let said = host.define(
        "<interface type='vlan' name='up0.5'><vlan tag='5'><interface name='up0'/></vlan></interface>",
    )?;
    assert!(said.stderr.contains("a VLAN interface can't be started"), "{}", said.stderr);
    lab.reeve(&["iface", "start", "up0.5"])?.fails(1);
    lab.inside(&["ip", "link", "add", "br0", "type", "ifb"])?;
    let said = lab.reeve(&["iface", "start", "br0"])?.fails(6);
    assert!(said.contains("interface 'br0': on the host it is no bridge"), "{said}");
    assert_eq!(lab.inside(&["ip", "-j", "address", "show", "dev", "up0"])?.matches("10.9.0").count(), 0);
    Ok(())
}
