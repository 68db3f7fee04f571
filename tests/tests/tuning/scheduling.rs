//! How the kernel schedules threads of a worker, what I/O threads may use, and where a domain goes that leaves it to the host.

use reeve_tests::wait;

use crate::lab::{Lab, hierarchy};
use crate::{Outcome, PATIENCE};

/// Numbers of the kernel for SCHED_OTHER, SCHED_BATCH and SCHED_IDLE.
const NORMAL: u32 = 0;
const BATCH: u32 = 3;
const IDLE: u32 = 5;

/// Scheduling policies of the worker's threads of a name, as /proc has them.
fn policies(lab: &Lab, name: &str) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{}/task", lab.worker()?))? {
        // One that has just ended is none.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        let (front, rest) = stat.rsplit_once(')').unwrap_or_default();
        if front.split_once('(').is_some_and(|(_, thread)| thread == name) {
            found.extend(rest.split_whitespace().nth(38).and_then(|word| word.parse::<u32>().ok()));
        }
    }
    Ok(found)
}

#[test]
fn threads_are_scheduled_as_their_document_says() -> Outcome {
    let how = "<iothreads>1</iothreads><cputune>\
         <vcpusched vcpus='1' scheduler='batch'/><emulatorsched scheduler='batch'/>\
         <iothreadsched iothreads='1' scheduler='idle'/></cputune>";
    let lab = Lab::with(how, "")?;
    lab.domain("start", &[])?;
    lab.console("", "reeve-guest: ready")?;
    assert_eq!((policies(&lab, "vcpu0")?, policies(&lab, "vcpu1")?), (vec![NORMAL], vec![BATCH]));
    assert_eq!(policies(&lab, "io1")?, [IDLE]);
    // A thread that comes is scheduled as nothing is said of it, whatever the one is that made it.
    lab.domain("iothreadadd", &["2", "--live"])?;
    wait::until("the thread came", PATIENCE, || policies(&lab, "io2").is_ok_and(|found| found == [NORMAL]))?;
    lab.console("cpus", "expected=2")?;
    Ok(())
}

#[test]
fn schedulers_that_can_not_be_are_refused() -> Outcome {
    let lab = Lab::with("", "")?;
    let refused = [
        ("<vcpusched vcpus='0' scheduler='fifo'/>", "needs a priority of 1 to 99"),
        ("<vcpusched vcpus='0' scheduler='batch' priority='1'/>", "has no priority"),
        ("<vcpusched vcpus='2' scheduler='batch'/>", "vCPU 2 does not exist"),
        (
            "<vcpusched vcpus='0-1' scheduler='batch'/><vcpusched vcpus='1' scheduler='idle'/>",
            "scheduled twice",
        ),
        ("<iothreadsched iothreads='1' scheduler='idle'/>", "I/O thread 1 does not exist"),
        ("<emulatorsched scheduler='deadline'/>", "not one of batch, idle, fifo, rr"),
    ];
    for (element, words) in refused {
        let said = lab.define(&format!("<cputune>{element}</cputune>"), "", "").unwrap_err().to_string();
        assert!(said.contains(words), "{element}: {said}");
    }
    Ok(())
}

#[test]
fn io_threads_have_quotas() -> Outcome {
    let how = "<iothreads>1</iothreads><cputune>\
         <iothread_period>50000</iothread_period><iothread_quota>20000</iothread_quota></cputune>";
    if hierarchy("cpu").is_none() {
        return Ok(());
    }
    let lab = Lab::with(how, "")?;
    lab.domain("start", &[])?;
    let quota = |thread: &str| lab.group_file("cpu", &format!("{thread}/cpu.cfs_quota_us"));
    assert_eq!(quota("io1")?.as_deref(), Some("20000"));
    assert_eq!(lab.group_file("cpu", "io1/cpu.cfs_period_us")?.as_deref(), Some("50000"));
    assert_eq!(lab.group_file("cpu", "io1/tasks")?.map(|tasks| tasks.lines().count()), Some(1));
    // One that comes has the same.
    lab.domain("iothreadadd", &["2", "--live"])?;
    assert_eq!(quota("io2")?.as_deref(), Some("20000"));
    lab.domain("destroy", &[])?;
    assert!(crate::lab::groups_of(lab.uuid()).is_empty());
    Ok(())
}

#[test]
fn a_domain_that_leaves_it_to_the_host_is_placed() -> Outcome {
    let lab = Lab::with("", "")?;
    let document = lab.domain("xml", &[])?.replace("<vcpu>", "<vcpu placement='auto'>");
    assert!(document.contains("placement='auto'"), "{document}");
    let defined = lab.daemon.reeve_with_input(&["domain", "define", "-"], &document)?;
    assert!(!defined.stderr.contains("placement"), "{}", defined.stderr);
    defined.ok();
    lab.domain("start", &[])?;
    let live = lab.domain("xml", &[])?;
    assert!(live.contains("<vcpu placement='auto' cpuset='"), "{live}");
    let definition = lab.domain("xml", &["--inactive"])?;
    assert!(definition.contains("<vcpu placement='auto'>2</vcpu>"), "{definition}");
    Ok(())
}
