//! DHCP for an interface of the host, by the client that is installed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reeve_sys::link::LinkName;
use reeve_sys::process::{Exit, Process, Program};
use reeve_sys::procfs;

use super::subject;
use crate::{Host, NetworkError};

/// How long a client may take to get an address.
const PATIENCE: Duration = Duration::from_secs(30);

const DHCLIENT: &str = "/usr/sbin/dhclient";
const UDHCPC: &str = "/usr/sbin/udhcpc";

/// Starts a client, which stays and renews, and waits for its first address.
pub(super) fn start(host: &Host, link: &LinkName, six: bool) -> Result<(), NetworkError> {
    let refused = |reason: String| NetworkError::Unsupported { subject: subject(link.as_str()), reason };
    let (program, mut args): (_, Vec<OsString>) = if Path::new(DHCLIENT).exists() {
        let leases = host.state_directory()?.join(format!("dhclient-{link}.leases"));
        let family = if six { "-6" } else { "-4" };
        (DHCLIENT, vec![family.into(), "-1".into(), "-lf".into(), leases.into(), "-pf".into()])
    } else if Path::new(UDHCPC).exists() && !six {
        (UDHCPC, vec!["-n".into(), "-t".into(), "8".into(), "-i".into(), link.as_str().into(), "-p".into()])
    } else {
        let reason = "DHCP needs the Debian package isc-dhcp-client, or udhcpc for IPv4";
        return Err(refused(reason.to_owned()));
    };
    args.push(pid_file(host, link)?.into());
    if program == DHCLIENT {
        args.push(link.as_str().into());
    }
    stop(host, link)?;
    let process = Process::spawn(&Program {
        path: Path::new(program),
        args: args.iter().map(OsString::as_os_str).collect(),
        stderr: None,
        fds: Vec::new(),
    })?;
    let ended = process.wait(PATIENCE);
    if !ended {
        process.kill();
        process.wait(PATIENCE);
    }
    match process.reap() {
        Some(Exit::Status(0)) if ended => Ok(()),
        _ => Err(NetworkError::Conflict {
            subject: subject(link.as_str()),
            reason: "nobody gave it an address by DHCP".to_owned(),
        }),
    }
}

/// Whether a client of ours looks after a link: true for IPv6, none when there is no client.
pub(super) fn client(host: &Host, link: &LinkName) -> Result<Option<bool>, NetworkError> {
    let found = find(&pid_file(host, link)?);
    Ok(found.map(|(_, arguments)| arguments.split(|byte| *byte == 0).any(|argument| argument == b"-6")))
}

/// Ends the client of a link, if it has one.
pub(super) fn stop(host: &Host, link: &LinkName) -> Result<(), NetworkError> {
    let path = pid_file(host, link)?;
    if let Some((process, _)) = find(&path) {
        process.kill();
        process.wait(PATIENCE);
    }
    // What is not there need not be removed.
    let _ = std::fs::remove_file(path);
    Ok(())
}

/// The client that a file names, with its arguments.
fn find(path: &Path) -> Option<(Process, Vec<u8>)> {
    let pid = std::fs::read_to_string(path).ok()?.trim().parse::<u32>().ok()?;
    let process = Process::find(pid, procfs::stat(pid)?.start_time)?;
    let arguments = std::fs::read(format!("/proc/{}/cmdline", process.pid())).unwrap_or_default();
    let ours: &OsStr = path.as_os_str();
    // The number may be another program's by now.
    let is_it = arguments.split(|byte| *byte == 0).any(|argument| argument == ours.as_bytes());
    is_it.then_some((process, arguments))
}

fn pid_file(host: &Host, link: &LinkName) -> Result<PathBuf, NetworkError> {
    Ok(host.run_directory()?.join(format!("dhcp-{link}.pid")))
}
