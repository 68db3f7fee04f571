//! NUMA nodes of a guest.

use reeve_tests::{Daemon, Guest};

use crate::Outcome;

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";
const CELLS: &str = "<cpu><numa>\
     <cell id='0' cpus='0,2' memory='96' unit='MiB'><distances><sibling id='1' value='31'/></distances></cell>\
     <cell id='1' cpus='1' memory='32' unit='MiB'/></numa></cpu>";

/// A domain with something after its `<vcpu>` and something in its devices.
fn document(after: &str, devices: &str) -> anyhow::Result<String> {
    let document = Guest::locate()?.document_with("web", 64, "", &format!("{CONSOLE}{devices}"));
    Ok(document.replace("<vcpu>1</vcpu>", &format!("<vcpu current='2'>4</vcpu>{after}")))
}

#[test]
fn a_guest_sees_its_numa_nodes() -> Outcome {
    let daemon = Daemon::start()?;
    let memory = "<memory model='virtio-mem'><target><size unit='MiB'>64</size><node>1</node>\
         <block unit='MiB'>2</block><requested unit='MiB'>0</requested></target></memory>";
    let bound = "<numatune><memory mode='preferred' nodeset='0'/><memnode cellid='1' mode='strict' nodeset='0'/></numatune>";
    let defined = daemon
        .reeve_with_input(&["domain", "define", "-"], &document(&format!("{bound}{CELLS}"), memory)?)?;
    assert!(!defined.stderr.contains("warning"), "{}", defined.stderr);
    defined.ok();
    daemon.reeve(&["domain", "start", "web"])?.ok();
    // As libvirt has it, a guest with nodes has the memory of these.
    daemon.console("web", "", "reeve-guest: ready cpus=2 memory=127MiB")?;
    let told = daemon.console("web", "numa", "distances=")?;
    // The last vCPU is of no node, and so of the first; memory to plug is above 4 GiB.
    let expected = "cpus=0:0,1:1,2:0,3:0 memory=0:0x0+0x6000000,1:0x6000000+0x2000000,1:0x100000000+0x4000000* \
                    distances=0-0:10,0-1:31,1-0:31,1-1:10";
    assert!(told.contains(expected), "{told}");
    // A vCPU and memory that come are of the nodes that were told of.
    daemon.reeve(&["domain", "setvcpus", "web", "3", "--live"])?.ok();
    daemon.console("web", "cpus", "expected=3")?;
    // The part of node 1 is bound by itself: the kernel shows that of all mappings of the worker.
    let info = daemon.json(&["domain", "info", "web"])?;
    let maps = std::fs::read_to_string(format!("/proc/{}/numa_maps", info["worker_pid"]))?;
    assert!(maps.contains("bind:0") && maps.contains("prefer"), "{maps}");
    let shown = daemon.reeve(&["domain", "xml", "web"])?.ok();
    assert!(shown.contains("<memnode cellid='1' mode='strict' nodeset='0'/>"), "{shown}");
    assert!(shown.contains("<sibling id='1' value='31'/>") && shown.contains("<node>1</node>"), "{shown}");
    // They are there again after a reset.
    daemon.reeve(&["domain", "reset", "web"])?.ok();
    daemon.console("web", "numa", expected)?;
    Ok(())
}

#[test]
fn nodes_that_can_not_be_are_refused() -> Outcome {
    let daemon = Daemon::start()?;
    let cell = |inside: &str| format!("<cpu><numa>{inside}</numa></cpu>");
    let bound = |node: &str, set: &str| {
        format!("<numatune><memnode cellid='{node}' mode='strict' nodeset='{set}'/></numatune>{CELLS}")
    };
    let refused = [
        (cell("<cell id='1' memory='65536'/>"), "without a gap"),
        (cell("<cell cpus='7' memory='65536'/>"), "vCPU 7 does not exist"),
        (cell("<cell cpus='0' memory='32768'/><cell cpus='0' memory='32768'/>"), "of two NUMA nodes"),
        (cell("<cell memory='0'/>"), "has no memory"),
        (
            cell("<cell memory='65536'><distances><sibling id='0' value='20'/></distances></cell>"),
            "10 to itself",
        ),
        (bound("2", "0"), "NUMA node 2 of the guest does not exist"),
    ];
    for (after, words) in &refused {
        let said = daemon.reeve_with_input(&["domain", "define", "-"], &document(after, "")?)?.fails(7);
        assert!(said.contains(words), "{after}: {said}");
    }
    let memory = "<memory model='virtio-mem'><target><size unit='MiB'>64</size></target></memory>";
    let said = daemon.reeve_with_input(&["domain", "define", "-"], &document(CELLS, memory)?)?.fails(7);
    assert!(said.contains("add <node>0</node>"), "{said}");
    daemon.reeve_with_input(&["domain", "define", "-"], &document(&bound("1", "900"), "")?)?.ok();
    let said = daemon.reeve(&["domain", "start", "web"])?.fails(1);
    assert!(said.contains("NUMA node 1 can't be bound to NUMA nodes 900"), "{said}");
    Ok(())
}
