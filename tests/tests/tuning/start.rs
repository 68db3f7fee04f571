//! What a document asks of the host is applied by a start, kept over a restart of the daemon, and gone with the domain.

use std::path::PathBuf;

use reeve_tests::wait;
use rustix::process::{Signal, kill_process};

use crate::lab::{CONTROLLERS, Lab, groups_of, hierarchy};
use crate::{Outcome, PATIENCE};

const EVERYTHING: &str = "<cputune><shares>512</shares><period>100000</period><quota>90000</quota>\
     <vcpupin vcpu='0' cpuset='0'/></cputune>\
     <memtune><hard_limit unit='MiB'>300</hard_limit></memtune>\
     <numatune><memory mode='strict' nodeset='0'/></numatune>";

#[test]
fn a_document_is_applied_kept_and_cleared() -> Outcome {
    if hierarchy("cpu").is_none() {
        println!(
            "SKIP kernel a_document_is_applied_kept_and_cleared: this host has no cgroups of version 1 for root"
        );
        return Ok(());
    }
    let mut lab = Lab::with(EVERYTHING, "")?;
    lab.domain("start", &[])?;
    let uuid = lab.uuid().to_owned();
    let in_force = |lab: &Lab| -> Outcome {
        assert_eq!(lab.group_file("cpu", "cpu.shares")?.as_deref(), Some("512"));
        for vcpu in ["vcpu0", "vcpu1"] {
            assert_eq!(lab.group_file("cpu", &format!("{vcpu}/cpu.cfs_quota_us"))?.as_deref(), Some("90000"));
        }
        assert_eq!(lab.group_file("memory", "memory.limit_in_bytes")?, Some((300 << 20).to_string()));
        assert_eq!(lab.group_file("cpuset", "cpuset.mems")?.as_deref(), Some("0"));
        let maps = std::fs::read_to_string(format!("/proc/{}/numa_maps", lab.worker()?))?;
        assert!(maps.lines().any(|line| line.contains(" bind:0 ")), "{maps}");
        assert!(
            lab.domain("numatune", &[])?
                .split_whitespace()
                .eq("numa_mode : strict numa_nodeset : 0".split(' '))
        );
        Ok(())
    };
    in_force(&lab)?;
    let refused =
        lab.daemon.reeve(&["domain", "numatune", "web", "--mode", "interleave", "--live"])?.fails(1);
    assert!(refused.contains("bound 'strict'") && refused.contains("--config"), "{refused}");
    lab.domain("numatune", &["--nodeset", "0", "--live"])?;
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    in_force(&lab)?;
    // A change after the restart goes to the same groups.
    lab.domain("schedinfo", &["--set", "cpu_shares=256"])?;
    assert_eq!(lab.group_file("cpu", "cpu.shares")?.as_deref(), Some("256"));
    assert!(groups_of(&uuid).len() >= 4);
    lab.domain("destroy", &[])?;
    assert_eq!(groups_of(&uuid), [""; 0].map(std::path::PathBuf::from));
    Ok(())
}

#[test]
fn groups_go_with_a_killed_worker() -> Outcome {
    let mut lab = Lab::with(EVERYTHING, "")?;
    if hierarchy("cpu").is_none() {
        println!(
            "SKIP kernel groups_go_with_a_killed_worker: this host has no cgroups of version 1 for root"
        );
        return Ok(());
    }
    let uuid = lab.uuid().to_owned();
    lab.domain("start", &[])?;
    assert!(!groups_of(&uuid).is_empty());
    lab.daemon.kill_worker("web")?;
    wait::until("the groups are gone", PATIENCE, || groups_of(&uuid).is_empty())?;
    wait::until("the domain is off", PATIENCE, || {
        lab.domain("state", &[]).is_ok_and(|state| state.starts_with("crashed"))
    })?;
    // And while no daemon runs.
    lab.domain("start", &[])?;
    let worker = lab.daemon.worker("web")?;
    lab.daemon.kill()?;
    kill_process(worker, Signal::KILL)?;
    lab.daemon.launch()?;
    wait::until("the groups are gone", PATIENCE, || groups_of(&uuid).is_empty())
}

/// A partition in all hierarchies of version 1, which goes with it.
struct Partition(String);

impl Partition {
    fn places(&self) -> impl DoubleEndedIterator<Item = PathBuf> {
        let roots = [&CONTROLLERS[..], &["cpuset"]].concat().into_iter().filter_map(hierarchy);
        let places: Vec<PathBuf> = roots.map(|root| root.join(&self.0)).collect();
        places.into_iter()
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        for place in self.places() {
            // What a failed test left in it can't be removed; the test has failed anyway.
            let _ = std::fs::remove_dir(place.join("production"));
            let _ = std::fs::remove_dir(place);
        }
    }
}

#[test]
fn a_domain_is_in_the_partition_that_an_operator_made() -> Outcome {
    if hierarchy("cpu").is_none() {
        println!(
            "SKIP kernel a_domain_is_in_the_partition_that_an_operator_made: this host has no cgroups of version 1 for root"
        );
        return Ok(());
    }
    let mut lab = Lab::with("<resource><partition>/machine</partition></resource>", "")?;
    lab.domain("start", &[])?;
    assert!(!groups_of(lab.uuid()).is_empty(), "libvirt's own is the host's own");
    lab.domain("destroy", &[])?;
    let (uuid, partition) = (lab.uuid().to_owned(), Partition(format!("partition-{}", lab.uuid())));
    let named = format!("<resource><partition>/{}/production</partition></resource>", partition.0);
    let warned = lab.define(&format!("{EVERYTHING}{named}"), "", "")?.stderr;
    assert!(
        warned.contains("there is no partition") && warned.contains("make the control group"),
        "{warned}"
    );
    let refused = lab.daemon.reeve(&["domain", "start", "web"])?.fails(1);
    assert!(
        refused.contains("there is no partition") && refused.contains("take <resource> out"),
        "{refused}"
    );
    for place in partition.places() {
        std::fs::create_dir_all(place.join("production"))?;
    }
    lab.domain("start", &[])?;
    assert_eq!(groups_of(&uuid), [""; 0].map(PathBuf::from));
    let own = |controller: &str| {
        hierarchy(controller).map(|root| root.join(&partition.0).join("production").join(&uuid))
    };
    let shares = own("cpu").unwrap().join("cpu.shares");
    let worker = lab.worker()?.to_string();
    for controller in ["cpu", "memory", "cpuset"] {
        let Some(group) = own(controller) else { continue };
        let procs = std::fs::read_to_string(group.join("cgroup.procs"))?;
        let parts = std::fs::read_to_string(group.join("emulator/cgroup.procs")).unwrap_or_default();
        assert!(procs.lines().chain(parts.lines()).any(|pid| pid == worker), "{controller}: {procs}{parts}");
    }
    assert_eq!(std::fs::read_to_string(&shares)?.trim(), "512");
    // A daemon that starts again finds it there.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    lab.domain("schedinfo", &["--set", "cpu_shares=256"])?;
    assert_eq!(std::fs::read_to_string(&shares)?.trim(), "256");
    lab.domain("destroy", &[])?;
    for place in partition.places() {
        let production = place.join("production");
        assert!(production.is_dir() && !production.join(&uuid).exists(), "{}", production.display());
    }
    let wrong = lab.daemon.reeve_with_input(
        &["domain", "define", "-"],
        &lab.domain("xml", &[])?.replace(&format!("/{}/production", partition.0), "/../production"),
    )?;
    assert!(wrong.fails(7).contains("'/../production' is no partition"));
    Ok(())
}

/// Puts the number of huge pages back.
struct HugePages(String);

const HUGE_PAGES: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

impl Drop for HugePages {
    fn drop(&mut self) {
        // A test that failed before it changed it changes nothing.
        let _ = std::fs::write(HUGE_PAGES, &self.0);
    }
}

#[test]
fn huge_pages_are_asked_for_before_anything_runs() -> Outcome {
    let Ok(found) = std::fs::read_to_string(HUGE_PAGES) else {
        println!(
            "SKIP kernel huge_pages_are_asked_for_before_anything_runs: this kernel has no huge pages of 2 MiB"
        );
        return Ok(());
    };
    if !rustix::process::geteuid().is_root() {
        println!("SKIP root huge_pages_are_asked_for_before_anything_runs: only root reserves huge pages");
        return Ok(());
    }
    let before = HugePages(found.trim().to_owned());
    std::fs::write(HUGE_PAGES, "0")?;
    let lab = Lab::with("", "")?;
    let backing = "<memoryBacking><hugepages><page size='2' unit='MiB'/></hugepages></memoryBacking>";
    let warned = lab.define(backing, "", "")?.stderr;
    assert!(warned.contains("takes 32 huge pages of 2 MiB, and 0 are reserved"), "{warned}");
    let refused = lab.daemon.reeve(&["domain", "start", "web"])?.fails(1);
    assert!(refused.contains("'web'") && refused.contains(&format!("echo 32 > {HUGE_PAGES}")), "{refused}");
    assert_eq!(std::fs::read_dir(lab.daemon.root().join("run/reeve/domains"))?.count(), 0);
    std::fs::write(HUGE_PAGES, "40")?;
    lab.domain("start", &[])?;
    assert!(std::fs::read_to_string(HUGE_PAGES.replace("nr_", "free_"))?.trim().parse::<u64>()? <= 40);
    let smaps = std::fs::read_to_string(format!("/proc/{}/smaps", lab.worker()?))?;
    assert!(smaps.contains("KernelPageSize:     2048 kB"), "guest memory is of huge pages");
    lab.domain("destroy", &[])?;
    drop(before);
    let odd = "<memoryBacking><hugepages><page size='4' unit='MiB'/></hugepages></memoryBacking>";
    let warned = lab.define(odd, "", "")?.stderr;
    assert!(warned.contains("huge pages of 4 MiB"), "{warned}");
    Ok(())
}

#[test]
fn memory_is_locked_and_not_shared() -> Outcome {
    let lab = Lab::with("<memoryBacking><nosharepages/><locked/></memoryBacking>", "")?;
    let started = lab.daemon.reeve(&["domain", "start", "web"])?;
    if started.code == 0 {
        assert!(lab.status_kib("VmLck")? >= 64 << 10, "all of guest memory is locked");
    } else {
        // What is not permitted is said before anything runs.
        let said = started.fails(1);
        assert!(
            said.contains("64 MiB of memory can't be locked") && said.contains("CAP_SYS_RESOURCE"),
            "{said}"
        );
        lab.define("<memoryBacking><nosharepages/></memoryBacking>", "", "")?;
        lab.domain("start", &[])?;
    }
    let flags = |lab: &Lab| -> anyhow::Result<bool> {
        let smaps = std::fs::read_to_string(format!("/proc/{}/smaps", lab.worker()?))?;
        Ok(smaps.lines().any(|line| line.starts_with("VmFlags:") && line.contains(" mg ")))
    };
    assert!(!flags(&lab)?, "nothing may be merged");
    lab.domain("destroy", &[])?;
    lab.define("", "", "")?;
    lab.domain("start", &[])?;
    assert!(flags(&lab)?, "guest memory may be merged unless the document says otherwise");
    Ok(())
}

#[test]
fn what_the_host_lacks_is_refused_by_name() -> Outcome {
    let lab = Lab::with("", "")?;
    for (tuning, sentence) in [
        ("<cputune><vcpupin vcpu='0' cpuset='9000'/></cputune>", "vCPU 0 can't be pinned to host CPUs 9000"),
        (
            "<cputune><emulatorpin cpuset='9000-9001'/></cputune>",
            "the emulator can't be pinned to host CPUs 9000-9001",
        ),
        ("<numatune><memory mode='strict' nodeset='900'/></numatune>", "can't be bound to NUMA nodes 900"),
    ] {
        let warned = lab.define(tuning, "", "")?.stderr;
        assert!(warned.contains("can't be started as it is") && warned.contains(sentence), "{warned}");
        let refused = lab.daemon.reeve(&["domain", "start", "web"])?.fails(1);
        assert!(refused.contains("'web'") && refused.contains(sentence), "{refused}");
    }
    // A document may be another host's too: what is there of its CPUs is used, and what is not is said.
    let warned = lab.define("<cputune><vcpupin vcpu='0' cpuset='0,9000'/></cputune>", "", "")?.stderr;
    assert!(
        warned.contains("vCPU 0 is pinned to host CPUs 0,9000, and runs on 0: this host has"),
        "{warned}"
    );
    lab.domain("start", &[])?;
    let pinned = lab.threads()?.into_iter().find(|(name, _)| name == "vcpu0");
    assert_eq!(pinned.map(|(_, allowed)| allowed).as_deref(), Some("0"));
    lab.domain("destroy", &[])?;
    let warned =
        lab.define("<memtune><min_guarantee unit='MiB'>32</min_guarantee></memtune>", "", "")?.stderr;
    if hierarchy("memory").is_some() {
        assert!(warned.contains("its minimum of memory is not guaranteed"), "{warned}");
        lab.domain("start", &[])?;
    }
    Ok(())
}
