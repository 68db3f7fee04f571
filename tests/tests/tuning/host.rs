//! What the host tells of itself (guide 14.7, 14.16.2).

use std::fs::read_to_string;

use reeve_tests::Daemon;
use serde_json::Value;

use crate::Outcome;

fn json(daemon: &Daemon, arguments: &[&str]) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&daemon.reeve(&[arguments, &["-o", "json"]].concat())?.ok())?)
}

#[test]
fn its_cpus_are_listed_and_measured() -> Outcome {
    let daemon = Daemon::start()?;
    let cpus = json(&daemon, &["node", "cpumap"])?;
    let file = |name: &str| read_to_string(format!("/sys/devices/system/cpu/{name}"));
    assert_eq!(cpus["present"], file("present")?.trim());
    assert_eq!(cpus["online"], file("online")?.trim());
    let shown = daemon.reeve(&["node", "cpumap"])?.ok();
    assert!(shown.starts_with("CPUs present:") && shown.contains("CPU map:        y"), "{shown}");

    let all = json(&daemon, &["node", "cpu-stats"])?;
    let one = json(&daemon, &["node", "cpu-stats", "0"])?;
    // Times of a CPU with nothing to do may go back (proc_stat(5)).
    for field in ["user_ns", "system_ns"] {
        assert!(one[field].as_u64() <= json(&daemon, &["node", "cpu-stats"])?[field].as_u64(), "{field}");
    }
    let later = json(&daemon, &["node", "cpu-stats", "--cpu", "0"])?;
    assert!(later["user_ns"].as_u64() >= one["user_ns"].as_u64() && all["user_ns"].as_u64() > Some(0));
    let shares = json(&daemon, &["node", "cpu-stats", "--percent"])?;
    let share = |name: &str| shares[name].as_f64().unwrap_or(-1.0);
    assert!((share("usage") + share("idle") + share("iowait") - 100.0).abs() < 0.1, "{shares}");
    let shown = daemon.reeve(&["node", "cpu-stats", "0", "--percent"])?.ok();
    let labels: Vec<&str> = shown.split_whitespace().step_by(2).collect();
    assert_eq!(labels, ["usage:", "user:", "system:", "idle:", "iowait:"], "{shown}");
    let said = daemon.reeve(&["node", "cpu-stats", "9999"])?.fails(3);
    assert!(said.contains("CPU 9999") && said.contains("node cpumap"), "{said}");
    Ok(())
}

#[test]
fn its_free_memory_is_told_by_cell() -> Outcome {
    let daemon = Daemon::start()?;
    let all = json(&daemon, &["node", "freecell", "--all"])?;
    let cells = all["cells"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sum: u64 = cells.iter().filter_map(|cell| cell["free"].as_u64()).sum();
    assert!(!cells.is_empty() && sum > 0 && all["free"] == sum, "{all}");
    let number = cells[0]["cell"].to_string();
    let shown = daemon.reeve(&["node", "freecell", "--cellno", &number])?.ok();
    assert!(shown.starts_with(&format!("{number}: ")) && shown.trim_end().ends_with(" KiB"), "{shown}");
    let shown = daemon.reeve(&["node", "freecell"])?.ok();
    assert!(shown.starts_with("Total: ") && shown.trim_end().ends_with(" KiB"), "{shown}");
    let said = daemon.reeve(&["node", "freecell", "77"])?.fails(3);
    assert!(said.contains("no NUMA cell 77"), "{said}");
    Ok(())
}

#[test]
fn its_devices_are_listed_and_described() -> Outcome {
    let daemon = Daemon::start()?;
    let all = daemon.reeve(&["nodedev", "list"])?.ok();
    let names: Vec<&str> = all.lines().collect();
    assert!(names.first() == Some(&"computer"), "{all}");
    let interfaces = daemon.reeve(&["nodedev", "list", "--cap", "net"])?.ok();
    let there: Vec<String> = std::fs::read_dir("/sys/class/net")?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let lo = interfaces.lines().find(|name| name.starts_with("net_lo_")).unwrap_or_default().to_owned();
    assert!(there.contains(&"lo".to_owned()) && lo == "net_lo_00_00_00_00_00_00", "{interfaces}");
    let pci = daemon.reeve(&["nodedev", "list", "pci"])?.ok();
    for address in std::fs::read_dir("/sys/bus/pci/devices").into_iter().flatten() {
        let name = format!("pci_{}", address?.file_name().to_string_lossy().replace([':', '.'], "_"));
        assert!(pci.lines().any(|line| line == name), "{name} is not in {pci}");
    }
    let tree = daemon.reeve(&["nodedev", "list", "--tree"])?.ok();
    assert!(tree.starts_with("computer\n  |\n  +- ") && tree.contains(&format!("+- {lo}\n")), "{tree}");
    daemon.reeve(&["nodedev", "list", "--tree", "--cap", "pci"])?.fails(2);
    assert!(daemon.reeve(&["nodedev", "list", "--cap", "pcie"])?.fails(7).contains("no capability 'pcie'"));
    let document = daemon.reeve(&["nodedev", "xml", &lo])?.ok();
    assert!(document.contains("<parent>computer</parent>") && document.contains("<interface>lo</interface>"));
    let file = daemon.file("device.xml", &document)?;
    let checked = daemon.reeve(&["xml", "check", "--kind", "nodedev", &file])?;
    assert!(checked.code == 0 && checked.stderr.is_empty(), "{checked:?}");
    assert!(daemon.reeve(&["nodedev", "dumpxml", "pci_none"])?.fails(3).contains("no device 'pci_none'"));
    Ok(())
}

#[test]
fn its_capabilities_are_what_other_commands_read() -> Outcome {
    let daemon = Daemon::start()?;
    let document = daemon.reeve(&["node", "capabilities"])?.ok();
    assert!(
        document.starts_with("<capabilities>\n  <host>\n    <cpu>\n      <arch>x86_64</arch>"),
        "{document}"
    );
    let info = json(&daemon, &["node", "info"])?;
    let topology = format!(
        "<topology sockets='{}' cores='{}' threads='{}'/>",
        info["sockets"], info["cores_per_socket"], info["threads_per_core"]
    );
    assert!(document.contains(&topology) && document.contains("<cell id='0'>"), "{document}");
    assert_eq!(document.contains("<domain type='kvm'/>"), info["kvm"] == true, "{document}");
    // The CPU in it is the host's.
    let file = daemon.file("capabilities.xml", &document)?;
    let said = daemon.reeve(&["node", "cpu-compare", &file])?.ok();
    assert_eq!(said, format!("CPU described in {file} is identical to host physical machine CPU\n"));
    Ok(())
}

/// Only what is refused on every machine: this one shall not sleep.
#[test]
fn it_does_not_sleep_without_a_clock_that_wakes_it_in_time() -> Outcome {
    let daemon = Daemon::start()?;
    let early = daemon.reeve(&["node", "suspend", "mem", "59"])?.fails(7);
    assert!(early.contains("59 s") && early.contains("60 s or more"), "{early}");
    let wrong = daemon.reeve(&["node", "suspend", "--target", "tea", "--duration", "1"])?.fails(2);
    assert!(wrong.contains("'tea'") && wrong.contains("mem, disk, hybrid"), "{wrong}");
    daemon.reeve(&["node", "suspend", "disk"])?.fails(2);
    Ok(())
}
