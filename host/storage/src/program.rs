//! Programs of the host: where they are, and what blkid tells of a device.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reeve_sys::process::{Exit, Run};

use crate::StorageError;

/// The most that a program may print, in bytes: a report on as many volumes as LVM has.
const OUTPUT: usize = 16 << 20;

/// What a device holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing that is known.
    Nothing,
    /// A file system, partition table, volume group or the like.
    Something(String),
}

/// The program of a name.
pub(crate) fn find(name: &str, subject: &str) -> Result<PathBuf, StorageError> {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists()).ok_or_else(|| {
        StorageError::unsupported(subject, format!("it needs the program '{name}', which is not installed"))
    })
}

/// What blkid finds at the begin of a device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    Nothing,
    FileSystem(String),
    Table(String),
    /// Something else, or several at once.
    Other(String),
}

/// Looks for signatures on a device.
pub(crate) fn look(device: &Path, subject: &str) -> Result<Finding, StorageError> {
    Ok(match signature(device, subject)? {
        Signature::Nothing => Finding::Nothing,
        Signature::FileSystem(what) | Signature::Table(what) | Signature::Other(what) => {
            Finding::Something(what)
        }
    })
}

/// As [`look`], told apart.
pub(crate) fn signature(device: &Path, subject: &str) -> Result<Signature, StorageError> {
    let program = find("blkid", subject)?;
    let mut args: Vec<&OsStr> = ["-p", "-o", "export"].map(OsStr::new).to_vec();
    args.push(device.as_os_str());
    let run =
        Run { path: &program, args, input: &[], deadline: Duration::from_secs(60), output_limit: 64 << 10 };
    let finished = run.finish()?;
    match finished.exit {
        // blkid(8): no signature was found.
        Exit::Status(2) => return Ok(Signature::Nothing),
        Exit::Status(0) => {}
        // Several signatures at once.
        Exit::Status(8) => return Ok(Signature::Other("signatures that contradict each other".to_owned())),
        _ => {
            let complaint = finished.first_line();
            return Err(StorageError::Program { subject: subject.to_owned(), program: "blkid", complaint });
        }
    }
    let text = String::from_utf8_lossy(&finished.stdout).into_owned();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
    Ok(match (value("TYPE="), value("PTTYPE="), value("USAGE=").as_deref()) {
        (Some(kind), _, Some("filesystem")) => Signature::FileSystem(kind),
        (Some(kind), _, _) => Signature::Other(kind),
        (None, Some(table), _) => Signature::Table(table),
        (None, None, _) => Signature::Nothing,
    })
}

/// Runs a program of the host and gives what it printed; its complaint where it refuses.
pub(crate) fn run(
    name: &'static str,
    args: &[&str],
    deadline: Duration,
    subject: &str,
) -> Result<Vec<u8>, StorageError> {
    let path = find(name, subject)?;
    let args = args.iter().map(OsStr::new).collect();
    let finished = Run { path: &path, args, input: &[], deadline, output_limit: OUTPUT }.finish()?;
    match finished.succeeded() {
        true => Ok(finished.stdout),
        false => Err(StorageError::Program {
            subject: subject.to_owned(),
            program: name,
            complaint: finished.first_line(),
        }),
    }
}
