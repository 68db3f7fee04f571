//! vCPUs and memory are plugged into a running guest and taken out of it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reeve_tests::wait;

use crate::lab::{Lab, hierarchy};
use crate::{Outcome, PATIENCE};

/// A running domain with two of four vCPUs, the last of which is pinned.
fn two_of_four() -> anyhow::Result<Lab> {
    let lab = Lab::with("", "")?;
    lab.domain("setvcpus", &["4", "--maximum", "--config"])?;
    lab.domain("vcpupin", &["3", "0", "--config"])?;
    lab.domain("setvcpus", &["2", "--config"])?;
    lab.domain("start", &[])?;
    lab.console("cpus", "awake=2 expected=2 possible=2")?;
    Ok(lab)
}

fn present(lab: &Lab) -> anyhow::Result<Vec<u64>> {
    let vcpus = lab.json("vcpuinfo", &[])?;
    let numbers = vcpus.as_array().context("a list")?.iter().map(|vcpu| vcpu["vcpu"].as_u64());
    numbers.collect::<Option<_>>().context("numbers")
}

fn count(lab: &Lab) -> anyhow::Result<String> {
    lab.domain("vcpucount", &["--active", "--live"])
}

#[test]
fn vcpus_are_plugged_and_unplugged() -> Outcome {
    let mut lab = two_of_four()?;
    assert_eq!(present(&lab)?, [0, 1]);
    if hierarchy("cpu").is_some() {
        lab.domain("schedinfo", &["--set", "vcpu_quota=90000"])?;
    }
    lab.domain("setvcpus", &["4", "--live"])?;
    lab.console("cpus", "awake=4 expected=4")?;
    assert_eq!((present(&lab)?, count(&lab)?.as_str()), (vec![0, 1, 2, 3], "4\n"));
    let counts = lab.domain("vcpucount", &[])?;
    let printed = "maximum config 4 maximum live 4 current config 2 current live 4";
    assert!(counts.split_whitespace().eq(printed.split(' ')), "{counts}");
    assert!(lab.domain("xml", &[])?.contains("<vcpu current='4'>4</vcpu>"));
    let pinned = lab.threads()?.into_iter().find(|(name, _)| name == "vcpu3");
    assert_eq!(pinned.map(|(_, allowed)| allowed).as_deref(), Some("0"));
    if let Some(quota) = lab.group_file("cpu", "vcpu3/cpu.cfs_quota_us")? {
        assert_eq!(quota, "90000");
    }
    let before = lab.vcpu_time(3)?;
    lab.console("spin 1 4", "cpus=4")?;
    assert!(lab.vcpu_time(3)? - before > 50_000_000, "the last vCPU did not run");

    // Another daemon knows how many there are.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!((present(&lab)?, count(&lab)?.as_str()), (vec![0, 1, 2, 3], "4\n"));
    lab.domain("setvcpus", &["3", "--live", "--config"])?;
    lab.console("cpus", "awake=3 expected=3")?;
    assert_eq!((present(&lab)?, count(&lab)?.as_str()), (vec![0, 1, 2], "3\n"));
    assert_eq!(lab.domain("vcpucount", &["--active", "--config"])?, "3\n");

    // So does a machine that goes on from its save, with the vCPUs it had.
    lab.domain("managedsave", &[])?;
    lab.domain("start", &[])?;
    lab.console("cpus", "awake=3 expected=3")?;
    assert_eq!(present(&lab)?, [0, 1, 2]);
    lab.domain("setvcpus", &["1", "--live"])?;
    lab.domain("setvcpus", &["4", "--live"])?;
    lab.console("cpus", "awake=4 expected=4")?;
    Ok(())
}

#[test]
fn a_guest_that_lets_go_late_is_believed() -> Outcome {
    let mut lab = two_of_four()?;
    lab.console("cpus auto off", "ok")?;
    let late = lab.daemon.reeve(&["domain", "setvcpus", "web", "1", "--live", "--config"])?;
    assert!(late.code != 0 && late.stderr.contains("let go of vCPUs"), "{late:?}");
    assert_eq!((count(&lab)?.as_str(), present(&lab)?), ("2\n", vec![0, 1]));
    assert_eq!(lab.domain("vcpucount", &["--active", "--config"])?, "2\n", "the definition is as it was");
    lab.console("cpus eject 1", "cpu 1 is gone")?;
    wait::until("the vCPU is known to be gone", PATIENCE, || count(&lab).is_ok_and(|count| count == "1\n"))?;

    // Also one that does it while no daemon runs.
    lab.domain("setvcpus", &["2", "--live"])?;
    let late = lab.daemon.reeve(&["domain", "setvcpus", "web", "1", "--live"])?;
    assert!(late.code != 0, "{late:?}");
    lab.console("ping now\nspin 3\ncpus eject 1", "pong now")?;
    lab.daemon.kill()?;
    let killed = Instant::now();
    wait::until("the guest is done", PATIENCE, || killed.elapsed() > Duration::from_secs(4))?;
    lab.daemon.launch()?;
    assert_eq!((count(&lab)?.as_str(), present(&lab)?), ("1\n", vec![0]));
    Ok(())
}

const MEMORY: &str = "<memory model='virtio-mem'><target><size unit='MiB'>64</size><requested unit='MiB'>16</requested></target>\
     </memory>";

fn plugged(lab: &Lab) -> anyhow::Result<(u64, u64)> {
    let memory = lab.json("update-memory-device", &[])?;
    let field = |name: &str| memory[0][name].as_u64().with_context(|| format!("no {name} in {memory}"));
    Ok((field("requested")?, field("current")?))
}

#[test]
fn memory_is_plugged_and_unplugged() -> Outcome {
    const MIB: u64 = 1 << 20;
    let mut lab = Lab::with_devices("", "", MEMORY)?;
    let shown = lab.domain("update-memory-device", &[])?;
    let printed = "Alias: virtiomem0 Size: 65536 KiB Requested: 16384 KiB Current: -";
    assert!(shown.split_whitespace().eq(printed.split(' ')), "{shown}");
    lab.domain("start", &[])?;
    lab.console("plugged write 3", "ok bytes=16777216")?;
    assert_eq!(plugged(&lab)?, (16 * MIB, 16 * MIB));
    lab.domain("update-memory-device", &["--requested-size", "48M", "--live", "--config"])?;
    wait::until("memory is plugged", PATIENCE, || plugged(&lab).is_ok_and(|it| it == (48 * MIB, 48 * MIB)))?;
    lab.console("plugged write 4", "ok bytes=50331648")?;
    let live = lab.domain("xml", &[])?;
    assert!(live.contains("<requested unit='KiB'>49152</requested>"), "{live}");
    assert!(lab.domain("xml", &["--inactive"])?.contains("<requested unit='KiB'>49152</requested>"));

    let update = |arguments: &[&str]| {
        lab.daemon.reeve(&[&["domain", "update-memory-device", "web"], arguments].concat())
    };
    let refused = update(&["--requested-size", "65M"])?.fails(7);
    assert!(refused.contains("whole blocks"), "{refused}");
    let refused = update(&["--requested-size", "66M"])?.fails(7);
    assert!(refused.contains("can't have"), "{refused}");
    let refused = update(&["--alias", "virtiomem7", "--requested-size", "2M"])?;
    assert!(refused.code != 0 && refused.stderr.contains("no such memory"), "{refused:?}");

    // Another daemon, and the machine that goes on from its save.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(plugged(&lab)?, (48 * MIB, 48 * MIB));
    lab.domain("managedsave", &[])?;
    lab.domain("start", &[])?;
    lab.console("plugged verify 4", "ok bytes=50331648")?;
    lab.domain("update-memory-device", &["--requested-size", "0"])?;
    wait::until("memory is given back", PATIENCE, || plugged(&lab).is_ok_and(|it| it == (0, 0)))?;
    lab.domain("destroy", &[])?;
    lab.domain("start", &[])?;
    lab.console("plugged info", "has=50331648")?;
    Ok(())
}
