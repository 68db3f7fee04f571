//! Changes of the host's interfaces that are committed, taken back, or left alone until their time is over.

use reeve_tests::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::host_interfaces::{Uplink, bridge};
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const NONE: &str = "No change of the host's interfaces is open\n";

fn status(lab: &Lab) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&lab.reeve(&["iface", "status", "-o", "json"])?.ok())?)
}

fn is_closed(lab: &Lab) -> bool {
    status(lab).is_ok_and(|status| status["open"] == false)
}

/// What can be done to interfaces, all of it.
fn disturb(host: &Uplink) -> anyhow::Result<()> {
    let lab = &host.lab;
    lab.reeve(&["iface", "bridge", "up0", "br0", "--no-stp"])?.ok();
    let second = "<interface type='bridge' name='br1'><protocol family='ipv4'><ip address='10.10.0.1' prefix='24'/></protocol>\
                  <bridge stp='off'/></interface>";
    host.define(second)?.ok();
    lab.reeve(&["iface", "start", "br1"])?.ok();
    lab.reeve(&["iface", "undefine", "kept"])?.ok();
    let mut links = lab.links()?;
    links.sort();
    assert_eq!(links, ["br0", "br1", "up0"]);
    Ok(())
}

/// A host with something of everything to go back to.
fn settled() -> anyhow::Result<(Uplink, Vec<String>)> {
    let host = Uplink::configured()?;
    host.define("<interface type='ethernet' name='kept'/>")?.ok();
    let before = host.has("up0")?;
    Ok((host, before))
}

fn assert_taken_back(host: &Uplink, before: &[String]) -> Outcome {
    assert_eq!(host.lab.links()?, ["up0"]);
    assert_eq!(host.has("up0")?, before);
    let defined = host.lab.reeve(&["iface", "list", "--all", "--defined", "--name"])?.ok();
    assert_eq!(defined, "kept\n");
    host.reached("10.9.0.2")
}

#[test]
fn a_change_is_taken_back() -> Outcome {
    let (host, before) = settled()?;
    let lab = &host.lab;
    let begun = lab.reeve(&["iface", "begin"])?.ok();
    assert!(begun.contains("rolled back in 1"), "two minutes, when nobody says otherwise: {begun}");
    disturb(&host)?;
    assert_eq!(status(lab)?["open"], true);
    let said = lab.reeve(&["iface", "begin"])?.fails(6);
    assert!(said.contains("is open already") && said.contains("reeve iface commit"), "{said}");
    let said = lab.reeve(&["iface", "rollback"])?.ok();
    assert_eq!(said, "Change of the host's interfaces rolled back\n");
    assert_taken_back(&host, &before)?;
    assert_eq!(lab.reeve(&["iface", "status"])?.ok(), NONE);
    for verb in ["commit", "rollback"] {
        let said = lab.reeve(&["iface", verb])?.fails(6);
        assert!(
            said.contains("no change of the host's interfaces is open") && said.contains("iface begin"),
            "{said}"
        );
    }
    let said = lab.reeve(&["iface", "begin", "--timeout", "86401"])?.fails(7);
    assert!(said.contains("86401 s") && said.contains("1 to 86400"), "{said}");

    // An interface that was taken down comes back too, and a link that somebody else took away is told.
    lab.inside(&["ip", "link", "add", "gone0", "type", "veth", "peer", "name", "gone1"])?;
    lab.reeve(&["iface", "begin", "--timeout", "0"])?.ok();
    assert_eq!(status(lab)?["seconds_left"], Value::Null);
    let current = lab.reeve(&["iface", "xml", "up0"])?.ok();
    host.define(&current)?.ok();
    lab.reeve(&["iface", "destroy", "up0"])?.ok();
    assert!(host.has("up0")?.is_empty());
    lab.inside(&["ip", "link", "delete", "gone0"])?;
    let said = lab.reeve(&["iface", "rollback"])?;
    assert!(said.stderr.contains("interface 'gone0' is not on the host any more"), "{}", said.stderr);
    assert_taken_back(&host, &before)
}

#[test]
fn a_change_that_is_committed_stays() -> Outcome {
    let (mut host, before) = settled()?;
    host.lab.reeve(&["iface", "begin", "--timeout", "60"])?.ok();
    disturb(&host)?;
    let said = host.lab.reeve(&["iface", "commit"])?.ok();
    assert_eq!(said, "Change of the host's interfaces committed\n");
    host.lab.daemon.kill()?;
    host.lab.daemon.launch()?;
    assert_eq!(host.lab.reeve(&["iface", "status"])?.ok(), NONE);
    assert_eq!(host.has("br0")?, before);
    let defined = host.lab.reeve(&["iface", "list", "--all", "--defined", "--name"])?.ok();
    assert_eq!(defined, "br0\nbr1\n");
    host.reached("10.9.0.2")
}

#[test]
fn a_change_that_nobody_commits_is_taken_back_in_time() -> Outcome {
    let (host, before) = settled()?;
    host.lab.reeve(&["iface", "begin", "--timeout", "8"])?.ok();
    disturb(&host)?;
    assert!(!is_closed(&host.lab), "its time was over before it was looked at");
    wait::until("it is taken back", PATIENCE, || is_closed(&host.lab))?;
    assert!(host.lab.daemon.log().contains("not committed in time"));
    assert_taken_back(&host, &before)
}

#[test]
fn a_change_outlives_a_killed_daemon() -> Outcome {
    let (mut host, before) = settled()?;
    host.lab.reeve(&["iface", "begin", "--timeout", "20"])?.ok();
    disturb(&host)?;
    let left = || status(&host.lab).ok().and_then(|status| status["seconds_left"].as_u64());
    wait::until("some of its time is over", PATIENCE, || left().is_some_and(|left| left <= 17))?;
    host.lab.daemon.kill()?;
    host.lab.daemon.launch()?;
    let left = status(&host.lab)?;
    assert_eq!(left["open"], true, "it goes on waiting: {left}");
    assert!(left["seconds_left"].as_u64().is_some_and(|left| left <= 17), "it does not begin anew: {left}");
    let mut links = host.lab.links()?;
    links.sort();
    assert_eq!(links, ["br0", "br1", "up0"]);
    wait::until("it is taken back", PATIENCE * 2, || is_closed(&host.lab))?;
    assert_taken_back(&host, &before)?;

    // And when its time is over while no daemon runs, by the next one at once.
    host.lab.reeve(&["iface", "begin", "--timeout", "4"])?.ok();
    disturb(&host)?;
    host.lab.daemon.kill()?;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
    wait::until("its time is over", PATIENCE, || std::time::Instant::now() > until)?;
    assert_eq!(host.lab.links()?.len(), 3);
    host.lab.daemon.launch()?;
    assert_eq!(host.lab.reeve(&["iface", "status"])?.ok(), NONE);
    assert_taken_back(&host, &before)
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_of_a_verb_leaves_nothing_of_it() -> Outcome {
    let mut host = Uplink::bare()?;
    // Nobody answers: the start waits for an address, with the bridge made and the port in it.
    let asking =
        bridge("none").replace("<ip address='10.9.0.2' prefix='24'/><route gateway='10.9.0.1'/>", "<dhcp/>");
    host.define(&asking)?.ok();
    let root = host.lab.daemon.root().to_owned();
    let start =
        std::thread::spawn(move || reeve_tests::Run::reeve(&root, &["iface", "start", "br0"], "", &[]));
    let asks = || host.lab.processes("dhclient").is_ok_and(|clients| !clients.is_empty());
    wait::until("it asks for an address", PATIENCE, asks)?;
    assert!(host.lab.inside(&["ip", "-j", "link", "show", "dev", "up0"])?.contains("\"master\":\"br0\""));
    host.lab.daemon.kill()?;
    for client in host.lab.processes("dhclient")? {
        // It may have ended by itself.
        let pid = i32::try_from(client).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
    }
    assert!(start.join().is_ok_and(|run| run.is_ok_and(|run| run.code != 0)));
    assert!(host.lab.links()?.contains(&"br0".to_owned()), "the kernel keeps what a dead daemon made");
    host.lab.daemon.launch()?;
    assert_eq!(host.lab.links()?, ["up0"]);
    assert!(!host.lab.inside(&["ip", "-j", "link", "show", "dev", "up0"])?.contains("master"));
    assert_eq!(host.lab.reeve(&["iface", "list", "--inactive", "--name"])?.ok(), "br0\n");
    Ok(())
}
