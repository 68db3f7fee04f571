//! Addresses are learned from the frames of a guest, by the sniffer in a process of its own.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use reeve_filter::{
    AddressSink, Learning, LearningMode, Lease, LeaseKeeper, SnifferProgram, Watch, provisional,
};
use reeve_packets::{Arp, BROADCAST, Dhcp, Frame, ipv4, udp};
use reeve_sys::link::LinkName;
use reeve_sys::process::Process;

use crate::rig::{self, GUEST, OTHER, Rig, Way};

/// Keeps leases in memory and remembers what was told.
#[derive(Default)]
struct Notes {
    leases: Mutex<BTreeMap<LinkName, Vec<Lease>>>,
    told: Mutex<Vec<Vec<IpAddr>>>,
    news: Condvar,
}

impl LeaseKeeper for Notes {
    fn load(&self, link: &LinkName) -> io::Result<Vec<Lease>> {
        Ok(self.leases.lock().unwrap().get(link).cloned().unwrap_or_default())
    }

    fn save(&self, link: &LinkName, leases: &[Lease]) -> io::Result<()> {
        self.leases.lock().unwrap().insert(link.clone(), leases.to_vec());
        Ok(())
    }
}

impl AddressSink for Notes {
    fn changed(&self, link: &LinkName, addresses: &[IpAddr]) {
        assert_eq!(link, &rig::name("tap0"));
        self.told.lock().unwrap().push(addresses.to_vec());
        self.news.notify_all();
    }
}

impl Notes {
    /// Waits until the addresses were told so many times, and says what they were then.
    fn told(&self, times: usize) -> Vec<IpAddr> {
        let told = self.told.lock().unwrap();
        let patience = Duration::from_secs(10);
        let (told, late) = self.news.wait_timeout_while(told, patience, |told| told.len() < times).unwrap();
        assert!(!late.timed_out(), "told {told:?}");
        told[times - 1].clone()
    }
}

/// The sniffer's program; it passes over its argument, by which a test finds its own.
fn program(tag: &str) -> SnifferProgram {
    let tests = std::env::current_exe().unwrap();
    let path: PathBuf = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples/sniffer");
    SnifferProgram { path, args: vec![tag.into()] }
}

fn start(notes: &Arc<Notes>) -> Learning {
    Learning::start(program("-"), notes.clone(), notes.clone()).unwrap()
}

/// The process with this argument.
fn find(tag: &str) -> Option<Process> {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        line.split('\0').nth(1).filter(|argument| *argument == tag).map(|_| pid)
    });
    let mut processes = pids.filter_map(|pid| Process::find(pid, reeve_sys::procfs::stat(pid)?.start_time));
    processes.next()
}

fn watch(mode: LearningMode, servers: &[&str]) -> Watch {
    let servers = servers.iter().map(|server| server.parse().unwrap()).collect();
    Watch { link: rig::name("tap0"), mac: GUEST, mode, servers }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn ack(rig: &Rig, ip: &str, server: &str, seconds: u32) {
    rig.send(Way::In, &Dhcp::ack(GUEST, ip, server, seconds).from_server(OTHER, server));
}

#[test]
fn the_first_packet_of_the_guest_teaches_its_address() {
    rig::with(|rig| {
        let notes = Arc::new(Notes::default());
        let learning = start(&notes);
        assert_eq!(learning.watch(watch(LearningMode::Any, &[])).unwrap(), ips(&[]));
        let send = |source, ip: &str| {
            rig.send(Way::Out, &Frame::new(OTHER, source).ipv4(&ipv4(ip, "10.0.0.2"), &udp(1, 2)));
        };
        // None of these is an address of the guest.
        send(OTHER, "10.0.0.66");
        send(GUEST, "0.0.0.0");
        send(GUEST, "224.0.0.1");
        rig.send(Way::In, &Frame::new(GUEST, OTHER).ipv4(&ipv4("10.0.0.2", "10.0.0.1"), &udp(1, 2)));
        let arp = Arp::request(GUEST, "10.0.0.1", "10.0.0.2");
        rig.send(Way::Out, &Frame::new(BROADCAST, GUEST).arp(&arp));
        assert_eq!(notes.told(1), ips(&["10.0.0.1"]));
        // It is the only one, until it is to be learned anew.
        send(GUEST, "10.0.0.9");
        learning.relearn(&rig::name("tap0")).unwrap();
        send(GUEST, "10.0.0.8");
        assert_eq!(notes.told(2), ips(&["10.0.0.8"]));
        assert_eq!(learning.addresses(&rig::name("tap0")), ips(&["10.0.0.8"]));
        // The next daemon knows it.
        drop(learning);
        assert_eq!(start(&notes).watch(watch(LearningMode::Any, &[])).unwrap(), ips(&["10.0.0.8"]));
    });
}

#[test]
fn leases_come_end_and_are_given_back() {
    rig::with(|rig| {
        let notes = Arc::new(Notes::default());
        let learning = start(&notes);
        learning.watch(watch(LearningMode::Dhcp, &["10.0.0.254"])).unwrap();
        ack(rig, "10.0.0.66", "10.0.0.66", 3600);
        let other = Dhcp::ack(OTHER, "10.0.0.67", "10.0.0.254", 3600);
        rig.send(Way::In, &other.from_server(OTHER, "10.0.0.254"));
        // Forged by the guest itself: it went the wrong way.
        rig.send(Way::Out, &Dhcp::ack(GUEST, "10.0.0.68", "10.0.0.254", 9).from_server(GUEST, "10.0.0.254"));
        let begin = Instant::now();
        ack(rig, "10.0.0.1", "10.0.0.254", 2);
        assert_eq!(notes.told(1), ips(&["10.0.0.1"]));
        ack(rig, "10.0.0.3", "10.0.0.254", u32::MAX);
        assert_eq!(notes.told(2), ips(&["10.0.0.1", "10.0.0.3"]));
        assert_eq!(notes.told(3), ips(&["10.0.0.3"]), "the first lease has ended");
        assert!(begin.elapsed() >= Duration::from_secs(1));
        rig.send(Way::Out, &Dhcp::release(GUEST, "10.0.0.3").from_client());
        assert_eq!(notes.told(4), ips(&[]));
        // Leases are valid after a restart as long as they last, for this guest only.
        ack(rig, "10.0.0.4", "10.0.0.254", 3600);
        assert_eq!(notes.told(5), ips(&["10.0.0.4"]));
        drop(learning);
        let learning = start(&notes);
        assert_eq!(learning.watch(watch(LearningMode::Dhcp, &[])).unwrap(), ips(&["10.0.0.4"]));
        let stranger = Watch { mac: OTHER, ..watch(LearningMode::Dhcp, &[]) };
        assert_eq!(learning.watch(stranger).unwrap(), ips(&[]));
        learning.forget(&rig::name("tap0"));
        assert!(notes.load(&rig::name("tap0")).unwrap().is_empty());
    });
}

#[test]
fn a_sniffer_has_nothing_to_lose_and_is_replaced() {
    rig::with(|rig| {
        let notes = Arc::new(Notes::default());
        let tag = format!("replaced-{}", std::process::id());
        let learning = Learning::start(program(&tag), notes.clone(), notes.clone()).unwrap();
        learning.watch(watch(LearningMode::Dhcp, &[])).unwrap();
        ack(rig, "10.0.0.1", "10.0.0.254", 3600);
        notes.told(1);
        let first = find(&tag).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", first.pid())).unwrap();
        for line in
            ["Uid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]
        {
            assert!(status.contains(line), "{line}: {status}");
        }
        first.kill();
        let deadline = Instant::now() + Duration::from_secs(20);
        while find(&tag).is_none_or(|process| process.pid() == first.pid()) {
            assert!(Instant::now() < deadline, "there is no other");
            std::thread::yield_now();
        }
        // What was learned is still known, and learning goes on; the new one may not listen yet.
        while learning.addresses(&rig::name("tap0")).len() < 2 {
            assert!(Instant::now() < deadline, "the other learns nothing");
            ack(rig, "10.0.0.2", "10.0.0.254", 3600);
            let told = notes.told.lock().unwrap();
            let _ = notes
                .news
                .wait_timeout_while(told, Duration::from_millis(200), |told| told.len() < 2)
                .unwrap();
        }
        drop(learning);
        assert!(find(&tag).is_none(), "it ends with what started it");
    });
}

#[test]
fn a_flood_does_not_keep_a_lease_from_being_seen() {
    rig::with(|rig| {
        let notes = Arc::new(Notes::default());
        let learning = start(&notes);
        learning.watch(watch(LearningMode::Dhcp, &[])).unwrap();
        for _ in 0..2000 {
            rig.send(Way::Out, &Dhcp::discover(GUEST).from_client());
        }
        // What the flood pushed out is sent again, as servers and clients do.
        let deadline = Instant::now() + Duration::from_secs(60);
        while learning.addresses(&rig::name("tap0")).is_empty() {
            assert!(Instant::now() < deadline);
            ack(rig, "10.0.0.1", "10.0.0.254", 3600);
            let told = notes.told.lock().unwrap();
            let _ =
                notes.news.wait_timeout_while(told, Duration::from_secs(1), |told| told.is_empty()).unwrap();
        }
    });
}

#[test]
fn before_an_address_is_known_only_dhcp_passes() {
    rig::with(|rig| {
        rig.bind(with_sentinel(provisional(GUEST, &ips(&["10.0.0.254"]))));
        rig.assert(Way::Out, &Dhcp::discover(GUEST).from_client(), true, "a request");
        rig.assert(Way::Out, &Dhcp::discover(OTHER).from_client(), false, "another's request");
        let answer = Dhcp::ack(GUEST, "10.0.0.1", "10.0.0.254", 9);
        rig.assert(Way::In, &answer.from_server(OTHER, "10.0.0.254"), true, "an answer");
        rig.assert(Way::In, &answer.from_server(OTHER, "10.0.0.66"), false, "an answer of a stranger");
        let arp = Arp::request(GUEST, "10.0.0.1", "10.0.0.2");
        rig.assert(Way::Out, &Frame::new(BROADCAST, GUEST).arp(&arp), false, "ARP");
        let packet = Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &udp(1, 2));
        rig.assert(Way::Out, &packet, false, "IPv4");
    });
}

/// Lets the mark of the end pass too.
fn with_sentinel(mut rules: reeve_model::filter::Ruleset) -> reeve_model::filter::Ruleset {
    let marks = rig::rules(reeve_model::filter::Layer::Link, Vec::new());
    for chain in &mut rules.chains {
        chain.rules.insert(0, marks.chains[0].rules[0].clone());
    }
    rules
}
