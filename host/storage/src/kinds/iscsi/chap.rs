//! CHAP: the host proves to a target who it is, by a name and a secret (RFC 7143, 12.1.3).
//!
//! The initiator takes both from its record of the target, a file of root's, or of the server where that wants to know who asks for targets. They are in it while the host logs in and no longer: after
//! that the kernel has them, and the initiator's daemon asks the kernel when it is started anew. So no command line has the secret, and
//! nothing keeps it on the disk beside the host's own store.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use reeve_model::secret::SecretValue;
use reeve_model::storage::PoolConfig;
use zeroize::Zeroizing;

use crate::StorageError;
use crate::pool::subject;

/// Where the initiator keeps records, by its version.
const PLACES: [&str; 2] = ["/etc/iscsi", "/var/lib/iscsi"];
/// The most bytes of a record, and records of a target, that are looked at.
const RECORD: u64 = 64 << 10;
const RECORDS: usize = 64;
/// The longest name or value that the initiator takes.
const LONGEST: usize = 255;

/// What a record is of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner<'a> {
    /// A target, by its name.
    Target(&'a str),
    /// A server, by the name of its record.
    Server(&'a str),
}

/// Names of the lines of a record that say who the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lines {
    method: &'static str,
    username: &'static str,
    password: &'static str,
}

const OF_TARGET: Lines = Lines {
    method: "node.session.auth.authmethod",
    username: "node.session.auth.username",
    password: "node.session.auth.password",
};
const OF_SERVER: Lines = Lines {
    method: "discovery.sendtargets.auth.authmethod",
    username: "discovery.sendtargets.auth.username",
    password: "discovery.sendtargets.auth.password",
};

impl Owner<'_> {
    fn lines(self) -> Lines {
        match self {
            Self::Target(_) => OF_TARGET,
            Self::Server(_) => OF_SERVER,
        }
    }

    /// Whether the initiator has a record of it.
    pub(super) fn is_recorded(self) -> bool {
        self.records(&PLACES.map(PathBuf::from)).is_ok_and(|records| !records.is_empty())
    }

    /// Its records: of a target a file an interface, in a directory a portal; of a server one file.
    fn records(self, places: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for place in places {
            match self {
                Self::Target(name) => {
                    for portal in entries(&place.join("nodes").join(name))? {
                        found.extend(entries(&portal)?);
                    }
                }
                Self::Server(name) => {
                    let path = place.join("send_targets").join(name).join("st_config");
                    found.extend(path.symlink_metadata().is_ok().then_some(path));
                }
            }
        }
        found.truncate(RECORDS);
        Ok(found)
    }
}

impl std::fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Target(name) | Self::Server(name)) = self;
        f.write_str(name)
    }
}

/// The name that the host logs in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chap {
    pub(super) username: String,
}

impl Chap {
    /// What a document asks for, if it does.
    pub(super) fn of(config: &PoolConfig) -> Result<Option<Self>, StorageError> {
        let Some(auth) = &config.source.auth else { return Ok(None) };
        let invalid = |reason: String| Err(StorageError::invalid(subject(&config.name), reason));
        if auth.kind != "chap" {
            return invalid(format!(
                "an iSCSI target knows no <auth type='{}'>; write type='chap'",
                auth.kind
            ));
        }
        let chap = Self::new(auth.username.as_deref().unwrap_or_default(), &subject(&config.name))?;
        match auth.secret.as_ref().is_some_and(|secret| secret.uuid.is_some() || secret.usage.is_some()) {
            true => Ok(Some(chap)),
            false => invalid(
                "its <auth> names no secret; define one of usage 'iscsi', and name it by <secret usage='…'/>"
                    .to_owned(),
            ),
        }
    }

    /// A name that the initiator can take as it is.
    pub(super) fn new(username: &str, subject: &str) -> Result<Self, StorageError> {
        match is_word(username.as_bytes()) {
            true => Ok(Self { username: username.to_owned() }),
            false => {
                let reason = format!("a username of CHAP has 1 to {LONGEST} visible ASCII characters");
                Err(StorageError::invalid(subject, reason))
            }
        }
    }

    /// Fails for a value that the initiator could not take as it is.
    pub(super) fn refuse_odd(&self, secret: &SecretValue, subject: &str) -> Result<(), StorageError> {
        match is_word(secret.expose()) {
            true => Ok(()),
            false => {
                let reason = format!(
                    "the value of its secret can't be one of CHAP, which has up to {LONGEST} visible ASCII characters \
                     and no space or line break; set another with 'reeve secret set-value'"
                );
                Err(StorageError::invalid(subject, reason))
            }
        }
    }

    /// Takes what a daemon that was killed has left out of the records.
    pub(super) fn forget(&self, owner: Owner<'_>) -> io::Result<()> {
        let lines = owner.lines();
        for path in owner.records(&PLACES.map(PathBuf::from))? {
            let record = Record::open(path)?;
            if value(&record.before, lines.username) == Some(self.username.as_str()) {
                record.write(&without(&record.before, lines))?;
            }
        }
        Ok(())
    }

    /// Puts name and secret into the records until what is given is dropped.
    pub(super) fn tell(&self, secret: &SecretValue, owner: Owner<'_>) -> io::Result<Told> {
        self.tell_in(&PLACES.map(PathBuf::from), secret, owner)
    }

    fn tell_in(&self, places: &[PathBuf], secret: &SecretValue, owner: Owner<'_>) -> io::Result<Told> {
        let mut told = Told(Vec::new());
        for path in owner.records(places)? {
            let record = Record::open(path)?;
            let with = self.with(&record.before, secret, owner.lines());
            // Kept first: what fails in the middle is taken back too.
            told.0.push(record);
            if let Some(record) = told.0.last() {
                record.write(&with)?;
            }
        }
        match told.0.is_empty() {
            true => Err(io::Error::new(ErrorKind::NotFound, format!("it has no record of '{owner}'"))),
            false => Ok(told),
        }
    }

    fn with(&self, record: &str, secret: &SecretValue, lines: Lines) -> Zeroizing<Vec<u8>> {
        let Lines { method, username, password } = lines;
        let name = format!("{method} = CHAP\n{username} = {}\n{password} = ", self.username);
        let others = without(record, lines);
        // At its full size at once, so that no shorter copy stays in memory.
        let mut text =
            Zeroizing::new(Vec::with_capacity(others.len() + name.len() + secret.expose().len() + 1));
        text.extend_from_slice(&others);
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(secret.expose());
        text.push(b'\n');
        text
    }
}

/// What can be the value of a line as it is.
fn is_word(bytes: &[u8]) -> bool {
    (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// Records that hold a name and a secret; dropped, they hold what they did before.
#[derive(Debug)]
pub(super) struct Told(Vec<Record>);

impl Drop for Told {
    fn drop(&mut self) {
        for record in &self.0 {
            if let Err(error) = record.write(record.before.as_bytes()) {
                tracing::warn!(path = %record.path.display(), %error, "the initiator's record could not be put back");
            }
        }
    }
}

/// One file of the initiator.
struct Record {
    path: PathBuf,
    file: File,
    before: Zeroizing<String>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What it holds may be a secret.
        f.debug_struct("Record").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Record {
    fn open(path: PathBuf) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let file =
            File::options().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(&path)?;
        let mut before = Zeroizing::new(String::with_capacity(RECORD as usize));
        let length = (&file).take(RECORD).read_to_string(&mut before)?;
        if !file.metadata()?.is_file() || length as u64 == RECORD {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is no record of the initiator"));
        }
        Ok(Self { path, file, before })
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(0o600))?;
        self.file.write_all_at(text, 0)?;
        self.file.set_len(text.len() as u64)
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        entries => Ok(entries?.take(RECORDS).flatten().map(|entry| entry.path()).collect()),
    }
}

/// Name and value of a line.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    Some((name.trim(), value.trim()))
}

fn value<'a>(record: &'a str, wanted: &str) -> Option<&'a str> {
    record.lines().filter_map(setting).find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// A record without name and secret.
fn without(record: &str, lines: Lines) -> Zeroizing<Vec<u8>> {
    let Lines { method, username, password } = lines;
    let is_other =
        |line: &&str| !setting(line).is_some_and(|(name, _)| [method, username, password].contains(&name));
    let mut text = Zeroizing::new(Vec::with_capacity(record.len() + 1));
    for line in record.lines().filter(is_other) {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "iqn.2010-05.com.example:lab";
    const RECORD: &str = "# BEGIN RECORD 2.1.8\nnode.name = iqn.2010-05.com.example:lab\n\
                          node.session.auth.authmethod = None\nnode.session.auth.chap_algs = MD5\n# END RECORD\n";

    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let portal = place.path().join("nodes").join(TARGET).join("127.0.0.1,3260,1");
        std::fs::create_dir_all(&portal).unwrap();
        let record = portal.join("default");
        std::fs::write(&record, RECORD).unwrap();
        std::fs::set_permissions(&record, Permissions::from_mode(0o644)).unwrap();
        (place, record)
    }

    #[test]
    fn a_record_has_the_secret_while_it_is_needed() {
        let (place, record) = place();
        let chap = Chap { username: "me".to_owned() };
        let secret = SecretValue::new(b"p#a=ss\\word".to_vec()).unwrap();
        let told = chap.tell_in(&[place.path().to_owned()], &secret, Owner::Target(TARGET)).unwrap();
        let text = std::fs::read_to_string(&record).unwrap();
        assert_eq!(std::fs::metadata(&record).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            (value(&text, OF_TARGET.method), value(&text, OF_TARGET.username)),
            (Some("CHAP"), Some("me"))
        );
        assert_eq!(
            (value(&text, OF_TARGET.password), text.matches(OF_TARGET.method).count()),
            (Some("p#a=ss\\word"), 1)
        );
        assert_eq!(value(&text, "node.session.auth.chap_algs"), Some("MD5"));
        assert!(!format!("{told:?}").contains("p#a"), "{told:?}");
        drop(told);
        assert_eq!(std::fs::read_to_string(&record).unwrap(), RECORD);
        let error =
            chap.tell_in(&[place.path().to_owned()], &secret, Owner::Target("iqn.other")).unwrap_err();
        assert!(error.to_string().contains("no record of 'iqn.other'"), "{error}");
    }

    #[test]
    fn a_link_in_the_place_of_a_record_is_refused() {
        let (place, record) = place();
        let elsewhere = place.path().join("elsewhere");
        std::fs::rename(&record, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &record).unwrap();
        let secret = SecretValue::new(b"secret".to_vec()).unwrap();
        let chap = Chap { username: "me".to_owned() };
        chap.tell_in(&[place.path().to_owned()], &secret, Owner::Target(TARGET)).unwrap_err();
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), RECORD);
    }

    #[test]
    fn a_server_is_told_in_its_own_record() {
        let (place, target) = place();
        let server = place.path().join("send_targets/127.0.0.1,3260");
        std::fs::create_dir_all(&server).unwrap();
        let config = server.join("st_config");
        let before = "discovery.startup = manual\ndiscovery.sendtargets.auth.authmethod = None\n";
        std::fs::write(&config, before).unwrap();
        let secret = SecretValue::new(b"hush".to_vec()).unwrap();
        let chap = Chap { username: "me".to_owned() };
        let places = [place.path().to_owned()];
        let told = chap.tell_in(&places, &secret, Owner::Server("127.0.0.1,3260")).unwrap();
        let text = std::fs::read_to_string(&config).unwrap();
        assert_eq!(
            (value(&text, OF_SERVER.method), value(&text, OF_SERVER.password)),
            (Some("CHAP"), Some("hush"))
        );
        assert_eq!(std::fs::read_to_string(&target).unwrap(), RECORD);
        drop(told);
        assert_eq!(std::fs::read_to_string(&config).unwrap(), before);
        chap.tell_in(&places, &secret, Owner::Server("127.0.0.1,3261")).unwrap_err();
    }

    #[test]
    fn what_is_left_of_one_goes() {
        let chap = Chap { username: "me".to_owned() };
        let secret = SecretValue::new(b"hush".to_vec()).unwrap();
        let text = String::from_utf8(chap.with(RECORD, &secret, OF_TARGET).to_vec()).unwrap();
        let text = String::from_utf8(without(&text, OF_TARGET).to_vec()).unwrap();
        assert_eq!(text, RECORD.replace("node.session.auth.authmethod = None\n", ""));
    }

    #[test]
    fn values_that_would_be_lines_of_their_own_are_refused() {
        let chap = Chap { username: "me".to_owned() };
        for value in ["a b", "a\nnode.name = x", "ä", &"x".repeat(256)] {
            let secret = SecretValue::new(value.as_bytes().to_vec()).unwrap();
            let error = chap.refuse_odd(&secret, "a").unwrap_err().to_string();
            assert!(error.contains("can't be one of CHAP") && !error.contains(value), "{error}");
        }
        chap.refuse_odd(&SecretValue::new(b"x".repeat(255)).unwrap(), "a").unwrap();
    }
}
