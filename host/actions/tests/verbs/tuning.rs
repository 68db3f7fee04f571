//! Domains are tuned: what is changed where, what guards see of it, and what is refused.

use reeve_model::domain::{IothreadPin, VcpuPin};
use reeve_model::tuning::{MemoryLimits, NumaPolicy, Schedule, TuneOptions, Tuning};
use reeve_model::{Actor, Bytes, CpuSet, ErrorCode};

use crate::support::{ROOT, host, plain, refused};

const CURRENT: TuneOptions = TuneOptions { live: false, config: false };
const LIVE: TuneOptions = TuneOptions { live: true, config: false };
const CONFIG: TuneOptions = TuneOptions { live: false, config: true };
const BOTH: TuneOptions = TuneOptions { live: true, config: true };

fn shares(shares: u64) -> Tuning {
    Tuning { schedule: Schedule { cpu_shares: Some(shares), ..Schedule::default() }, ..Tuning::default() }
}

#[tokio::test]
async fn what_is_tuned_is_what_was_said() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let seen = async |options| host.tuning(&ROOT, "web", options).await.unwrap().schedule.cpu_shares;
    assert_eq!(seen(CURRENT).await, Some(1024));
    host.tune(&ROOT, "web", shares(100), CURRENT).await.unwrap();
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("<shares>100</shares>"));
    refused(host.tune(&ROOT, "web", shares(1), LIVE).await, ErrorCode::WrongState, &["'web' is not running"]);
    host.start(&ROOT, "web").await.unwrap();
    host.tune(&ROOT, "web", shares(200), CURRENT).await.unwrap();
    assert_eq!((seen(LIVE).await, seen(CONFIG).await), (Some(200), Some(100)));
    host.tune(&ROOT, "web", shares(300), CONFIG).await.unwrap();
    assert_eq!((seen(LIVE).await, seen(CONFIG).await), (Some(200), Some(300)));
    host.tune(&ROOT, "web", shares(400), BOTH).await.unwrap();
    assert_eq!((seen(LIVE).await, seen(CONFIG).await), (Some(400), Some(400)));
    host.suspend(&ROOT, "web").await.unwrap();
    host.tune(&ROOT, "web", shares(500), LIVE).await.unwrap();
    assert!(host.xml(&ROOT, "web", false).unwrap().contains("<shares>500</shares>"));
    let memory = MemoryLimits { hard_limit: Some(Bytes::gib(1)), ..MemoryLimits::default() };
    let change = Tuning { memory, current_memory: Some(Bytes::mib(32)), ..Tuning::default() };
    host.tune(&ROOT, "web", change, BOTH).await.unwrap();
    let xml = host.xml(&ROOT, "web", true).unwrap();
    assert!(xml.contains(">1048576</hard_limit>") && xml.contains(">32768</currentMemory>"), "{xml}");
    assert_eq!(host.stats(&ROOT, "web").await.unwrap().balloon_current, Bytes::mib(32));
}

#[tokio::test]
async fn a_transient_domain_has_no_definition_to_tune() {
    let (_directory, host) = host();
    host.create(&ROOT, &plain("job"), false).await.unwrap();
    host.tune(&ROOT, "job", shares(7), CURRENT).await.unwrap();
    for options in [CONFIG, BOTH] {
        let error = host.tune(&ROOT, "job", shares(7), options).await;
        refused(error, ErrorCode::WrongState, &["domain 'job' is transient"]);
    }
}

#[tokio::test]
async fn what_a_machine_is_built_with_stays_while_it_runs() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let none = Tuning::default;
    let pin = VcpuPin { vcpu: 1, cpuset: CpuSet::new([0]).unwrap() };
    let numa = NumaPolicy { mode: Some("preferred".to_owned()), nodeset: CpuSet::new([0]) };
    for (change, code, words) in [
        (Tuning { max_memory: Some(Bytes::mib(1)), ..none() }, ErrorCode::Unsupported, "maximum memory"),
        (Tuning { max_vcpus: Some(2), ..none() }, ErrorCode::Invalid, "maximum of vCPUs"),
        (Tuning { vcpu_pins: vec![pin], ..none() }, ErrorCode::Invalid, "vCPU 1 does not exist"),
        (Tuning { numa, ..none() }, ErrorCode::Unsupported, "'strict'"),
        (Tuning { current_memory: Some(Bytes(0)), ..none() }, ErrorCode::Invalid, "no memory"),
    ] {
        refused(host.tune(&ROOT, "web", change, LIVE).await, code, &["'web'", words]);
    }
    let bigger = Tuning { max_memory: Some(Bytes::mib(128)), max_vcpus: Some(2), ..none() };
    host.tune(&ROOT, "web", bigger, CONFIG).await.unwrap();
    let change = Tuning { vcpus: Some(2), ..none() };
    host.tune(&ROOT, "web", change, CONFIG).await.unwrap();
    let defined = host.tuning(&ROOT, "web", CONFIG).await.unwrap();
    assert_eq!((defined.max_memory, defined.vcpus), (Some(Bytes::mib(128)), Some(2)));
    let stranger = Actor::Client { uid: 4242, pid: 7 };
    let denied = host.tune(&stranger, "web", none(), CONFIG).await;
    refused(denied, ErrorCode::Denied, &["domain:configure"]);
    refused(host.vcpus(&stranger, "web").await, ErrorCode::Denied, &["domain:read"]);
    assert_eq!(host.vcpus(&ROOT, "web").await.unwrap().len(), 1);
    assert_eq!(host.cpu_stats(&ROOT, "web").await.unwrap().cpus.len(), 1);
}

#[tokio::test]
async fn iothreads_come_and_go() {
    let (_directory, host) = host();
    let disk = "<disk type='file'><driver name='qemu' type='raw' iothread='1'/><source file='/a.img'/>\
                <target dev='vda' bus='virtio'/></disk>";
    let document = plain("web").replace("</name>", "</name><iothreads>2</iothreads>");
    let document = match document.contains("<devices>") {
        true => document.replace("<devices>", &format!("<devices>{disk}")),
        false => document.replace("</domain>", &format!("<devices>{disk}</devices></domain>")),
    };
    host.define(&ROOT, &document, false).await.unwrap();
    let none = Tuning::default;
    let pin = |iothread| IothreadPin { iothread, cpuset: CpuSet::new([0]).unwrap() };
    for (change, code, words) in [
        (Tuning { iothreads_added: vec![2], ..none() }, ErrorCode::AlreadyExists, "has I/O thread 2 already"),
        (Tuning { iothreads_added: vec![0], ..none() }, ErrorCode::Invalid, "numbered from 1"),
        (
            Tuning { iothreads_added: (3..90).collect(), ..none() },
            ErrorCode::Invalid,
            "64 I/O threads at most",
        ),
        (Tuning { iothreads_removed: vec![3], ..none() }, ErrorCode::NotFound, "has no I/O thread 3"),
        (Tuning { iothreads_removed: vec![1], ..none() }, ErrorCode::WrongState, "serves disk 'vda'"),
        (Tuning { iothread_pins: vec![pin(3)], ..none() }, ErrorCode::Invalid, "I/O thread 3 does not exist"),
    ] {
        refused(host.tune(&ROOT, "web", change, CONFIG).await, code, &[words]);
    }
    let change = Tuning { iothreads_added: vec![7], iothread_pins: vec![pin(7), pin(2)], ..none() };
    let tuned = host.tune(&ROOT, "web", change, CONFIG).await.unwrap();
    let ids = |tuning: &Tuning| tuning.iothread_pins.iter().map(|pin| pin.iothread).collect::<Vec<_>>();
    assert_eq!(ids(&tuned), [1, 2, 7]);
    host.start(&ROOT, "web").await.unwrap();
    // Its pin goes with a thread.
    let change = Tuning { iothreads_removed: vec![2], ..none() };
    let tuned = host.tune(&ROOT, "web", change, BOTH).await.unwrap();
    assert_eq!(ids(&tuned), [1, 7]);
    let xml = host.xml(&ROOT, "web", true).unwrap();
    assert!(
        xml.contains("<iothread id='7'/>") && xml.contains("<iothreadpin iothread='7' cpuset='0'/>"),
        "{xml}"
    );
    assert!(!xml.contains("iothread='2'") && !xml.contains("id='2'"), "{xml}");
    let change = Tuning { iothreads_removed: vec![1], ..none() };
    refused(host.tune(&ROOT, "web", change, LIVE).await, ErrorCode::WrongState, &["serves disk 'vda'"]);
}
