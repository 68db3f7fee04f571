//! The stream of a guest that is to come: at a socket, at a port, or through the connection of the daemons.

use std::io;
use std::path::{Path, PathBuf};

use reeve_model::migration::{MigrationPrepared, StreamRoute};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use tokio::net::{UnixListener, UnixStream};
use uuid::Uuid;

use crate::Actions;
use crate::migrating::ComingStream;
use crate::peer_address::PeerAddress;

impl Actions {
    /// Makes ready for the stream of a guest that `actor` sends; what its host is told.
    pub(super) async fn await_stream(
        &self,
        actor: &Actor,
        migration: Uuid,
        route: &StreamRoute,
    ) -> Result<(MigrationPrepared, ComingStream), Error> {
        let from = match actor {
            Actor::Host { name } => Some(name.as_str()),
            _ => None,
        };
        let no_way = || {
            let message = "the guest can't come this way: a socket is for daemons on one machine, a port for daemons that speak over TLS";
            Err(Error::new(ErrorCode::Invalid, message))
        };
        match (route, from) {
            (StreamRoute::Socket, None) => {
                let path = self.migrations.run.join(format!("migration-{migration}"));
                let coming = socket(&path).map_err(|fault| {
                    let message = format!("no socket for the guest can be made: {fault}");
                    Error::new(ErrorCode::Internal, message)
                })?;
                Ok((MigrationPrepared { socket: path.display().to_string(), port: None }, coming))
            }
            (StreamRoute::Tunnel, from) => {
                let given = self.migrations.expect(migration, from.map(str::to_owned));
                let coming = async move { given.await.map_err(io::Error::other) };
                Ok((MigrationPrepared { socket: String::new(), port: None }, Box::pin(coming)))
            }
            (StreamRoute::Own { .. }, Some(from)) => {
                let (port, coming) = self.migrations.peers.listen(route, from).await?;
                Ok((MigrationPrepared { socket: String::new(), port: Some(port) }, coming))
            }
            (StreamRoute::Socket, Some(_)) | (StreamRoute::Own { .. }, None) => no_way(),
        }
    }

    /// Takes the stream of a guest through the API: whatever is said over it goes to the worker that waits for the guest.
    pub fn migration_stream(&self, actor: &Actor, migration: Uuid) -> Result<UnixStream, Error> {
        self.authorize(actor, Verb::DomainMigrate, "")?;
        let from = match actor {
            Actor::Host { name } => Some(name.as_str()),
            _ => None,
        };
        let made = std::os::unix::net::UnixStream::pair().and_then(|(worker, ours)| {
            ours.set_nonblocking(true)?;
            Ok((worker, UnixStream::from_std(ours)?))
        });
        let (worker, ours) = made.map_err(|fault| {
            Error::new(ErrorCode::Internal, format!("no stream for the guest can be made: {fault}"))
        })?;
        if self.migrations.give(migration, from, worker.into()) {
            return Ok(ours);
        }
        let message = format!("nobody waits for the guest of migration {migration}");
        Err(Error::new(ErrorCode::NotFound, message).with_hint("it may have waited too long"))
    }
}

/// A host names itself, by the name that its certificate is for: no other host is asked on its word.
pub(super) fn check_source(actor: &Actor, source: &PeerAddress) -> Result<(), Error> {
    match (actor, source) {
        (Actor::Host { name }, PeerAddress::Tls(at)) if at.host == *name => Ok(()),
        (Actor::Host { name }, _) => {
            let message =
                format!("host '{name}' says that it is reached at '{source}', which is not its name");
            Err(Error::new(ErrorCode::Denied, message))
        }
        _ => Ok(()),
    }
}

fn socket(path: &Path) -> io::Result<ComingStream> {
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    Ok(Box::pin(async move {
        let (stream, _) = listener.accept().await?;
        // It takes one connection.
        drop((listener, file));
        Ok(stream.into_std()?.into())
    }))
}

/// A socket in the file system, removed when nobody waits at it any more.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next start of the daemon does not need it either.
        let _ = std::fs::remove_file(&self.0);
    }
}
