//! What is a matter of the definition: maxima and counts, and what a running machine refuses.

use reeve_tests::wait;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

#[test]
fn vcpus_are_counted_and_set() -> Outcome {
    let lab = Lab::with("", "")?;
    lab.domain("start", &[])?;
    let counts = lab.domain("vcpucount", &[])?;
    let printed = "maximum config 2 maximum live 2 current config 2 current live 2";
    assert!(counts.split_whitespace().eq(printed.split(' ')), "{counts}");
    lab.domain("setvcpus", &["4", "--maximum", "--config"])?;
    lab.domain("setvcpus", &["3", "--config"])?;
    let counts = lab.domain("vcpucount", &[])?;
    let printed = "maximum config 4 maximum live 2 current config 3 current live 2";
    assert!(counts.split_whitespace().eq(printed.split(' ')), "{counts}");
    assert_eq!(lab.domain("vcpucount", &["--maximum", "--config"])?, "4\n");
    assert_eq!(lab.domain("vcpucount", &["--active", "--live"])?, "2\n");
    let setvcpus =
        |arguments: &[&str]| lab.daemon.reeve(&[&["domain", "setvcpus", "web"][..], arguments].concat());
    assert!(setvcpus(&["3", "--live"])?.fails(7).contains("not between 1 and 2"));
    assert!(setvcpus(&["5", "--config"])?.fails(7).contains("not between 1 and 4"));
    assert!(setvcpus(&["0", "--config"])?.code != 0);
    setvcpus(&["2", "--maximum", "--live"])?.fails(2);
    assert!(setvcpus(&["1", "--guest"])?.fails(1).contains("org.qemu.guest_agent.0"));
    lab.daemon.reeve(&["domain", "vcpucount", "web", "--guest"])?.fails(1);
    lab.domain("setvcpus", &["2", "--live"])?;
    lab.domain("destroy", &[])?;
    lab.domain("start", &[])?;
    assert_eq!(lab.json("vcpuinfo", &[])?.as_array().map(Vec::len), Some(3));
    assert_eq!(lab.domain("vcpucount", &["--active", "--current"])?, "3\n");
    Ok(())
}

#[test]
fn memory_is_set_now_and_for_the_next_start() -> Outcome {
    let lab = Lab::with("", "")?;
    lab.domain("setmaxmem", &["131072"])?;
    lab.domain("setmem", &["--kilobytes", "102400", "--config"])?;
    lab.domain("start", &[])?;
    let info = lab.domain("info", &[])?;
    assert!(info.contains("Max memory:     131072 KiB"), "{info}");
    lab.domain("setmem", &["96M", "--live"])?;
    wait::until("the balloon is inflated", PATIENCE, || {
        lab.domain("info", &[]).is_ok_and(|info| info.contains("Used memory:    98304 KiB"))
    })?;
    let xml = lab.domain("xml", &["--inactive"])?;
    assert!(xml.contains("<currentMemory unit='KiB'>102400</currentMemory>"), "{xml}");
    let refused = lab.daemon.reeve(&["domain", "setmaxmem", "web", "1G", "--live"])?.fails(1);
    assert!(refused.contains("can't be changed while it runs") && refused.contains("--config"), "{refused}");
    let refused = lab.daemon.reeve(&["domain", "setmem", "web", "1G", "--live"])?.fails(7);
    assert!(refused.contains("is above memory"), "{refused}");
    lab.daemon.reeve(&["domain", "setmem", "web", "0"])?.fails(7);
    lab.domain("setmaxmem", &["64M", "--config"])?;
    let xml = lab.domain("xml", &["--inactive"])?;
    assert!(
        xml.contains("<currentMemory unit='KiB'>65536</currentMemory>"),
        "lowered with the maximum: {xml}"
    );
    lab.domain("destroy", &[])?;
    assert!(lab.domain("setmaxmem", &["1024", "--current"])?.contains("at most 1024 KiB"));
    lab.daemon.reeve(&["domain", "setmem", "web", "512", "--live"])?.fails(6);
    Ok(())
}

#[test]
fn a_definition_is_tuned_while_its_domain_is_off() -> Outcome {
    let lab = Lab::with("", "")?;
    lab.domain("schedinfo", &["--set", "cpu_shares=2048"])?;
    lab.domain("memtune", &["--hard-limit", "1G", "--min-guarantee", "64M"])?;
    lab.domain("blkiotune", &["--weight", "800", "--device-weights", "/dev/sda,1000,/dev/sdb,500"])?;
    lab.domain("numatune", &["--mode", "interleave", "--nodeset", "0"])?;
    lab.domain("vcpupin", &["--vcpu", "0", "--cpulist", "0"])?;
    lab.domain("emulatorpin", &["--cpulist", "0"])?;
    let xml = lab.domain("xml", &[])?;
    for part in [
        "<shares>2048</shares>",
        "<hard_limit unit='KiB'>1048576</hard_limit>",
        "<min_guarantee unit='KiB'>65536</min_guarantee>",
        "<weight>800</weight>",
        "<path>/dev/sdb</path>",
        "<memory mode='interleave' nodeset='0'/>",
        "<vcpupin vcpu='0' cpuset='0'/>",
        "<emulatorpin cpuset='0'/>",
    ] {
        assert!(xml.contains(part), "{part} not in {xml}");
    }
    let block = lab.domain("blkiotune", &[])?;
    assert!(block.contains("device_weight  : /dev/sda,1000,/dev/sdb,500"), "{block}");
    assert!(lab.domain("memtune", &[])?.contains("min_guarantee  : 65536"));
    for verb in ["schedinfo", "memtune", "numatune", "vcpupin"] {
        let said = lab.daemon.reeve(&["domain", verb, "web", "--live"])?.fails(6);
        assert!(said.contains("'web' is not running"), "{verb}: {said}");
    }
    Ok(())
}
