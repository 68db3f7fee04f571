//! Where other hosts come in.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use reeve_actions::ComingStreams;
use reeve_api::PeerApi;
use reeve_model::migration::StreamRoute;
use reeve_model::{Error, ErrorCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::network::{Network, look_after};
use super::{Peers, relayed};

/// Connections that may be open at one time: other daemons with their questions, and strangers that say nothing yet. One that has become the
/// stream of a guest does not count any more; there are no more of those than streams that are waited for.
const MOST: usize = 256;
/// Connections at the port of a guest that may be greeted at one time, strangers among them.
const MOST_GREETED: usize = 64;
/// How long nobody is let in when the kernel has no descriptor for a connection.
const BREATH: Duration = Duration::from_millis(200);

impl Peers {
    /// Listens for other hosts, where this host speaks with any.
    pub async fn bind(&self) -> std::io::Result<Option<TcpListener>> {
        match self.network() {
            Some(network) => TcpListener::bind(network.settings.listen).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lets other hosts in until `stop` is cancelled. Streams that are open go on until they end.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, api: PeerApi, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(MOST));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = async {
                    let permit = Arc::clone(&room).acquire_owned().await;
                    (permit, listener.accept().await)
                } => accepted,
            };
            let (permit, (stream, from)) = match accepted {
                (Ok(permit), Ok(accepted)) => (permit, accepted),
                (_, error) => {
                    tracing::warn!(?error, "a host could not be let in");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            let Some(network) = self.network() else { continue };
            let api = api.clone();
            tokio::spawn(async move {
                match network.take(stream, from).await {
                    Ok((name, stream)) => {
                        if let Err(error) = api.serve(stream, name.clone()).await {
                            tracing::debug!(host = name, %error, "a connection of another host ended");
                        }
                    }
                    Err(fault) => tracing::warn!("{fault}"),
                }
                drop(permit);
            });
        }
    }
}

/// Waits at a port for so many streams of a guest that the host `from` sends.
pub(super) async fn one_guest(
    network: Arc<Network>,
    route: &StreamRoute,
    from: &str,
    count: u16,
) -> Result<(u16, ComingStreams), Error> {
    let StreamRoute::Own { tls, listen, port } = route else {
        return Err(Error::new(ErrorCode::Invalid, "a guest of this kind needs no port"));
    };
    let address = listen.as_deref().map(str::parse::<IpAddr>).transpose().map_err(|_| {
        let message = format!("'{}' is no address to listen at", listen.as_deref().unwrap_or_default());
        Error::new(ErrorCode::Invalid, message).with_hint("write an IP address of the destination")
    })?;
    let bound = network.listen(address, *port).await.and_then(|listener| {
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    });
    let (listener, port) = bound.map_err(|fault| {
        let message = format!("there is no port for the guest: {fault}");
        Error::new(ErrorCode::Internal, message).with_hint(
            "name another with --migrateuri or --listen-address, or widen 'migration.stream-ports'",
        )
    })?;
    let (tls, wanted) = (*tls, from.to_owned());
    let coming = async move {
        let mut streams = Vec::new();
        // Side by side: none waits for the round trips of the others, or for a stranger that says nothing.
        let mut greeted: JoinSet<Option<TlsStream<TcpStream>>> = JoinSet::new();
        while streams.len() < usize::from(count) {
            let accepted = tokio::select! {
                accepted = listener.accept(), if greeted.len() < MOST_GREETED => accepted,
                Some(taken) = greeted.join_next() => {
                    if let Ok(Some(stream)) = taken {
                        streams.push(relayed(stream)?);
                    }
                    continue;
                }
            };
            let (stream, at) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the guest of host '{wanted}' could not be let in");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            if !tls {
                match look_after(&stream).and_then(|()| stream.into_std()) {
                    Ok(stream) => streams.push(OwnedFd::from(stream)),
                    Err(error) => tracing::warn!(%error, "the connection from {at} broke"),
                }
                continue;
            }
            let (network, wanted) = (Arc::clone(&network), wanted.clone());
            greeted.spawn(async move {
                match network.take(stream, at).await {
                    Ok((name, stream)) if name == wanted => return Some(stream),
                    Ok((name, _)) => {
                        tracing::warn!("a guest of host '{wanted}' was waited for, and host '{name}' came");
                    }
                    Err(fault) => tracing::warn!("{fault}"),
                }
                None
            });
        }
        Ok(streams)
    };
    Ok((port, Box::pin(coming)))
}
