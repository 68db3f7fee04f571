//! A target of an iSCSI server that the host logs in to; its units are the volumes (guide 12.5). They are made and removed on the server.
//!
//! `iscsiadm` talks to the initiator's daemon. Which units there are the kernel says, under `/sys/class/iscsi_session`.

mod chap;
mod portal;
mod session;

use std::time::{Duration, Instant};

use reeve_model::secret::SecretValue;
use reeve_model::storage::{BuildMode, FoundSource, PoolConfig, SourceHost, SourceLookup};

use self::chap::{Chap, Owner};
use self::portal::{Keep, LOGIN_REFUSED, NO_OBJECTS, Portal, SESSION_EXISTS, iscsiadm};
use super::units::{Source, Unit, Units};
use crate::StorageError;
use crate::pool::{Pool, Volumes, subject};
use crate::program;

/// How long the units of a target that answered may take to appear.
const APPEARING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// The targets that a server offers to this host. Where it wants to know who asks, it is told by that name and secret.
pub(crate) fn sources(
    lookup: &SourceLookup,
    secret: Option<&SecretValue>,
    subject: &str,
) -> Result<Vec<FoundSource>, StorageError> {
    refuse_initiator(lookup.initiator.as_deref(), subject)?;
    let host = SourceHost { name: lookup.host.clone().unwrap_or_default(), port: lookup.port };
    let chap = lookup.username.as_deref().map(|username| Chap::new(username, subject)).transpose()?;
    let known = chap.as_ref().zip(secret);
    let offered = Portal::of(&host).discover(known, Keep::Nothing, subject)?;
    let source =
        |path| FoundSource { path, format: None, size: None, host: Some(host.clone()), devices: Vec::new() };
    Ok(offered.into_iter().map(source).collect())
}

fn refuse_initiator(initiator: Option<&str>, subject: &str) -> Result<(), StorageError> {
    match initiator {
        None => Ok(()),
        Some(_) => {
            let reason = "the host logs in by its own name, which /etc/iscsi/initiatorname.iscsi has; leave the initiator out";
            Err(StorageError::unsupported(subject, reason))
        }
    }
}

/// A target and where it is.
#[derive(Debug, Clone)]
pub(crate) struct IscsiPool {
    pool: String,
    target: String,
    portal: Portal,
    /// Directory of stable names of devices.
    directory: Option<String>,
    /// How the host proves to the target who it is, if it does.
    chap: Option<Chap>,
}

impl IscsiPool {
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, StorageError> {
        let subject = subject(&config.name);
        let chap = Chap::of(config)?;
        refuse_initiator(config.source.initiator.as_deref(), &subject)?;
        program::find("iscsiadm", &subject)?;
        let none = || SourceHost { name: String::new(), port: None };
        let portal = Portal::of(&config.source.hosts.first().cloned().unwrap_or_else(none));
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

    /// True unless it fails with a status that is none of a failure here.
    fn node(&self, operation: &str, fine: &[i32]) -> Result<bool, StorageError> {
        let portal = self.portal.address();
        let args = ["--mode", "node", "--targetname", &self.target, "--portal", portal, operation];
        iscsiadm(&args, fine, &self.subject()).map(|(status, _)| status == 0)
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
                chap.refuse_odd(secret, &subject)?;
                let owner = Owner::Target(&self.target);
                let told = chap.forget(owner).and_then(|()| chap.tell(secret, owner));
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
                self.discover(secret)?;
                self.login(secret)?;
            }
            false => {
                let left = self.chap.as_ref().map(|chap| {
                    chap.forget(Owner::Target(&self.target)).and_then(|()| chap.forget(self.portal.owner()))
                });
                if let Some(Err(error)) = left {
                    tracing::warn!(pool = self.pool, %error, "the initiator's records could not be looked at");
                }
            }
        }
        let (pool, directory) = (self.pool.clone(), self.directory.clone());
        let units = Units { pool, directory, source: Box::new(self.clone()) };
        let deadline = Instant::now() + APPEARING;
        while units.found()?.is_empty() && Instant::now() < deadline {
            std::thread::park_timeout(PAUSE);
        }
        Ok(Box::new(units))
    }

    /// Makes the initiator know the target; fails where the server does not offer it.
    fn discover(&self, secret: Option<&SecretValue>) -> Result<(), StorageError> {
        let known = self.chap.as_ref().zip(secret);
        let offered = self.portal.discover(known, Keep::Targets, &self.subject())?;
        if offered.contains(&self.target) {
            return Ok(());
        }
        let others = match offered.is_empty() {
            true => "it offers none to this host".to_owned(),
            false => format!("it offers {}", offered.join(", ")),
        };
        let reason = format!("'{}' has no target '{}'; {others}", self.portal.address(), self.target);
        Err(StorageError::conflict(self.subject(), reason))
    }

    /// Numbers of the sessions with the target.
    fn sessions(&self) -> Result<Vec<u32>, StorageError> {
        session::of(&self.target).map_err(StorageError::file("/sys/class/iscsi_session", "listed"))
    }
}

impl Source for IscsiPool {
    /// Several sessions show the same units; the first counts.
    fn units(&self) -> Result<Vec<Unit>, StorageError> {
        let failed = StorageError::file("/sys/class/iscsi_session", "listed");
        match self.sessions()?.into_iter().next() {
            Some(session) => session::units(session).map_err(failed),
            None => Ok(Vec::new()),
        }
    }

    fn rescan(&self) -> Result<(), StorageError> {
        for session in self.sessions()? {
            let session = session.to_string();
            iscsiadm(&["--mode", "session", "--sid", &session, "--rescan"], &[], &self.subject())?;
        }
        Ok(())
    }

    fn not_here(&self, what: &str) -> String {
        format!("units of an iSCSI target are {what} on its server, not here")
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
