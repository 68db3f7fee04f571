//! A server of targets, which tells what it offers (SendTargets, RFC 7143), and the program that asks it.

use std::ffi::OsStr;
use std::time::Duration;

use reeve_model::secret::SecretValue;
use reeve_model::storage::SourceHost;
use reeve_sys::process::{Exit, Run};

use super::chap::{Chap, Owner};
use super::session::discovered;
use crate::{StorageError, program};

/// A server that does not answer is given up after that: longer than the initiator itself tries.
const PATIENCE: Duration = Duration::from_secs(180);
const PORT: u16 = 3260;

/// What `iscsiadm` says of a session that is there already, of what is not there, and of a login that was refused (iscsiadm(8)).
pub(super) const SESSION_EXISTS: i32 = 15;
pub(super) const NO_OBJECTS: i32 = 21;
pub(super) const LOGIN_REFUSED: i32 = 24;

/// What the initiator keeps of what a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The targets, for a login.
    Targets,
    Nothing,
}

/// Where a server is.
#[derive(Debug, Clone)]
pub(super) struct Portal {
    /// `host:port`.
    address: String,
    /// What the initiator calls its record.
    name: String,
}

impl Portal {
    pub(super) fn of(host: &SourceHost) -> Self {
        let port = host.port.unwrap_or(PORT);
        let name = host.name.trim_start_matches('[').trim_end_matches(']');
        let address = match name.contains(':') {
            true => format!("[{name}]:{port}"),
            false => format!("{name}:{port}"),
        };
        Self { address, name: format!("{name},{port}") }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Whose record it is.
    pub(super) fn owner(&self) -> Owner<'_> {
        Owner::Server(&self.name)
    }

    /// Names of the targets that it offers to this host. One that wants to know who asks is told then, and not before.
    pub(super) fn discover(
        &self,
        known: Option<(&Chap, &SecretValue)>,
        keep: Keep,
        subject: &str,
    ) -> Result<Vec<String>, StorageError> {
        let mut args = vec!["--mode", "discovery", "--type", "sendtargets", "--portal", &self.address];
        args.extend(keep.arguments());
        let (status, printed) = iscsiadm(&args, &[NO_OBJECTS, LOGIN_REFUSED], subject)?;
        if status != LOGIN_REFUSED {
            return Ok(discovered(&printed));
        }
        let server = &self.address;
        let Some((chap, secret)) = known else {
            let reason = format!(
                "'{server}' tells this host nothing; where it asks for a name and password, give a username and a secret of usage 'iscsi'"
            );
            return Err(StorageError::conflict(subject, reason));
        };
        chap.refuse_odd(secret, subject)?;
        match self.discover_as(chap, secret, keep, subject)? {
            Some(offered) => Ok(offered),
            None => {
                let reason = format!(
                    "'{server}' refuses user '{}' with the value of that secret; set the one that the server has with \
                     'reeve secret set-value'",
                    chap.username
                );
                Err(StorageError::conflict(subject, reason))
            }
        }
    }

    /// As [`Self::discover`]; none where it is not believed.
    fn discover_as(
        &self,
        chap: &Chap,
        secret: &SecretValue,
        keep: Keep,
        subject: &str,
    ) -> Result<Option<Vec<String>>, StorageError> {
        let owner = self.owner();
        let failed = || StorageError::file("iscsiadm", "given the secret");
        let is_new = !owner.is_recorded();
        if is_new {
            self.record(&["--op", "new"], subject)?;
        }
        let told = chap.forget(owner).and_then(|()| chap.tell(secret, owner)).map_err(failed())?;
        let done = self.record(&[&["--discover"], keep.arguments()].concat(), subject);
        drop(told);
        if is_new && keep == Keep::Nothing {
            self.record(&["--op", "delete"], subject)?;
        }
        let (status, printed) = done?;
        Ok((status != LOGIN_REFUSED).then(|| discovered(&printed)))
    }

    /// Does something to the initiator's record of the server, or by it.
    fn record(&self, what: &[&str], subject: &str) -> Result<(i32, Vec<u8>), StorageError> {
        let args = ["--mode", "discoverydb", "--type", "sendtargets", "--portal", &self.address];
        iscsiadm(&[&args, what].concat(), &[NO_OBJECTS, LOGIN_REFUSED], subject)
    }
}

impl Keep {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Targets => &[],
            Self::Nothing => &["--op", "nonpersistent"],
        }
    }
}

/// Runs `iscsiadm`; its status, and what it printed. One that is neither 0 nor fine here is an error.
pub(super) fn iscsiadm(args: &[&str], fine: &[i32], subject: &str) -> Result<(i32, Vec<u8>), StorageError> {
    let path = program::find("iscsiadm", subject)?;
    let args = args.iter().map(OsStr::new).collect();
    let run = Run { path: &path, args, input: &[], deadline: PATIENCE, output_limit: 1 << 20 };
    let finished = run.finish()?;
    match finished.exit {
        Exit::Status(status) if status == 0 || fine.contains(&status) => Ok((status, finished.stdout)),
        _ => {
            let (subject, complaint) = (subject.to_owned(), finished.first_line());
            Err(StorageError::Program { subject, program: "iscsiadm", complaint })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_name_for_the_initiator_and_one_for_its_records() {
        let portal = |name: &str, port| Portal::of(&SourceHost { name: name.to_owned(), port });
        for (portal, address, record) in [
            (portal("files.example.com", None), "files.example.com:3260", "files.example.com,3260"),
            (portal("10.0.0.1", Some(860)), "10.0.0.1:860", "10.0.0.1,860"),
            (portal("fd00::1", None), "[fd00::1]:3260", "fd00::1,3260"),
            (portal("[fd00::1]", Some(1)), "[fd00::1]:1", "fd00::1,1"),
        ] {
            assert_eq!((portal.address(), portal.name.as_str()), (address, record), "{portal:?}");
        }
    }
}
