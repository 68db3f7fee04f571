//! A target of an iSCSI server that the host logs in to; its units are the volumes (guide 12.5). They are made and removed on the server.
//!
//! `iscsiadm` talks to the initiator's daemon. Which units there are the kernel says, under `/sys/class/iscsi_session`.

mod chap;
mod session;
mod units;

use std::time::{Duration, Instant};

use reeve_model::secret::SecretValue;
use reeve_model::storage::{BuildMode, PoolConfig};
use reeve_sys::process::{Exit, Run};

use self::chap::Chap;
use self::units::Units;
use crate::StorageError;
use crate::pool::{Pool, Volumes, subject};
use crate::program;

/// A server that does not answer is given up after that: longer than the initiator itself tries.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long the units of a target that answered may take to appear.
const APPEARING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
const PORT: u16 = 3260;

/// What `iscsiadm` says of a session that is there already, of what is not there, and of a login that was refused (iscsiadm(8)).
const SESSION_EXISTS: i32 = 15;
const NO_OBJECTS: i32 = 21;
const LOGIN_REFUSED: i32 = 24;

/// A target and where it is.
#[derive(Debug, Clone)]
pub(crate) struct IscsiPool {
    pool: String,
    target: String,
    /// `host:port`.
    portal: String,
    /// Directory of stable names of devices.
    directory: Option<String>,
    /// How the host proves to the target who it is, if it does.
    chap: Option<Chap>,
}

impl IscsiPool {
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, StorageError> {
        let subject = subject(&config.name);
        let chap = Chap::of(config)?;
        if config.source.initiator.is_some() {
            let reason = "the host logs in by its own name, which /etc/iscsi/initiatorname.iscsi has; leave <initiator> out";
            return Err(StorageError::unsupported(subject, reason));
        }
        program::find("iscsiadm", &subject)?;
        let host = config.source.hosts.first();
        let name = host.map(|host| host.name.as_str()).unwrap_or_default();
        let port = host.and_then(|host| host.port).unwrap_or(PORT);
        let portal = match name.contains(':') && !name.starts_with('[') {
            true => format!("[{name}]:{port}"),
            false => format!("{name}:{port}"),
        };
        Ok(Self {
            pool: config.name.clone(),
            target: config.source.device().unwrap_or_default().to_owned(),
            portal,
            directory: config.target.path.clone(),
            chap,
        })
    }

    fn subject(&self) -> String {
        subject(&self.pool)
    }

    /// Runs `iscsiadm`; none where it fails with a status that is none of a failure here.
    fn iscsiadm(&self, args: &[&str], fine: &[i32]) -> Result<Option<Vec<u8>>, StorageError> {
        let subject = self.subject();
        let path = program::find("iscsiadm", &subject)?;
        let args = args.iter().map(std::ffi::OsStr::new).collect();
        let finished =
            Run { path: &path, args, input: &[], deadline: PATIENCE, output_limit: 1 << 20 }.finish()?;
        match finished.exit {
            Exit::Status(0) => Ok(Some(finished.stdout)),
            Exit::Status(status) if fine.contains(&status) => Ok(None),
            _ => {
                let complaint = finished.first_line();
                Err(StorageError::Program { subject, program: "iscsiadm", complaint })
            }
        }
    }

    /// True unless it fails with a status that is none of a failure here.
    fn node(&self, operation: &str, fine: &[i32]) -> Result<bool, StorageError> {
        let args = ["--mode", "node", "--targetname", &self.target, "--portal", &self.portal, operation];
        self.iscsiadm(&args, fine).map(|printed| printed.is_some())
    }

    /// Logs in to a target that is known to the initiator.
    fn login(&self, secret: Option<&SecretValue>) -> Result<(), StorageError> {
        let subject = self.subject();
        let told = match (&self.chap, secret) {
            (None, _) => None,
            (Some(_), None) => {
                let reason = "the value of the secret that its <auth> names is not known";
                return Err(StorageError::conflict(subject, reason));
            }
            (Some(chap), Some(secret)) => {
                chap.refuse_odd(secret, &self.pool)?;
                let told = chap.forget(&self.target).and_then(|()| chap.tell(secret, &self.target));
                Some(told.map_err(StorageError::file("iscsiadm", "given the secret"))?)
            }
        };
        let done = self.node("--login", &[SESSION_EXISTS, LOGIN_REFUSED]);
        drop(told);
        if !self.sessions()?.is_empty() && done.is_ok() {
            return Ok(());
        }
        // A session that the initiator goes on to try is none that somebody asked for.
        if let Err(left) = self.stop() {
            tracing::warn!("{left}");
        }
        done?;
        let target = &self.target;
        let reason = match &self.chap {
            Some(Chap { username }) => format!(
                "target '{target}' refuses user '{username}' with the value of that secret; set the one that the server \
                 has with 'reeve secret set-value'"
            ),
            None => format!(
                "target '{target}' refuses this host; where it asks for a name and password, add \
                 <auth type='chap' username='…'><secret usage='…'/></auth>"
            ),
        };
        Err(StorageError::conflict(subject, reason))
    }

    fn start_as(&self, secret: Option<&SecretValue>) -> Result<Box<dyn Volumes>, StorageError> {
        match self.sessions()?.is_empty() {
            true => {
                self.discover()?;
                self.login(secret)?;
            }
            false => {
                if let Some(Err(error)) = self.chap.as_ref().map(|chap| chap.forget(&self.target)) {
                    tracing::warn!(pool = self.pool, %error, "the initiator's records could not be looked at");
                }
            }
        }
        let units = Units { pool: self.clone() };
        let deadline = Instant::now() + APPEARING;
        while units.found()?.is_empty() && Instant::now() < deadline {
            std::thread::park_timeout(PAUSE);
        }
        Ok(Box::new(units))
    }

    /// Makes the initiator know the target; fails where the server does not offer it.
    fn discover(&self) -> Result<(), StorageError> {
        let args = ["--mode", "discovery", "--type", "sendtargets", "--portal", &self.portal];
        let printed = self.iscsiadm(&args, &[NO_OBJECTS])?.unwrap_or_default();
        let offered = session::discovered(&printed);
        if offered.contains(&self.target) {
            return Ok(());
        }
        let others = match offered.is_empty() {
            true => "it offers none to this host".to_owned(),
            false => format!("it offers {}", offered.join(", ")),
        };
        let reason = format!("'{}' has no target '{}'; {others}", self.portal, self.target);
        Err(StorageError::conflict(self.subject(), reason))
    }

    /// Numbers of the sessions with the target.
    fn sessions(&self) -> Result<Vec<u32>, StorageError> {
        session::of(&self.target).map_err(StorageError::file("/sys/class/iscsi_session", "listed"))
    }
}

impl Pool for IscsiPool {
    fn build(&self, mode: BuildMode) -> Result<(), StorageError> {
        match mode {
            BuildMode::Keep => Ok(()),
            _ => {
                let reason =
                    "a pool of type 'iscsi' formats nothing; leave --overwrite and --no-overwrite out";
                Err(StorageError::invalid(self.subject(), reason))
            }
        }
    }

    fn start(&self) -> Result<Box<dyn Volumes>, StorageError> {
        self.start_as(None)
    }

    fn start_with(&self, secret: &SecretValue) -> Result<Box<dyn Volumes>, StorageError> {
        self.start_as(Some(secret))
    }

    fn stop(&self) -> Result<(), StorageError> {
        match self.sessions()?.is_empty() {
            true => Ok(()),
            false => self.node("--logout", &[NO_OBJECTS]).map(drop),
        }
    }

    fn delete(&self) -> Result<(), StorageError> {
        let reason = format!("target '{}' belongs to its server; remove it there", self.target);
        Err(StorageError::unsupported(self.subject(), reason))
    }
}
