//! What this host knows of migrations, and how it reaches other hosts.

mod under_way;

use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_domain::migration::Witness;
use reeve_model::migration::{
    AddStreams, MigrationHost, MigrationLimits, MigrationPrepared, MigrationReport, MigrationStage,
    PrepareMigration, ResumeMigration, StreamRoute,
};
use reeve_model::{Error, ErrorCode};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Actions;
use crate::peer_address::PeerAddress;
use under_way::OfMigration;
pub(crate) use under_way::{AN_OPERATOR, Beginning, CurrentLimits};

/// Where a guest's stream goes.
#[derive(Debug, Clone)]
pub struct StreamTarget {
    /// The daemon that made ready for it.
    pub daemon: PeerAddress,
    /// Names the migration on both hosts.
    pub migration: Uuid,
    /// How the stream goes.
    pub route: StreamRoute,
    /// Name of the host at which a connection of its own ends.
    pub host: Option<String>,
    /// What the daemon answered.
    pub prepared: MigrationPrepared,
}

/// As many streams of a guest as were asked for, which are to come. Dropped, nobody waits for them any more.
pub type ComingStreams = Pin<Box<dyn Future<Output = io::Result<Vec<OwnedFd>>> + Send>>;

/// Speaks with daemons of other hosts.
#[async_trait]
pub trait PeerPort: Send + Sync {
    /// How the daemon of another host reaches this one; refuses a way that the operator did not switch on.
    fn own_address(&self, other: &PeerAddress, route: &StreamRoute) -> Result<String, Error>;

    /// Has it make ready for a guest.
    async fn prepare(
        &self,
        host: &PeerAddress,
        request: &PrepareMigration,
    ) -> Result<MigrationPrepared, Error>;

    /// How it sees a migration.
    async fn report(&self, host: &PeerAddress, migration: Uuid) -> Result<MigrationReport, Error>;

    /// Has it make ready to go on with post-copy.
    async fn resume(
        &self,
        host: &PeerAddress,
        migration: Uuid,
        request: &ResumeMigration,
    ) -> Result<MigrationPrepared, Error>;

    /// Has it make ready for more streams of a guest that is on its way.
    async fn add_streams(
        &self,
        host: &PeerAddress,
        migration: Uuid,
        request: &AddStreams,
    ) -> Result<MigrationPrepared, Error>;

    /// Opens a stream for a guest.
    async fn connect(&self, target: &StreamTarget) -> Result<OwnedFd, Error>;

    /// Waits at a port for so many streams of a guest that the host `from` sends; the port.
    async fn listen(
        &self,
        route: &StreamRoute,
        from: &str,
        count: u16,
    ) -> Result<(u16, ComingStreams), Error>;
}

/// Reaches nobody.
struct NoPeers;

#[async_trait]
impl PeerPort for NoPeers {
    fn own_address(&self, other: &PeerAddress, _route: &StreamRoute) -> Result<String, Error> {
        Err(unreachable_host(other))
    }

    async fn prepare(
        &self,
        host: &PeerAddress,
        _request: &PrepareMigration,
    ) -> Result<MigrationPrepared, Error> {
        Err(unreachable_host(host))
    }

    async fn report(&self, host: &PeerAddress, _migration: Uuid) -> Result<MigrationReport, Error> {
        Err(unreachable_host(host))
    }

    async fn resume(
        &self,
        host: &PeerAddress,
        _migration: Uuid,
        _request: &ResumeMigration,
    ) -> Result<MigrationPrepared, Error> {
        Err(unreachable_host(host))
    }

    async fn add_streams(
        &self,
        host: &PeerAddress,
        _migration: Uuid,
        _request: &AddStreams,
    ) -> Result<MigrationPrepared, Error> {
        Err(unreachable_host(host))
    }

    async fn connect(&self, target: &StreamTarget) -> Result<OwnedFd, Error> {
        Err(unreachable_host(&target.daemon))
    }

    async fn listen(
        &self,
        _route: &StreamRoute,
        from: &str,
        _count: u16,
    ) -> Result<(u16, ComingStreams), Error> {
        Err(Error::new(ErrorCode::Unsupported, format!("host '{from}' can't be waited for here")))
    }
}

fn unreachable_host(host: &PeerAddress) -> Error {
    Error::new(ErrorCode::Unsupported, format!("the host at '{host}' can't be reached from here"))
}

/// Migrations from and to this host.
pub struct Migrations {
    pub(crate) peers: Arc<dyn PeerPort>,
    /// Where the sockets of guests that are to come are made.
    pub(crate) run: PathBuf,
    /// The kernel's boot id.
    pub(crate) boot_id: String,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    stages: HashMap<Uuid, MigrationStage>,
    /// Limits that were set for a domain, for all its migrations.
    limits: HashMap<Uuid, MigrationLimits>,
    /// Migrations of which no worker knows yet, by the domain that is to leave.
    beginning: HashMap<Uuid, OfMigration<CancellationToken>>,
    /// Limits of the migration of a domain that is under way, with what was asked for that one alone.
    current: HashMap<Uuid, OfMigration<MigrationLimits>>,
    /// Hosts that domains were given to last.
    given: HashMap<Uuid, Given>,
    /// Migrations that are in post-copy, by the domain that leaves.
    leaving: HashMap<Uuid, Uuid>,
    /// Domains that come, by their migration, and the daemon that sends them.
    arriving: HashMap<Uuid, (Uuid, PeerAddress)>,
    /// Names of the hosts that may send guests here, in small letters.
    senders: Vec<String>,
    /// Guests on their way here, by their migration.
    coming: HashMap<Uuid, Coming>,
    /// Most streams that the memory of a guest goes over, from here and to here.
    max_streams: u16,
    /// Streams that come through the API.
    expected: HashMap<Uuid, Expected>,
}

impl Known {
    fn set_stage(&mut self, migration: Uuid, stage: MigrationStage) {
        match stage {
            MigrationStage::Unknown => drop(self.stages.remove(&migration)),
            stage => drop(self.stages.insert(migration, stage)),
        }
    }
}

/// The host that a guest was given to.
struct Given {
    host: PeerAddress,
    when: Instant,
    /// It has said that it has the guest.
    settled: bool,
}

/// A guest on its way here.
#[derive(Clone)]
pub(crate) struct Coming {
    /// The domain.
    pub domain: Uuid,
    /// The daemon that sends it.
    pub source: PeerAddress,
    /// Streams that its memory comes over, those that were asked for included.
    pub streams: u16,
}

/// Streams that come through the API.
struct Expected {
    /// The host that sends them; none is a daemon on this machine.
    from: Option<String>,
    give: mpsc::Sender<OwnedFd>,
    /// How many did not come yet.
    left: u16,
}

/// Most streams of a guest that one host takes or sends where its operator says nothing.
const MAX_STREAMS: u16 = 8;
/// How long it is told what became of a guest that came.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

impl Migrations {
    /// A host that reaches others by `peers`.
    pub fn new(peers: Arc<dyn PeerPort>, run: PathBuf, boot_id: String) -> Self {
        let known = Known { max_streams: MAX_STREAMS, ..Known::default() };
        Self { peers, run, boot_id, known: Arc::new(Mutex::new(known)) }
    }

    /// A host that reaches nobody.
    pub fn alone(run: PathBuf) -> Self {
        Self::new(Arc::new(NoPeers), run, String::new())
    }

    /// The hosts that may send guests here, by names that their certificates are for.
    pub fn set_senders(&self, names: &[String]) {
        self.lock().senders = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    }

    /// Most streams that the memory of one guest goes over, from here and to here.
    pub fn set_max_streams(&self, most: u16) {
        self.lock().max_streams = most;
    }

    pub(crate) fn max_streams(&self) -> u16 {
        self.lock().max_streams
    }

    /// The guest that comes by a migration.
    pub(crate) fn coming(&self, migration: Uuid) -> Option<Coming> {
        self.lock().coming.get(&migration).cloned()
    }

    pub(crate) fn set_coming(&self, migration: Uuid, coming: Option<Coming>) {
        match coming {
            Some(coming) => drop(self.lock().coming.insert(migration, coming)),
            None => drop(self.lock().coming.remove(&migration)),
        }
    }

    /// Counts streams that a guest on its way shall come over too; an error is how many there may be at most.
    pub(crate) fn count_streams(&self, migration: Uuid, more: u16) -> Result<(), u16> {
        let mut known = self.lock();
        let most = known.max_streams;
        match known.coming.get_mut(&migration) {
            Some(coming) if more <= most.saturating_sub(coming.streams) => coming.streams += more,
            _ => return Err(most),
        }
        Ok(())
    }

    /// They did not come.
    pub(crate) fn discount_streams(&self, migration: Uuid, fewer: u16) {
        if let Some(coming) = self.lock().coming.get_mut(&migration) {
            coming.streams = coming.streams.saturating_sub(fewer).max(1);
        }
    }

    /// Whether the host of this name may send guests here.
    pub fn may_send(&self, host: &str) -> bool {
        self.lock().senders.iter().any(|name| name == host)
    }

    /// How this host sees a migration. What became of one that ended while an earlier daemon ran is told by its file: the source's host may
    /// have been away for that long.
    pub(crate) fn stage(&self, migration: Uuid) -> MigrationStage {
        let known = self.lock().stages.get(&migration).copied();
        let told = || match std::fs::metadata(self.witness_path(migration)).map(|file| file.len()) {
            Ok(length) => ended(Witness::of(length)),
            Err(_) => MigrationStage::Unknown,
        };
        known.unwrap_or_else(told)
    }

    pub(crate) fn set_stage(&self, migration: Uuid, stage: MigrationStage) {
        self.lock().set_stage(migration, stage);
    }

    /// The host that a domain was given to last: since then, or where it has not said yet that it has it.
    pub(crate) fn given(&self, domain: Uuid, since: Option<Instant>) -> Option<PeerAddress> {
        let known = self.lock();
        let counts = |given: &&Given| !given.settled || since.is_none_or(|since| given.when >= since);
        let given = known.given.get(&domain).filter(counts);
        given.map(|given| given.host.clone())
    }

    /// A domain is given to a host; none where it stays after all, or is lost.
    pub(crate) fn set_given(&self, domain: Uuid, host: Option<PeerAddress>) {
        let given = host.map(|host| Given { host, when: Instant::now(), settled: false });
        match given {
            Some(given) => drop(self.lock().given.insert(domain, given)),
            None => drop(self.lock().given.remove(&domain)),
        }
    }

    /// The host that a domain was given to has it.
    pub(crate) fn settle_given(&self, domain: Uuid) {
        if let Some(given) = self.lock().given.get_mut(&domain) {
            given.settled = true;
        }
    }

    /// The migration in post-copy of a domain that leaves.
    pub(crate) fn leaving(&self, domain: Uuid) -> Option<Uuid> {
        self.lock().leaving.get(&domain).copied()
    }

    pub(crate) fn set_leaving(&self, domain: Uuid, migration: Option<Uuid>) {
        match migration {
            Some(migration) => drop(self.lock().leaving.insert(domain, migration)),
            None => drop(self.lock().leaving.remove(&domain)),
        }
    }

    /// The domain that comes by a migration, and the daemon that sends it.
    pub(crate) fn arriving(&self, migration: Uuid) -> Option<(Uuid, PeerAddress)> {
        self.lock().arriving.get(&migration).cloned()
    }

    pub(crate) fn set_arriving(&self, migration: Uuid, domain: Option<(Uuid, PeerAddress)>) {
        match domain {
            Some(domain) => drop(self.lock().arriving.insert(migration, domain)),
            None => drop(self.lock().arriving.remove(&migration)),
        }
    }

    /// Where it is told what became of the guest of a migration to this host. It outlives the daemon and the worker, not the host.
    fn witness_path(&self, migration: Uuid) -> PathBuf {
        self.run.join(format!("migration-{migration}.ran"))
    }

    /// Makes the file of [`Self::witness`], which says that the guest never ran; or opens it.
    pub(crate) fn open_witness(&self, migration: Uuid) -> io::Result<File> {
        File::options().create(true).append(true).open(self.witness_path(migration))
    }

    /// What became of a guest whose worker is gone. Where nothing is known it may have run.
    pub(crate) fn witness(&self, migration: Uuid) -> Witness {
        let length = std::fs::metadata(self.witness_path(migration)).map(|file| file.len());
        length.map_or(Witness::Whole, Witness::of)
    }

    /// Removes what tells of migrations that are over for so long that nobody asks any more.
    pub(crate) fn forget_old_witnesses(&self) {
        let Ok(files) = std::fs::read_dir(&self.run) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_str().and_then(|name| name.strip_prefix("migration-")?.strip_suffix(".ran"));
            let Some(migration) = name.and_then(|name| Uuid::try_parse(name).ok()) else { continue };
            let goes_on =
                matches!(self.stage(migration), MigrationStage::UnderWay | MigrationStage::PostCopy);
            let changed = file.metadata().and_then(|file| file.modified()).ok();
            let age = changed.and_then(|changed| changed.elapsed().ok());
            if !goes_on && age.is_some_and(|age| age > KEPT) {
                self.forget_witness(migration);
            }
        }
    }

    /// Nobody asks any more.
    pub(crate) fn forget_witness(&self, migration: Uuid) {
        // What is left of it is a few bytes.
        let _ = std::fs::remove_file(self.witness_path(migration));
    }

    /// Waits for so many streams that come through the API.
    pub(crate) fn expect(
        &self,
        migration: Uuid,
        from: Option<String>,
        count: u16,
    ) -> mpsc::Receiver<OwnedFd> {
        let (give, given) = mpsc::channel(usize::from(count.max(1)));
        let mut known = self.lock();
        // Whoever waited for another has given up.
        known.expected.retain(|_, expected| !expected.give.is_closed());
        known.expected.insert(migration, Expected { from, give, left: count });
        given
    }

    /// Gives the stream of a migration to whoever waits for it; false when nobody waits for one from there.
    pub(crate) fn give(&self, migration: Uuid, from: Option<&str>, stream: OwnedFd) -> bool {
        let mut known = self.lock();
        let fits = |expected: &&mut Expected| expected.from.as_deref() == from;
        let Some(expected) = known.expected.get_mut(&migration).filter(fits) else { return false };
        let given = expected.give.try_send(stream).is_ok();
        expected.left = expected.left.saturating_sub(1);
        if expected.left == 0 {
            known.expected.remove(&migration);
        }
        given
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a migration stands of which no more will become.
pub(crate) fn ended(witness: Witness) -> MigrationStage {
    match witness {
        Witness::NeverRan => MigrationStage::Refused,
        Witness::Ran => MigrationStage::Lost,
        // It may have run before it ended: the source must not run it again.
        Witness::Whole => MigrationStage::Arrived,
    }
}

impl Default for Migrations {
    fn default() -> Self {
        Self::alone(PathBuf::new())
    }
}

/// What carries a guest to or from a host: `unix`, `tls` or `tcp`.
pub(crate) fn transport_of(host: &PeerAddress, route: &StreamRoute) -> String {
    match (route, host) {
        (StreamRoute::Own { tls: false, .. }, _) => "tcp",
        (StreamRoute::Socket, _) | (StreamRoute::Tunnel, PeerAddress::Socket(_)) => "unix",
        (StreamRoute::Own { tls: true, .. }, _) | (StreamRoute::Tunnel, PeerAddress::Tls(_)) => "tls",
    }
    .to_owned()
}

impl Actions {
    /// This host, as the other one and policies are told it.
    pub(crate) fn this_host(&self) -> Result<MigrationHost, Error> {
        Ok(MigrationHost { name: self.node.info()?.hostname, version: env!("CARGO_PKG_VERSION").to_owned() })
    }
}
