//! Real guests on a network, with a packet filter.

use reeve_tests::{Daemon, Guest, Run, policy, wait};
use serde_json::Value;

use crate::lab::{Lab, document};
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
