//! Lane B: pools of LVM, NFS and iSCSI, in an emulated host whose kernel has them. The test runs itself there, with the contract that every
//! kind of pool keeps to.
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
mod inside;

use std::path::Path;
use std::time::Duration;

use reeve_tests::{Debian, EmulatedHost};

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
/// Programs of the packages.
const PROGRAMS: [&str; 7] = [
    "sbin/lvm",
    "sbin/mount.nfs",
    "usr/sbin/rpc.mountd",
    "usr/sbin/rpc.nfsd",
    "usr/sbin/exportfs",
    "sbin/iscsid",
    "sbin/iscsiadm",
];
/// Programs of this machine.
const OWN: [&str; 2] = ["usr/sbin/losetup", "usr/sbin/blkid"];
/// About 60 seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(400);

fn host() -> anyhow::Result<EmulatedHost> {
    let debian = Debian::obtain()?;
    let root = debian.packages("pools", &PACKAGES)?;
    let mut host = EmulatedHost::new(&debian, INIT)?;
    host.modules(&debian, &debian.modules(&MODULES)?)?;
    for name in PROGRAMS {
        host.program(name, &root.join(name), &root)?;
    }
    for name in OWN {
        host.program(name, &Path::new("/").join(name), Path::new("/"))?;
    }
    host.program("bin/suite", &std::env::current_exe()?, Path::new("/"))?;
    Ok(host)
}

#[test]
fn pools_of_an_emulated_host() -> anyhow::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        inside::all();
        return Ok(());
    }
    let host = match host() {
        Ok(host) => host,
        Err(error) => {
            println!("SKIP B pools_of_an_emulated_host: {error:#}");
            return Ok(());
        }
    };
    let console = host.run(PATIENCE)?;
    for effect in [
        "inside: logical keeps to the contract",
        "inside: snapshots, leftovers and what is in use are as LVM has them",
        "inside: netfs keeps to the contract",
        "inside: iscsi has the units of its target",
        "host: done",
    ] {
        assert!(console.lines().any(|line| line.ends_with(effect)), "'{effect}' is not in:\n{console}");
    }
    Ok(())
}
