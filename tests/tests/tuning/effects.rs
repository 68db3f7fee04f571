//! Changes of a running guest, as the kernel carries them out.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reeve_tests::wait;

use crate::lab::{Lab, hierarchy};
use crate::{Outcome, PATIENCE};

#[test]
fn vcpus_and_the_emulator_run_where_they_are_pinned() -> Outcome {
    let lab = Lab::with("", "")?;
    lab.domain("start", &[])?;
    let all = lab.domain("vcpupin", &[])?;
    let cpus = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    let everywhere = cpus.trim();
    assert!(all.contains(&format!("0: {everywhere}")) && all.contains(&format!("1: {everywhere}")), "{all}");
    let said = lab.domain("vcpupin", &["1", "0", "--live", "--config"])?;
    assert!(
        said.split_whitespace().eq(format!("VCPU: CPU Affinity {} 1: 0", "-".repeat(34)).split(' ')),
        "{said}"
    );
    lab.daemon.reeve(&["domain", "emulatorpin", "web", "0", "--live"])?.ok();
    for (name, allowed) in lab.threads()? {
        let expected = if name == "vcpu0" { everywhere } else { "0" };
        assert_eq!(allowed, expected, "{name}");
    }
    let info = lab.daemon.reeve(&["domain", "vcpuinfo", "web"])?.ok();
    assert!(info.contains("State:          ") && info.contains("CPU Affinity:"), "{info}");
    let count = everywhere.rsplit(['-', ',']).next().unwrap_or("0").parse::<usize>()? + 1;
    assert!(info.ends_with(&format!("CPU Affinity:   y{}\n", "-".repeat(count - 1))), "{info}");
    let xml = lab.domain("xml", &["--inactive"])?;
    assert!(xml.contains("<vcpupin vcpu='1' cpuset='0'/>") && !xml.contains("emulatorpin"), "{xml}");
    // The next instance is pinned from its start.
    lab.domain("destroy", &[])?;
    lab.domain("start", &[])?;
    let pinned = lab.threads()?.into_iter().find(|(name, _)| name == "vcpu1");
    assert_eq!(pinned.map(|(_, allowed)| allowed).as_deref(), Some("0"));
    let refused = lab.daemon.reeve(&["domain", "vcpupin", "web", "7", "0", "--live"])?.fails(7);
    assert!(refused.contains("vCPU 7 does not exist"), "{refused}");
    // Of CPUs that are not there none is left out without a word, now or at the next start.
    let before = (lab.domain("vcpupin", &[])?, lab.domain("xml", &["--inactive"])?);
    for (verb, arguments, who) in [
        ("vcpupin", &["0", "0-9000", "--live"][..], "vCPU 0"),
        ("vcpupin", &["0", "9000", "--config"][..], "vCPU 0"),
        ("emulatorpin", &["0,9000", "--live"][..], "the emulator"),
    ] {
        let words = [&["domain", verb, "web"][..], arguments].concat();
        let refused = lab.daemon.reeve(&words)?.fails(7);
        assert!(refused.contains(&format!("{who} of domain 'web' can't be pinned")), "{refused}");
        assert!(refused.contains(&format!("this host has {everywhere}, and no ")), "{refused}");
    }
    assert_eq!((lab.domain("vcpupin", &[])?, lab.domain("xml", &["--inactive"])?), before);
    let refused = lab.daemon.reeve(&["domain", "numatune", "web", "--nodeset", "900", "--live"])?.fails(1);
    assert!(refused.contains("can't be bound to NUMA nodes 900: this host has"), "{refused}");
    Ok(())
}

#[test]
fn shares_and_quotas_reach_the_kernel() -> Outcome {
    if hierarchy("cpu").is_none() {
        println!(
            "SKIP kernel shares_and_quotas_reach_the_kernel: this host has no cpu hierarchy of version 1 for root"
        );
        return Ok(());
    }
    let lab = Lab::with("", "")?;
    lab.domain("start", &[])?;
    let shown = lab.domain("schedinfo", &[])?;
    let printed = "Scheduler : posix cpu_shares : 1024 vcpu_period : 100000 vcpu_quota : -1";
    assert!(shown.split_whitespace().eq(printed.split(' ')), "{shown}");
    let shown = lab.daemon.reeve(&["domain", "schedinfo", "--set", "cpu_shares=2046", "web"])?.ok();
    assert!(shown.split_whitespace().eq(printed.replace("1024", "2046").split(' ')), "{shown}");
    assert_eq!(lab.group_file("cpu", "cpu.shares")?.as_deref(), Some("2046"));
    assert!(lab.domain("schedinfo", &["--config"])?.contains(": 1024"), "the definition is as it was");
    lab.domain("schedinfo", &["--set", "emulator_quota=40000", "--set", "vcpu_period=50000"])?;
    assert_eq!(lab.group_file("cpu", "emulator/cpu.cfs_quota_us")?.as_deref(), Some("40000"));
    assert_eq!(lab.group_file("cpu", "vcpu1/cpu.cfs_period_us")?.as_deref(), Some("50000"));
    let refused = lab.daemon.reeve(&["domain", "schedinfo", "web", "--set", "vcpu_period=999"])?.fails(7);
    assert!(refused.contains("1000 to 1000000"), "{refused}");
    let xml = lab.domain("xml", &[])?;
    assert!(xml.contains("<shares>2046</shares>") && xml.contains("<period>50000</period>"), "{xml}");
    Ok(())
}

/// A vCPU that is busy all the time gets what its quota says, within 15 %; its shares are such that no other process of a busy machine
/// takes that away.
#[test]
fn a_quota_throttles_a_busy_guest() -> Outcome {
    if hierarchy("cpu").is_none() {
        println!(
            "SKIP kernel a_quota_throttles_a_busy_guest: this host has no cpu hierarchy of version 1 for root"
        );
        return Ok(());
    }
    let lab = Lab::with("<cputune><shares>262144</shares></cputune>", "run=spin+600+1")?;
    lab.domain("start", &[])?;
    let share = || -> anyhow::Result<f64> {
        let (before, start) = (lab.vcpu_time(0)?, Instant::now());
        wait::until("some seconds have passed", PATIENCE, || start.elapsed() > Duration::from_secs(4))?;
        let used = lab.vcpu_time(0)? - before;
        Ok(used as f64 / start.elapsed().as_nanos() as f64)
    };
    wait::until("the guest is busy", PATIENCE, || share().is_ok_and(|share| share > 0.5))?;
    lab.domain("schedinfo", &["--set", "vcpu_quota=30000"])?;
    let mut seen = Vec::new();
    wait::until("it gets three tenths of a CPU", PATIENCE, || {
        seen.extend(share());
        seen.last().is_some_and(|share| (share - 0.3).abs() < 0.045)
    })?;
    assert!(seen.iter().all(|share| *share < 0.345), "never more than the quota: {seen:?}");
    lab.domain("schedinfo", &["--set", "vcpu_quota=-1"])?;
    wait::until("it is busy again", PATIENCE, || share().is_ok_and(|share| share > 0.5))
}

#[test]
fn memory_limits_reach_the_kernel() -> Outcome {
    if hierarchy("memory").is_none() {
        println!(
            "SKIP kernel memory_limits_reach_the_kernel: this host has no memory hierarchy of version 1 for root"
        );
        return Ok(());
    }
    let lab = Lab::with("", "")?;
    lab.domain("start", &[])?;
    let shown = lab.domain("memtune", &[])?;
    let none = "hard_limit : unlimited soft_limit : unlimited swap_hard_limit: unlimited";
    assert!(shown.split_whitespace().eq(none.split(' ')), "{shown}");
    let shown = lab.domain("memtune", &["--hard-limit", "256M", "--soft-limit", "131072"])?;
    assert!(shown.contains("hard_limit     : 262144\nsoft_limit     : 131072\n"), "{shown}");
    assert_eq!(lab.group_file("memory", "memory.limit_in_bytes")?, Some((256 << 20).to_string()));
    assert_eq!(lab.group_file("memory", "memory.soft_limit_in_bytes")?, Some((128 << 20).to_string()));
    lab.domain("memtune", &["--hard-limit", "-1"])?;
    assert!(lab.domain("memtune", &[])?.contains("hard_limit     : unlimited"));
    let swap = ["domain", "memtune", "web", "--hard-limit", "2G", "--swap-hard-limit", "1G", "--config"];
    let refused = lab.daemon.reeve(&swap)?.fails(7);
    assert!(refused.contains("must be above <hard_limit>"), "{refused}");
    let refused = lab.daemon.reeve(&["domain", "memtune", "web", "--min-guarantee", "32M"])?;
    assert!(refused.stderr.contains("its minimum of memory is not guaranteed"), "{refused:?}");
    Ok(())
}

/// A guest that grows above its hard limit on a host without swap is ended by the kernel, and nothing of it is left.
#[test]
fn a_hard_limit_is_kept() -> Outcome {
    if hierarchy("memory").is_none() {
        println!("SKIP kernel a_hard_limit_is_kept: this host has no memory hierarchy of version 1 for root");
        return Ok(());
    }
    let limits = "<memtune><hard_limit unit='MiB'>24</hard_limit><swap_hard_limit unit='MiB'>25</swap_hard_limit></memtune>";
    let lab = Lab::with(limits, "run=mem+write+7+45")?;
    lab.domain("start", &[])?;
    let uuid = lab.uuid().to_owned();
    wait::until("the kernel has ended the worker", PATIENCE, || {
        lab.domain("state", &[]).is_ok_and(|state| state.starts_with("crashed"))
    })?;
    wait::until("its groups are gone", PATIENCE, || crate::lab::groups_of(&uuid).is_empty())
}

#[test]
fn block_io_is_weighed_and_limited() -> Outcome {
    let directory = tempfile::tempdir()?;
    let Some(device) = device_below(directory.path())?.filter(|_| hierarchy("blkio").is_some()) else {
        println!(
            "SKIP kernel block_io_is_weighed_and_limited: no block device or no blkio hierarchy of version 1 for root"
        );
        return Ok(());
    };
    let image = directory.path().join("disk.img");
    std::fs::write(&image, vec![7; 16 << 20])?;
    std::fs::File::open(&image)?.sync_all()?;
    let disk = format!(
        "<disk type='file'><driver name='qemu' type='raw' cache='none'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>",
        image.display()
    );
    let limits = format!(
        "<blkiotune><weight>200</weight><device><path>{device}</path><read_bytes_sec>2097152</read_bytes_sec></device></blkiotune>"
    );
    let lab = Lab::with_devices(&limits, "run=disk+read+0+0+16384", &disk)?;
    let start = Instant::now();
    lab.domain("start", &[])?;
    let read = wait::until("6 MiB are read", 2 * PATIENCE, || {
        lab.json("stats", &[]).is_ok_and(|stats| stats["disks"][0]["read_bytes"].as_u64() >= Some(6 << 20))
    });
    read.with_context(|| format!("{:?}", lab.json("stats", &[])))?;
    assert!(start.elapsed() > Duration::from_secs(2), "6 MiB at 2 MiB/s took {:?}", start.elapsed());
    let shown = lab.domain("blkiotune", &[])?;
    assert!(shown.contains("weight         : 200"), "{shown}");
    assert!(shown.contains(&format!("device_read_bytes_sec: {device},2097152")), "{shown}");
    lab.domain("blkiotune", &["--weight", "300", "--device-read-bytes-sec", &format!("{device},0")])?;
    assert_eq!(lab.group_file("blkio", "blkio.throttle.read_bps_device")?.as_deref(), Some(""));
    let refused = lab.daemon.reeve(&["domain", "blkiotune", "web", "--weight", "99"])?.fails(7);
    assert!(refused.contains("100 to 1000, not 99"), "{refused}");
    let limits = ["domain", "blkiotune", "web", "--device-write-iops-sec", "/dev/null,5"];
    let refused = lab.daemon.reeve(&limits)?.fails(1);
    assert!(refused.contains("'/dev/null' is no block device"), "{refused}");
    Ok(())
}

/// The block device that a directory is on.
fn device_below(path: &std::path::Path) -> anyhow::Result<Option<String>> {
    let number = rustix::fs::stat(path)?.st_dev;
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let Ok(uevent) = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/uevent")) else {
        return Ok(None);
    };
    let whole = !std::path::Path::new(&format!("/sys/dev/block/{major}:{minor}/partition")).exists();
    let name = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME=")).filter(|_| whole);
    Ok(name.map(|name| format!("/dev/{name}")).filter(|path| std::path::Path::new(path).exists()))
}

#[test]
fn cpu_time_is_told_by_cpu_and_in_groups() -> Outcome {
    let lab = Lab::with("", "run=spin+600+1")?;
    lab.domain("start", &[])?;
    if hierarchy("cpuacct").is_some() {
        wait::until("the guest has used some time", PATIENCE, || {
            let stats = lab.json("cpu-stats", &[]).unwrap_or_default();
            stats["total"]["cpu_time_ns"].as_u64() > Some(100_000_000)
        })?;
        let stats = lab.json("cpu-stats", &[])?;
        let cpus = stats["cpus"].as_array().cloned().unwrap_or_default();
        let sum: u64 = cpus.iter().filter_map(|cpu| cpu["cpu_time_ns"].as_u64()).sum();
        assert_eq!(stats["total"]["cpu_time_ns"].as_u64(), Some(sum), "{stats}");
        let total = lab.daemon.reeve(&["domain", "cpu-stats", "web", "--total"])?.ok();
        assert!(total.starts_with("Total:") && total.contains("user_time"), "{total}");
        for words in
            [&["0", "1"][..], &["--start", "0", "--count", "1"], &["--count", "1"], &["0", "--count", "1"]]
        {
            let said = lab.domain("cpu-stats", words)?;
            assert!(said.starts_with("CPU0:") && said.lines().count() == 2, "{words:?}: {said}");
        }
        let rest = lab.json("cpu-stats", &["--start", "1"])?;
        assert_eq!(rest["cpus"].as_array().map(Vec::len), Some(cpus.len() - 1), "{rest}");
    }
    let stats = lab.daemon.reeve(&["domain", "domstats", "web", "--vcpu", "--state"])?.ok();
    assert!(stats.starts_with("Domain: 'web'\n  state.state=1\n"), "{stats}");
    assert!(
        stats.contains("vcpu.current=2") && stats.contains("vcpu.1.time=") && !stats.contains("balloon"),
        "{stats}"
    );
    Ok(())
}
