//! What is done in the emulated host with a real daemon there, on the command line.

mod chap;
mod full;
mod guest;
mod killed;
mod sources;
mod units;

use crate::daemon_contract::{Kind, MIB, walk};
use crate::lab::Lab;
use crate::{Outcome, bed};

/// Directory that the host's NFS server exports.
const EXPORT: &str = "/export";

pub fn all() -> Outcome {
    let mut lab = Lab::start()?;
    println!("daemon: is ready");
    let path = lab.images().display().to_string();
    walk(&mut lab, &Kind { source: &netfs(&path), formats: false, grain: 1, alone: true })?;
    assert_eq!(std::fs::read_dir(EXPORT)?.count(), 0, "something is left on the server");
    println!("daemon: netfs keeps to the contract");
    let device = bed::Loop::new(96 * MIB);
    walk(&mut lab, &Kind { source: &logical(&device.device), formats: true, grain: 4 * MIB, alone: true })?;
    println!("daemon: logical keeps to the contract");
    drop(device);
    units::iscsi(&mut lab)?;
    println!("daemon: iscsi has the units of its target");
    chap::refused_and_taken(&mut lab)?;
    println!("daemon: a target knows the host by its secret");
    sources::found(&mut lab)?;
    println!("daemon: what pools could be made of is found");
    killed::all(&mut lab)?;
    println!("daemon: what is killed leaves nothing half done");
    full::all(&lab)?;
    println!("daemon: what is full says so");
    guest::on_a_logical_volume(&mut lab)?;
    println!("daemon: a guest runs on a logical volume");
    Ok(())
}

/// A pool on the NFS server, for `pool define-as lab`.
fn netfs(path: &str) -> [&str; 9] {
    [
        "netfs",
        "--source-host",
        "127.0.0.1",
        "--source-path",
        EXPORT,
        "--source-format",
        "nfs",
        "--target",
        path,
    ]
}

/// A pool that is volume group `lab`, likewise.
fn logical(device: &str) -> [&str; 5] {
    ["logical", "--source-dev", device, "--target", "/dev/lab"]
}

/// Defines, builds and starts a pool.
fn bring_up(lab: &Lab, source: &[&str]) -> Outcome {
    lab.reeve(&[&["pool", "define-as", "lab"], source].concat())?.ok();
    lab.reeve(&["pool", "build", "lab"])?.ok();
    lab.reeve(&["pool", "start", "lab"])?.ok();
    Ok(())
}

/// Stops a pool and removes it with its source.
fn take_down(lab: &Lab) -> Outcome {
    for verb in ["destroy", "delete", "undefine"] {
        lab.reeve(&["pool", verb, "lab"])?.ok();
    }
    Ok(())
}
