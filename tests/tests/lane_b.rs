//! Lane B: stock guests in an emulated host, for what the machines of the other lanes can't run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reeve_tests::{Authority, Debian, EmulatedHost, add_program, archive};

const LIFE: [&str; 3] = [
    include_str!("../fixtures/lane-b/host-init"),
    include_str!("../fixtures/lane-b/guest-init"),
    include_str!("../fixtures/lane-b/linux.xml"),
];
const MANAGED: [&str; 3] = [
    include_str!("../fixtures/lane-b/managed-init"),
    include_str!("../fixtures/lane-b/managed-guest-init"),
    include_str!("../fixtures/lane-b/managed.xml"),
];
const BALLOON: [&str; 3] = [
    include_str!("../fixtures/lane-b/balloon-init"),
    include_str!("../fixtures/lane-b/balloon-guest-init"),
    include_str!("../fixtures/lane-b/balloon.xml"),
];
const GUEST_MODULES: [&str; 8] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "button",
    "evdev",
    "virtio_mem",
    "virtio_balloon",
];
/// Addresses of the emulated host under which its daemons know each other.
const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];
/// For the guest's network.
const HOST_MODULES: [&str; 2] = ["bridge", "tun"];
/// The agent of the guest, with those of its libraries that not every system has.
const AGENT: [&str; 6] =
    ["qemu-guest-agent", "libglib2.0-0", "libpcre2-8-0", "libnuma1", "libudev1", "liburing2"];
/// Each takes one to two minutes on a machine that builds something else at the same time.
const PATIENCE: Duration = Duration::from_secs(600);

/// Packages are unpacked by one test at a time.
static UNPACKING: Mutex<()> = Mutex::new(());

/// A host of the first programs of it and its guest, and the guest's document. One that is managed has the agent of its distribution.
fn host([init, guest_init, document]: [&str; 3], managed: bool) -> anyhow::Result<EmulatedHost> {
    let unpacking = UNPACKING.lock().unwrap_or_else(PoisonError::into_inner);
    let debian = Debian::obtain()?;
    let packages = if managed { Some(debian.packages("agent", &AGENT)?) } else { None };
    drop(unpacking);
    let mut host = EmulatedHost::new(&debian, init)?;
    host.modules(&debian, &debian.modules(&HOST_MODULES)?)?;
    let mut guest = archive(&debian, guest_init, &debian.modules(&GUEST_MODULES)?)?;
    if let Some(root) = packages {
        add_program(&mut guest, "usr/sbin/qemu-ga", &root.join("usr/sbin/qemu-ga"), &root)?;
    }
    host.file("linux.xml", document.as_bytes());
    host.file("vmlinuz", &std::fs::read(debian.kernel()?)?);
    host.file("initrd", &guest.finish());
    if managed {
        certificates(&mut host)?;
    }
    Ok(host)
}

/// Adds certificates of both daemons in directories of their addresses.
fn certificates(host: &mut EmulatedHost) -> anyhow::Result<()> {
    let (authority, place) = (Authority::new()?, tempfile::tempdir()?);
    for address in ADDRESSES {
        authority.issue(place.path(), address, 2090)?;
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            host.file(&format!("pki/{address}/{file}"), &std::fs::read(place.path().join(file))?);
        }
    }
    Ok(())
}

/// Runs a host, and looks for effects on its console.
#[expect(clippy::print_stdout, reason = "that is how a test says why it was skipped")]
fn runs(test: &str, host: anyhow::Result<EmulatedHost>, effects: &[&str]) -> anyhow::Result<()> {
    let host = match host {
        Ok(host) => host,
        Err(error) => {
            println!("SKIP B {test}: {error:#}");
            return Ok(());
        }
    };
    let console = host.run(PATIENCE)?;
    for effect in effects {
        assert!(console.lines().any(|line| line.ends_with(effect)), "'{effect}' is not in:\n{console}");
    }
    Ok(())
}

#[test]
fn real_linux_boots() -> anyhow::Result<()> {
    let effects = [
        "host: after the boot the domain is running (booted)",
        "guest: boots on 1 vCPU with memory enough",
        "guest: disk of 32768 sectors says written by the host",
        "guest: host answers 3 of 3",
        "host: the guest answers 3 of 3",
        "guest: says this by virtio",
        "guest: with the vCPU that came it runs on 2",
        "host: the domain has 2 vCPUs of 2",
        "guest: without it, it runs on 1",
        "host: the guest has let go of the vCPU",
        "guest: typed 42",
        "guest: power button",
        "host: after the button the domain is shut off (power off)",
        "host: the disk says written by the guest",
        "host: done",
    ];
    runs("real_linux_boots", host(LIFE, false), &effects)
}

#[test]
fn real_linux_is_managed_while_it_works() -> anyhow::Result<()> {
    let effects = [
        // What it is told of its machine, and tells of itself.
        "host: the agent answers as stock-linux",
        "host: it is a Reeve Lane B s-42 5a1cbb1e-4a06-4d6c-9d4c-0f0e6a6f7ab1 rack 7",
        "host: its clock is right",
        // Its file systems stand still for a snapshot.
        "host: around the snapshot its agent was told to freeze thaw",
        "host: its disk is /shared/root.night",
        // What comes, is used, and goes.
        "host: on the disk that came is some text",
        "host: after it, disks are vda",
        "host: through the interface that came 3 of 3 come back",
        "host: after it, interfaces are eth0",
        "host: with memory that came Linux has 128 MiB more",
        "host: and then 0 MiB more",
        // What goes on elsewhere, later.
        "host: while it is saved, it is shut off (saved)",
        "host: restored, its memory is intact",
        "host: restored, its work is intact",
        "host: now its disk is /shared/root.qcow2",
        "host: on it, its work is intact",
        "host: at the source it is shut off (migrated)",
        "host: there it is running (migrated)",
        "host: there its memory is intact",
        "host: there its work is intact",
        "host: there its work goes on",
        "host: there it answers 3 of 3",
        "host: back it is running (migrated)",
        "host: back its memory is intact",
        "host: back its work is intact",
        "host: back its work goes on",
        "host: back it answers 3 of 3",
        "host: asked by its agent, it is off",
        "host: done",
    ];
    runs("real_linux_is_managed_while_it_works", host(MANAGED, true), &effects)
}

#[test]
fn real_linux_gives_memory_back_and_takes_it() -> anyhow::Result<()> {
    let effects = [
        "guest: first 12 of 12 copies are right",
        // What it reports as free is free at the host; it tells how much that is whenever it is asked.
        "host: it says that it uses its memory",
        "host: what the guest has freed is free here",
        "host: it says that it does not",
        // With less than its programs need, it takes what it gave away instead of killing them.
        "host: it gave memory away",
        "guest: then 12 of 12 copies are right",
        "guest: 0 programs were killed",
        "host: it took memory back that it had none of",
        "host: done",
    ];
    runs("real_linux_gives_memory_back_and_takes_it", host(BALLOON, false), &effects)
}
