//! Other hosts: their daemons, and the streams of guests that go to them and come from them (decisions/0015).
//!
//! Daemons speak HTTP with each other as with any client, over a unix socket on one machine and over TLS between machines. TLS
//! ends here, in the daemon: a worker gets one end of a socket pair, and never a key.

mod door;
mod fault;
mod network;
mod strangers;
mod tls;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use reeve_actions::{ComingStreams, HostPort, PeerAddress, PeerPort, StreamTarget};
use reeve_client::{Client, ClientError, Connection, Dial};
use reeve_model::migration::{
    AddStreams, MigrationPrepared, MigrationReport, PrepareMigration, ResumeMigration, StreamRoute,
};
use reeve_model::{Error, ErrorCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use uuid::Uuid;

use network::Network;
pub use network::NetworkSettings;
pub use tls::{TlsError, TlsFiles};

/// The ways to other hosts and from them.
pub struct Peers {
    /// The API socket of this host.
    socket: PathBuf,
    network: RwLock<Option<Arc<Network>>>,
}

impl Peers {
    /// The ways of a host with this API socket; without settings it speaks with daemons on this machine only.
    pub fn new(socket: PathBuf, settings: Option<NetworkSettings>) -> Result<Self, TlsError> {
        let network = settings.map(Network::new).transpose()?.map(Arc::new);
        Ok(Self { socket, network: RwLock::new(network) })
    }

    /// Takes other settings, with certificates and keys read again. Connections that are open stay as they are.
    pub fn renew(&self, settings: Option<NetworkSettings>) -> Result<(), TlsError> {
        let network = settings.map(Network::new).transpose()?.map(Arc::new);
        let mut now = self.network.write().unwrap_or_else(PoisonError::into_inner);
        // Where it listens was decided at the start.
        if now.is_some() == network.is_some() {
            *now = network;
        }
        Ok(())
    }

    fn network(&self) -> Option<Arc<Network>> {
        self.network.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn required(&self) -> Result<Arc<Network>, Error> {
        self.network().ok_or_else(|| {
            let message = "this host does not speak with other hosts";
            Error::new(ErrorCode::Unsupported, message).with_hint(
                "set 'migration.listen', 'migration.address' and the files of 'migration.tls' in reeve.toml on both hosts",
            )
        })
    }

    fn client(&self, host: &PeerAddress) -> Result<Client, Error> {
        Ok(match host {
            PeerAddress::Socket(path) => Client::new(path),
            PeerAddress::Tls(at) => {
                let dial = TlsDial { network: self.required()?, at: at.clone() };
                Client::over(host.to_string(), Arc::new(dial))
            }
        })
    }
}

impl Network {
    /// Refuses a stream without TLS unless the operator switched that on.
    fn allow(&self, route: &StreamRoute) -> Result<(), Error> {
        if self.settings.unencrypted || !matches!(route, StreamRoute::Own { tls: false, .. }) {
            return Ok(());
        }
        let message = format!("host '{}' lets no guest go or come without TLS", self.settings.address.host);
        Err(Error::new(ErrorCode::Denied, message).with_hint(
            "leave --direct out and write --migrateuri tls://HOST, or set 'migration.unencrypted' in reeve.toml on both hosts",
        ))
    }
}

/// Two paths of one file. What can't be found is looked for by whoever connects.
fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn itself(host: &PeerAddress) -> Error {
    Error::new(ErrorCode::Invalid, format!("'{host}' is this host itself: its guests are here already"))
        .with_hint("name the host that the guest shall go to")
}

#[async_trait]
impl PeerPort for Peers {
    fn own_address(&self, other: &PeerAddress, route: &StreamRoute) -> Result<String, Error> {
        match other {
            PeerAddress::Socket(path) if is_same_file(path, &self.socket) => Err(itself(other)),
            PeerAddress::Socket(_) => Ok(self.socket.display().to_string()),
            PeerAddress::Tls(at) => {
                let network = self.required()?;
                if *at == network.settings.address {
                    return Err(itself(other));
                }
                network.allow(route)?;
                Ok(PeerAddress::Tls(network.settings.address.clone()).to_string())
            }
        }
    }

    async fn prepare(
        &self,
        host: &PeerAddress,
        request: &PrepareMigration,
    ) -> Result<MigrationPrepared, Error> {
        self.client(host)?.prepare_migration(request).await.map_err(|fault| explain(host, fault))
    }

    async fn report(&self, host: &PeerAddress, migration: Uuid) -> Result<MigrationReport, Error> {
        self.client(host)?.migration_report(migration).await.map_err(|fault| explain(host, fault))
    }

    async fn resume(
        &self,
        host: &PeerAddress,
        migration: Uuid,
        request: &ResumeMigration,
    ) -> Result<MigrationPrepared, Error> {
        let resumed = self.client(host)?.resume_migration(migration, request).await;
        resumed.map_err(|fault| explain(host, fault))
    }

    async fn add_streams(
        &self,
        host: &PeerAddress,
        migration: Uuid,
        request: &AddStreams,
    ) -> Result<MigrationPrepared, Error> {
        self.client(host)?
            .add_migration_streams(migration, request)
            .await
            .map_err(|fault| explain(host, fault))
    }

    async fn connect(&self, target: &StreamTarget) -> Result<OwnedFd, Error> {
        let daemon = &target.daemon;
        let lost = |fault: io::Error| {
            let message = format!("the guest's stream to '{daemon}' could not be opened: {fault}");
            Error::new(ErrorCode::Internal, message)
        };
        match (&target.route, daemon) {
            (StreamRoute::Socket, _) => {
                let stream = UnixStream::connect(&target.prepared.socket).await.map_err(lost)?;
                Ok(stream.into_std().map_err(lost)?.into())
            }
            (StreamRoute::Own { tls, .. }, PeerAddress::Tls(at)) => {
                let network = self.required()?;
                let host = target.host.clone().unwrap_or_else(|| at.host.clone());
                let to = HostPort { host, port: target.prepared.port.unwrap_or(at.port) };
                let opened = if *tls {
                    network.open(at, &to).await.map(|stream| relayed(Box::new(stream)))
                } else {
                    network.connect(&to).await.map(|stream| stream.into_std().map(OwnedFd::from))
                };
                opened.map_err(io::Error::other).flatten().map_err(lost)
            }
            (StreamRoute::Tunnel | StreamRoute::Own { .. }, _) => {
                let stream = self.client(daemon)?.migration_stream(target.migration).await;
                relayed(stream.map_err(|fault| explain(daemon, fault))?).map_err(lost)
            }
        }
    }

    async fn listen(
        &self,
        route: &StreamRoute,
        from: &str,
        count: u16,
    ) -> Result<(u16, ComingStreams), Error> {
        let network = self.required()?;
        network.allow(route)?;
        door::one_guest(network, route, from, count).await
    }
}

/// One end of a socket pair for a worker; a task carries what is said between the other end and the connection.
fn relayed(connection: impl AsyncRead + AsyncWrite + Send + 'static) -> io::Result<OwnedFd> {
    let (worker, ours) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let ours = UnixStream::from_std(ours)?;
    tokio::spawn(reeve_actions::relay(connection, ours));
    Ok(worker.into())
}

/// Opens connections to the daemon of a host.
struct TlsDial {
    network: Arc<Network>,
    at: HostPort,
}

impl std::fmt::Debug for TlsDial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsDial").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Dial for TlsDial {
    fn dial(&self) -> reeve_client::Dialed<'_> {
        Box::pin(async {
            let opened = self.network.open(&self.at, &self.at).await;
            opened.map(|stream| Box::new(stream) as Box<dyn Connection>).map_err(io::Error::other)
        })
    }
}

/// What another host says of what it has: a domain there is not the one here, though they have one name.
fn there(host: &PeerAddress, error: Error) -> Error {
    let said = Error::new(error.code, format!("the host at '{host}' says: {}", error.message));
    match error.hint {
        Some(hint) => said.with_hint(format!("on that host: {hint}")),
        None => said,
    }
}

fn explain(host: &PeerAddress, fault: ClientError) -> Error {
    match fault {
        ClientError::Refused(error) => there(host, error),
        ClientError::Unreachable { source, .. } => {
            let message = format!("the host at '{host}' does not answer: {source}");
            Error::new(ErrorCode::Unsupported, message)
        }
        other => {
            let message = format!("the host at '{host}' does not answer: {other}");
            Error::new(ErrorCode::Unsupported, message)
        }
    }
}
