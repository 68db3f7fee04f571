//! Limits of disks (guide 20.16.1.5), measured by the guest.

use std::sync::atomic::{AtomicU32, Ordering};

use reeve_tests::Guest;

use crate::Outcome;
use crate::domains::volume_disk;
use crate::lab::Lab;

const SERIAL: &str = "<serial type='pty'><target port='0'/></serial>";
const SECONDS: u64 = 3;

/// A lab with a running guest on a volume of 64 MiB, whose disk has these limits.
fn lab(iotune: &str) -> anyhow::Result<Lab> {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "disk", "64M"])?.ok();
    let disk = volume_disk("disk", "vda").replace("</disk>", &format!("{iotune}</disk>"));
    lab.define(&Guest::locate()?.document_with("web", 64, "", &format!("{SERIAL}{disk}")))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("web", "", "reeve-guest: ready")?;
    Ok(lab)
}

/// Requests a second that the guest gets through.
fn rate(lab: &Lab, way: &str, bytes: u64) -> anyhow::Result<f64> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // A console says again what it said before: the answer is what stands before this call's own word.
    let done = format!("measured-{}.", CALLS.fetch_add(1, Ordering::Relaxed));
    let command = format!("disk bench 0 {way} rand {bytes} 8 {}\nping {done}\n", SECONDS * 1000);
    let said = lab.console("web", &command, &format!("pong {done}"))?;
    let number = |name: &str| -> Option<f64> {
        said.split_whitespace().rev().find_map(|word| word.strip_prefix(name))?.parse().ok()
    };
    let (requests, us) = number("requests=").zip(number("us=")).expect("the guest says both");
    Ok(requests * 1e6 / us)
}

fn is_near(rate: f64, wanted: f64) {
    assert!((rate / wanted - 1.0).abs() < 0.15, "{rate:.0} a second, {wanted} wanted");
}

#[test]
fn a_guest_gets_what_its_limits_say() -> Outcome {
    let mut lab =
        lab("<iotune><read_iops_sec>200</read_iops_sec><write_bytes_sec>2097152</write_bytes_sec></iotune>")?;
    is_near(rate(&lab, "read", 4096)?, 200.0);
    is_near(rate(&lab, "write", 16384)?, 128.0);
    let shown = lab.json(&["domain", "blkdeviotune", "web", "vda"])?;
    assert_eq!(
        (&shown["iops"]["read"]["sec"], &shown["bytes"]["write"]["sec"]),
        (&200.into(), &2_097_152.into())
    );

    // Other limits hold at once, also after another daemon and a reset of the guest.
    let words = ["domain", "blkdeviotune", "web", "vda", "--read-iops-sec", "500", "--write-bytes-sec", "0"];
    lab.reeve(&words)?.ok();
    is_near(rate(&lab, "read", 4096)?, 500.0);
    assert!(rate(&lab, "write", 16384)? > 200.0, "writes are not limited any more");
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.console("web", "", "reeve-guest: ready")?;
    is_near(rate(&lab, "read", 4096)?, 500.0);

    // The definition is as it was.
    let definition = lab.json(&["domain", "blkdeviotune", "web", "vda", "--config"])?;
    assert_eq!(definition["iops"]["read"]["sec"], 200);
    let text = lab.reeve(&["domain", "xml", "web", "--inactive"])?.ok();
    assert!(text.contains("<read_iops_sec>200</read_iops_sec>"), "{text}");
    Ok(())
}

#[test]
fn a_burst_is_above_the_limit_for_its_time() -> Outcome {
    let lab =
        lab("<iotune><total_iops_sec>100</total_iops_sec><total_iops_sec_max>1000</total_iops_sec_max>\
        <total_iops_sec_max_length>3</total_iops_sec_max_length></iotune>")?;
    is_near(rate(&lab, "read", 4096)?, 1000.0);
    is_near(rate(&lab, "read", 4096)?, 100.0);
    Ok(())
}

#[test]
fn limits_that_make_no_sense_are_refused_and_change_nothing() -> Outcome {
    let lab = lab("<iotune><total_bytes_sec>1000000</total_bytes_sec></iotune>")?;
    for scope in ["--live", "--config"] {
        let set =
            |words: &[&str]| lab.reeve(&[&["domain", "blkdeviotune", "web", "vda", scope], words].concat());
        let said = set(&["--read-bytes-sec", "5"])?.fails(7);
        assert!(said.contains("total_bytes_sec and read_bytes_sec exclude each other"), "{said}");
        let said = set(&["--total-bytes-sec-max", "5"])?.fails(7);
        assert!(said.contains("total_bytes_sec_max is less than total_bytes_sec"), "{said}");
        let said = set(&["--read-iops-sec-max-length", "5"])?.fails(7);
        assert!(said.contains("read_iops_sec_max_length needs read_iops_sec_max"), "{said}");
    }
    let said = lab.reeve(&["domain", "blkdeviotune", "web", "vdz", "--total-iops-sec", "5"])?.fails(3);
    assert!(said.contains("has no disk 'vdz'"), "{said}");
    let shown = lab.reeve(&["domain", "blkdeviotune", "web", "vda", "--live"])?.ok();
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["total_bytes_sec:", "1000000"])), "{shown}");
    assert!(shown.contains("read_iops_sec_max_length:"), "{shown}");
    Ok(())
}
