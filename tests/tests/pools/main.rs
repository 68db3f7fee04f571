//! Lane B: pools of LVM, NFS and iSCSI, in emulated hosts whose kernel has them. The tests run themselves there, with the contracts that
//! every kind of pool keeps to: of the crate, and of a daemon.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failing helper fails its test; the console is how the emulated host reports"
)]

#[allow(dead_code, reason = "the kinds of this machine use all of it")]
#[path = "../../../host/storage/tests/lane/bed.rs"]
mod bed;
#[path = "../../../host/storage/tests/lane/contract.rs"]
mod contract;
mod daemon;
#[path = "../storage/contract.rs"]
mod daemon_contract;
mod inside;
#[allow(dead_code, reason = "the tests of this machine use all of it")]
#[path = "../storage/lab.rs"]
mod lab;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reeve_tests::{Debian, EmulatedHost, Guest};

const INIT: &str = include_str!("../../fixtures/lane-b/pools-init");
/// Set in the emulated host.
const INSIDE: &str = "REEVE_INSIDE";
const MODULES: [&str; 11] = [
    "loop",
    "dm-mod",
    "dm-snapshot",
    "nfsd",
    "nfsv4",
    "sd_mod",
    "iscsi_tcp",
    "target_core_mod",
    "target_core_file",
    "iscsi_target_mod",
    "configfs",
];
const PACKAGES: [&str; 11] = [
    "lvm2",
    "libdevmapper1.02.1",
    "libdevmapper-event1.02.1",
    "libaio1",
    "nfs-common",
    "nfs-kernel-server",
    "libtirpc3",
    "libwrap0",
    "open-iscsi",
    "libopeniscsiusr",
    "libisns0",
];
/// What an NFS server needs to be asked what it exports.
const RPC: [&str; 4] = ["rpcbind", "libtirpc-common", "libtirpc3", "libwrap0"];
/// Programs of the packages.
const PROGRAMS: [&str; 8] = [
    "sbin/lvm",
    "sbin/mount.nfs",
    "sbin/showmount",
    "usr/sbin/rpc.mountd",
    "usr/sbin/rpc.nfsd",
    "usr/sbin/exportfs",
    "sbin/iscsid",
    "sbin/iscsiadm",
];
/// Programs of this machine.
const OWN: [&str; 2] = ["usr/sbin/losetup", "usr/sbin/blkid"];
/// How long a whole host may take. About 60 and 150 seconds on an idle machine.
const HOST_PATIENCE: Duration = Duration::from_secs(600);
/// How long an effect that nobody waits for may take there.
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = anyhow::Result<()>;

/// Packages are unpacked by one test at a time.
static UNPACKING: Mutex<()> = Mutex::new(());

/// A host that runs one of these tests itself.
fn host(test: &str) -> anyhow::Result<EmulatedHost> {
    let unpacking = UNPACKING.lock().unwrap_or_else(PoisonError::into_inner);
    let debian = Debian::obtain()?;
    let root = debian.packages("pools", &PACKAGES)?;
    let mut host = EmulatedHost::new(&debian, INIT)?;
    host.modules(&debian, &debian.modules(&MODULES)?)?;
    for name in PROGRAMS {
        host.program(name, &root.join(name), &root)?;
    }
    let rpc = debian.packages("rpc", &RPC)?;
    drop(unpacking);
    host.program("sbin/rpcbind", &rpc.join("sbin/rpcbind"), &rpc)?;
    host.file("etc/netconfig", &std::fs::read(rpc.join("etc/netconfig"))?);
    for name in OWN {
        host.program(name, &Path::new("/").join(name), Path::new("/"))?;
    }
    host.built("bin/suite", &std::env::current_exe()?)?;
    host.file("test", test.as_bytes());
    host.file("guest/reeve-guest.elf", &std::fs::read(Guest::locate()?.kernel())?);
    Ok(host)
}

/// Runs a test in a host of its own, and looks for its effects on the console.
fn in_a_host(test: &str, effects: &[&str]) -> Outcome {
    let host = match host(test) {
        Ok(host) => host,
        Err(error) => {
            println!("SKIP B {test}: {error:#}");
            return Ok(());
        }
    };
    let console = host.run(HOST_PATIENCE)?;
    for effect in effects {
        assert!(console.lines().any(|line| line.ends_with(effect)), "'{effect}' is not in:\n{console}");
    }
    Ok(())
}

#[test]
fn pools_of_an_emulated_host() -> Outcome {
    if std::env::var_os(INSIDE).is_some() {
        inside::all();
        return Ok(());
    }
    let effects = [
        "inside: logical keeps to the contract",
        "inside: snapshots, leftovers and what is in use are as LVM has them",
        "inside: netfs keeps to the contract",
        "inside: scsi has the units of its adapter",
        "inside: iscsi has the units of its target",
        "host: done",
    ];
    in_a_host("pools_of_an_emulated_host", &effects)
}

#[test]
fn pools_of_a_daemon_in_an_emulated_host() -> Outcome {
    if std::env::var_os(INSIDE).is_some() {
        return daemon::all();
    }
    let effects = [
        "daemon: netfs keeps to the contract",
        "daemon: logical keeps to the contract",
        "daemon: iscsi has the units of its target",
        "daemon: a target knows the host by its secret",
        "daemon: what pools could be made of is found",
        "daemon: what is killed leaves nothing half done",
        "daemon: what is full says so",
        "daemon: a guest runs on a logical volume",
        "host: done",
    ];
    in_a_host("pools_of_a_daemon_in_an_emulated_host", &effects)
}
