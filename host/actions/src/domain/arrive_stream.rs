//! The streams of a guest that is to come: at a socket, at a port, or through the connection of the daemons.

use std::io;
use std::path::{Path, PathBuf};

use reeve_model::migration::{MigrationPrepared, StreamRoute};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use tokio::net::{UnixListener, UnixStream};
use uuid::Uuid;

use crate::Actions;
use crate::migrating::ComingStreams;
use crate::peer_address::PeerAddress;

impl Actions {
    /// Makes ready for so many streams of a guest that `actor` sends; what its host is told.
    pub(super) async fn await_stream(
        &self,
        actor: &Actor,
        migration: Uuid,
        route: &StreamRoute,
        count: u16,
    ) -> Result<(MigrationPrepared, ComingStreams), Error> {
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
                // Another try may still be waited for.
                let path = self.migrations.run.join(format!("migration-{}", Uuid::new_v4()));
                let coming = socket(&path, count).map_err(|fault| {
                    let message = format!("no socket for the guest can be made: {fault}");
                    Error::new(ErrorCode::Internal, message)
                })?;
                Ok((MigrationPrepared { socket: path.display().to_string(), port: None }, coming))
            }
            (StreamRoute::Tunnel, from) => {
                let mut given = self.migrations.expect(migration, from.map(str::to_owned), count);
                let coming = async move {
                    let mut streams = Vec::new();
                    while streams.len() < usize::from(count) {
                        let stream = given.recv().await;
                        streams.push(stream.ok_or_else(|| io::Error::other("nobody gives one"))?);
                    }
                    Ok(streams)
                };
                Ok((MigrationPrepared { socket: String::new(), port: None }, Box::pin(coming)))
            }
            (StreamRoute::Own { .. }, Some(from)) => {
                let (port, coming) = self.migrations.peers.listen(route, from, count).await?;
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

fn socket(path: &Path, count: u16) -> io::Result<ComingStreams> {
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    Ok(Box::pin(async move {
        let mut streams = Vec::new();
        while streams.len() < usize::from(count) {
            let (stream, _) = listener.accept().await?;
            streams.push(stream.into_std()?.into());
        }
        // It takes no other connection.
        drop((listener, file));
        Ok(streams)
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
