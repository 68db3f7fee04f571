//! Real guests on a network, with a packet filter.

use std::time::Duration;

use reeve_model::api::ConsoleOptions;
use reeve_tests::{Daemon, Guest, Run, policy, wait};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use crate::host_interfaces::Uplink;
use crate::lab::{Lab, document};
use crate::station::heard_before;
use crate::{Outcome, PATIENCE};

const INTERFACE: &str = "<interface type='network'><mac address='52:54:00:00:00:07'/><source network='lab'/>\
                         <model type='virtio'/><filterref filter='clean-traffic'/></interface>";

/// A lab with the network started and a guest defined.
fn lab() -> anyhow::Result<Lab> {
    let lab = Lab::with(&document("lab", "labbr", 77))?;
    lab.reeve(&["network", "start", "lab"])?.ok();
    let guest = Guest::locate()?.document_with("web", 64, "", INTERFACE);
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &guest)?.ok();
    Ok(lab)
}

fn load(daemon: &Daemon, component: &std::path::Path) -> anyhow::Result<Run> {
    daemon.reeve(&["policy", "load", &component.to_string_lossy()])
}

/// Reads a domain's console until it has answered so often.
fn answers(daemon: &Daemon, domain: &str, count: usize) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut text = String::new();
    let read = async {
        let mut console = daemon.client().console(domain, &ConsoleOptions::default()).await?;
        loop {
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let answers = whole.lines().map(str::trim_end).filter(|line| is_answer(line));
            let answers: Vec<String> = answers.map(str::to_owned).collect();
            if answers.len() >= count {
                return anyhow::Ok(answers);
            }
            let mut bytes = [0; 512];
            let length = console.read(&mut bytes).await?;
            anyhow::ensure!(length > 0, "the console ended after: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    };
    let answers = runtime.block_on(async { tokio::time::timeout(PATIENCE, read).await });
    answers.map_err(|_late| anyhow::anyhow!("the guest says no more than this: {text}"))?
}

fn is_answer(line: &str) -> bool {
    line.starts_with("ok ") || line.starts_with("error ")
}

fn ports(lab: &Lab) -> anyhow::Result<Vec<Value>> {
    Ok(serde_json::from_str(&lab.reeve(&["network", "ports", "lab", "-o", "json"])?.ok())?)
}

#[test]
fn a_filtered_port_lives_as_long_as_its_guest() -> Outcome {
    let mut lab = lab()?;
    load(&lab.daemon, &policy("packet-filter")?)?.ok();
    let before = lab.rules()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let plugged = ports(&lab)?;
    assert_eq!(plugged.len(), 1, "{plugged:?}");
    assert_eq!(
        (&plugged[0]["mac"], &plugged[0]["filter"]),
        (&"52:54:00:00:00:07".into(), &"clean-traffic".into())
    );
    let link = plugged[0]["link"].as_str().unwrap_or_default().to_owned();
    let shown = lab.inside(&["ip", "-j", "link", "show", "dev", &link])?;
    assert!(shown.contains("\"master\":\"labbr\""), "{shown}");
    let rules = lab.rules()?;
    assert!(rules.contains(&link) && rules.contains("52:54:00:00:00:07"), "{rules}");
    assert_eq!(lab.info("lab")?["connections"], 1);
    let said = lab.reeve(&["nwfilter", "undefine", "clean-traffic"])?.fails(6);
    assert!(said.contains(&link), "{said}");

    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(ports(&lab)?.len(), 1, "a port outlives a killed daemon");
    assert!(lab.rules()?.contains("52:54:00:00:00:07"));

    lab.reeve(&["domain", "destroy", "web"])?.ok();
    wait::until("the port is unplugged", PATIENCE, || ports(&lab).is_ok_and(|ports| ports.is_empty()))?;
    assert_eq!(lab.links()?, ["labbr"]);
    let after = lab.rules()?;
    assert!(!after.contains(&link) && !after.contains("52:54:00:00:00:07"), "{after}\nbefore: {before}");
    Ok(())
}

#[test]
fn a_guest_that_is_started_again_at_once_keeps_its_port() -> Outcome {
    let lab = lab()?;
    load(&lab.daemon, &policy("packet-filter")?)?.ok();
    for round in 0..5 {
        lab.reeve(&["domain", "start", "web"])?.ok();
        let link = ports(&lab)?[0]["link"].as_str().unwrap_or_default().to_owned();
        assert!(lab.links()?.contains(&link) && lab.rules()?.contains(&link), "round {round}");
        lab.reeve(&["domain", "destroy", "web"])?.ok();
    }
    Ok(())
}

#[test]
fn a_link_gets_the_next_name_where_somebody_else_has_taken_the_first() -> Outcome {
    let lab = Lab::with(&document("lab", "labbr", 77))?;
    lab.reeve(&["network", "start", "lab"])?.ok();
    // The host does not see it when it looks for a name, as one that another daemon takes right after that.
    lab.inside(&["ip", "tuntap", "add", "other", "mode", "tap"])?;
    for name in ["vnet0", "vnet1", "mine"] {
        lab.inside(&["ip", "link", "property", "add", "dev", "other", "altname", name])?;
    }
    let interface = |target: &str| {
        format!("<interface type='network'><source network='lab'/>{target}<model type='virtio'/></interface>")
    };
    let define = |target: &str| -> Outcome {
        let guest = Guest::locate()?.document_with("web", 64, "", &interface(target));
        let run = lab.daemon.reeve_with_input(&["domain", "define", "-"], &guest)?;
        anyhow::ensure!(run.code == 0, "{run:?}");
        Ok(())
    };
    define("")?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert_eq!(ports(&lab)?[0]["link"], "vnet2");
    assert!(lab.reeve(&["domain", "xml", "web"])?.ok().contains("<target dev='vnet2'/>"));
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    // A name of the operator's is no other.
    define("<target dev='mine'/>")?;
    let said = lab.reeve(&["domain", "start", "web"])?.fails(6);
    assert!(said.contains("'mine'") && said.contains("is there already"), "{said}");
    assert!(ports(&lab)?.is_empty());
    assert_eq!(lab.links()?, ["labbr", "other"]);
    lab.inside(&["ip", "link", "delete", "other"])?;
    Ok(())
}

#[test]
fn without_a_filter_policy_nothing_is_plugged() -> Outcome {
    let lab = lab()?;
    let before = lab.rules()?;
    let said = lab.reeve(&["domain", "start", "web"])?.fails(1);
    assert!(said.contains("'clean-traffic'") && said.contains("load the policy 'packet-filter'"), "{said}");
    assert_eq!(lab.links()?, ["labbr"]);
    assert!(ports(&lab)?.is_empty());
    assert_eq!(lab.rules()?, before);
    Ok(())
}

#[test]
fn the_smallest_filter_policy_filters_too() -> Outcome {
    let lab = lab()?;
    load(&lab.daemon, &policy("anti-spoof-minimal")?)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let rules = lab.rules()?;
    assert!(rules.contains("52:54:00:00:00:07"), "{rules}");
    Ok(())
}

#[test]
fn a_guest_is_given_an_address_and_told_where_a_name_is() -> Outcome {
    let lab = Lab::with(&document("lab", "labbr", 78).replace(
        "<ip address",
        "<dns><host ip='192.168.78.9'><hostname>printer</hostname></host></dns><ip address",
    ))?;
    lab.reeve(&["network", "start", "lab"])?.ok();
    let devices = "<serial type='pty'><target port='0'/></serial><interface type='network'>\
                   <mac address='52:54:00:00:00:08'/><source network='lab'/><model type='virtio'/></interface>";
    let cmdline = "run=net+dhcp run=net+resolve+printer run=net+resolve+nowhere";
    let guest = Guest::locate()?.document_with("web", 64, cmdline, devices);
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &guest)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();

    let answers = answers(&lab.daemon, "web", 3)?;
    let leases: Vec<Value> =
        serde_json::from_str(&lab.reeve(&["network", "dhcp-leases", "lab", "-o", "json"])?.ok())?;
    assert_eq!(leases.len(), 1, "{leases:?}");
    assert_eq!(leases[0]["mac"], "52:54:00:00:00:08");
    let address = leases[0]["ip"].as_str().unwrap_or_default();
    assert!(address.starts_with("192.168.78.1"), "{address}");
    let given = format!(
        "ok address={address} mask=255.255.255.0 router=192.168.78.1 dns=192.168.78.1 server=192.168.78.1"
    );
    assert_eq!(answers[0], given);
    assert_eq!(answers[1], "ok printer=192.168.78.9");
    assert!(answers[2].starts_with("error the name server"), "{answers:?}");
    Ok(())
}

#[test]
fn a_guest_of_a_pool_of_macvtaps_is_on_the_wire() -> Outcome {
    let uplink = Uplink::bare()?;
    let (lab, far) = (&uplink.lab, uplink.listen()?);
    let pool = "<network><name>wire</name><forward mode='bridge'><interface dev='up0'/></forward></network>";
    lab.define(pool)?.ok();
    lab.reeve(&["network", "start", "wire"])?.ok();
    let interface = "<interface type='network'><mac address='52:54:00:00:00:08'/>\
                     <source network='wire'/><model type='virtio'/></interface>";
    let guest = Guest::locate()?.document_with("web", 64, "run=net+echo+on", interface);
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &guest)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();

    let (web, own) = ([0x52, 0x54, 0, 0, 0, 0x08], [0x52, 0x54, 0, 0, 0, 0x99]);
    let frame = |to: [u8; 6], from: [u8; 6]| [&to[..], &from, &[0x88, 0xb5], &[0x5a; 46]].concat();
    wait::until("the guest sends a frame back", PATIENCE, || {
        far.send(&frame(web, own)).is_ok()
            && heard_before(&far, Duration::from_millis(200), |heard| heard == frame(own, web))
                .is_ok_and(|heard| heard.is_some())
    })
}

#[test]
fn a_guest_with_several_queues_keeps_them_when_it_is_saved() -> Outcome {
    let interface = "<console type='pty'><target type='virtio' port='0'/></console>\
        <interface type='bridge'><mac address='52:54:00:00:00:07'/><source bridge='wire'/><model type='virtio'/>\
        <driver name='qemu' queues='2'><host tso4='off'/><guest csum='off'/></driver>\
        <address type='pci' domain='0' bus='0' slot='7' function='0'/></interface>";
    let lab = Lab::start()?;
    lab.inside(&["ip", "link", "add", "name", "wire", "type", "bridge"])?;
    lab.inside(&["ip", "link", "set", "wire", "up"])?;
    let define = |interface: &str| {
        let guest = Guest::locate()?.document_with("web", 64, "", interface);
        lab.daemon.reeve_with_input(&["domain", "define", "-"], &guest)
    };
    define(&interface.replace("name='qemu'", "name='vhost'"))?.ok();
    let said = lab.reeve(&["domain", "start", "web"])?.fails(1);
    assert!(said.contains("asks for driver 'vhost'"), "{said}");
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    define(interface)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let queues = || -> anyhow::Result<(Value, Value)> {
        let shown = lab.inside(&["ip", "-d", "-j", "link", "show", "master", "wire"])?;
        let shown: Value = serde_json::from_str(&shown)?;
        let tap = &shown[0]["linkinfo"]["info_data"];
        Ok((tap["numqueues"].clone(), tap["numdisabled"].clone()))
    };
    assert_eq!(queues()?, (1.into(), 1.into()), "a guest begins with one pair");
    // Checksums and frames in several buffers are left of what this driver asks for, and both pairs.
    lab.daemon.console("web", "wide open 7 0x428883", "ok pairs=2 features=0x100428021")?;
    lab.daemon.console("web", "wide pairs 2", "ok answer=0")?;
    assert_eq!(queues()?, (2.into(), 0.into()));
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    wait::until("both pairs are in use again", PATIENCE, || {
        queues().is_ok_and(|queues| queues == (2.into(), 0.into()))
    })?;
    lab.daemon.console("web", "wide send 1 3", "ok frames=3")?;
    Ok(())
}
