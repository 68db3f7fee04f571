//! Networks that run.

use reeve_tests::wait;

use crate::lab::{Lab, document};
use crate::{Outcome, PATIENCE};

const HOST: &str = "<host mac='52:54:00:00:00:07' name='seven' ip='192.168.77.7'/>";

#[test]
fn a_network_is_in_the_kernel_until_it_is_destroyed() -> Outcome {
    let lab = Lab::with(&document("lab", "labbr", 77))?;
    assert_eq!(lab.reeve(&["network", "start", "lab"])?.ok(), "Network 'lab' started\n");
    let addresses = lab.inside(&["ip", "-j", "address", "show", "dev", "labbr"])?;
    assert!(addresses.contains("192.168.77.1"), "{addresses}");
    let rules = lab.rules()?;
    assert!(rules.contains("labbr") && rules.contains("masquerade"), "{rules}");
    assert_eq!(lab.processes("dnsmasq")?.len(), 1);
    assert_eq!(lab.reeve(&["network", "list", "--name"])?.ok(), "lab\n");
    assert_eq!(lab.reeve(&["network", "dhcp-leases", "lab", "-o", "json"])?.ok().trim(), "[]");
    assert_eq!(lab.reeve(&["network", "ports", "lab", "-o", "json"])?.ok().trim(), "[]");
    let said = lab.reeve(&["network", "start", "lab"])?.fails(6);
    assert!(said.contains("network 'lab' is active already"), "{said}");

    assert_eq!(lab.reeve(&["network", "destroy", "lab"])?.ok(), "Network 'lab' destroyed\n");
    assert!(lab.links()?.is_empty());
    assert!(lab.processes("dnsmasq")?.is_empty());
    let rules = lab.rules()?;
    assert!(!rules.contains("labbr"), "{rules}");
    Ok(())
}

#[test]
fn a_subnet_belongs_to_one_network() -> Outcome {
    let lab = Lab::with(&document("lab", "labbr", 77))?;
    lab.reeve(&["network", "start", "lab"])?.ok();
    lab.define(&document("twin", "twinbr", 77))?.ok();
    let said = lab.reeve(&["network", "start", "twin"])?.fails(6);
    assert!(said.contains("192.168.77.") && said.contains("overlaps") && said.contains("'lab'"), "{said}");
    assert_eq!(lab.links()?, ["labbr"], "nothing of the other is left");
    Ok(())
}

#[test]
fn a_transient_network_is_gone_when_it_stops() -> Outcome {
    let lab = Lab::start()?;
    let said =
        lab.daemon.reeve_with_input(&["network", "create", "-"], &document("brief", "briefbr", 79))?.ok();
    assert_eq!(said, "Network 'brief' created\n");
    assert_eq!(lab.links()?, ["briefbr"]);
    assert_eq!(lab.reeve(&["network", "list", "--transient", "--name"])?.ok(), "brief\n");
    let said = lab.reeve(&["network", "autostart", "brief"])?.fails(6);
    assert!(said.contains("network 'brief' is transient"), "{said}");
    lab.reeve(&["network", "undefine", "brief"])?.fails(6);
    lab.reeve(&["network", "destroy", "brief"])?.ok();
    lab.reeve(&["network", "info", "brief"])?.fails(3);
    assert!(lab.links()?.is_empty());
    Ok(())
}

#[test]
fn a_section_is_updated_while_it_runs() -> Outcome {
    let lab = Lab::with(&document("lab", "labbr", 77))?;
    let said = lab.reeve(&["network", "update", "lab", "add", "ip-dhcp-host", HOST, "--live"])?.fails(6);
    assert!(said.contains("network 'lab' is not active") && said.contains("--config"), "{said}");
    lab.reeve(&["network", "start", "lab"])?.ok();
    let update = ["network", "update", "lab", "add", "ip-dhcp-host", HOST, "--live"];
    assert_eq!(lab.reeve(&update)?.ok(), "Network 'lab' updated\n");
    assert!(lab.reeve(&["network", "xml", "lab"])?.ok().contains("192.168.77.7"));
    let inactive = lab.reeve(&["network", "xml", "lab", "--inactive"])?.ok();
    assert!(!inactive.contains("192.168.77.7'"), "only the running network was asked for: {inactive}");
    lab.reeve(&["network", "update", "lab", "add", "ip-dhcp-host", HOST, "--config"])?.ok();
    assert!(lab.reeve(&["network", "xml", "lab", "--inactive"])?.ok().contains("192.168.77.7'"));
    Ok(())
}

#[test]
fn networks_outlive_a_killed_daemon() -> Outcome {
    let mut lab = Lab::with(&document("lab", "labbr", 77))?;
    lab.reeve(&["network", "start", "lab"])?.ok();
    lab.reeve(&["network", "autostart", "lab"])?.ok();
    lab.daemon.reeve_with_input(&["network", "create", "-"], &document("brief", "briefbr", 79))?.ok();
    let servers = lab.processes("dnsmasq")?;
    assert_eq!(servers.len(), 2);
    lab.daemon.kill()?;
    assert_eq!(lab.processes("dnsmasq")?, servers);
    lab.daemon.launch()?;
    assert_eq!(lab.reeve(&["network", "list", "--name"])?.ok(), "brief\nlab\n");
    assert_eq!(lab.processes("dnsmasq")?, servers, "they were taken over, not started again");
    let info = lab.info("lab")?;
    assert_eq!((&info["active"], &info["autostart"]), (&true.into(), &true.into()));
    lab.reeve(&["network", "destroy", "lab"])?.ok();
    lab.reeve(&["network", "destroy", "brief"])?.ok();
    assert!(lab.links()?.is_empty());

    lab.daemon.stop()?;
    lab.daemon.launch()?;
    let listed = || lab.reeve(&["network", "list", "--name"]).map(|run| run.stdout).unwrap_or_default();
    wait::until("the daemon has started it", PATIENCE, || listed() == "lab\n")?;
    assert_eq!(lab.links()?, ["labbr"]);
    Ok(())
}
