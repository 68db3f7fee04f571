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

use super::fault::PeerFault;
use super::network::{Network, look_after};
use super::strangers::{Complaints, Strangers};
use super::{Peers, relayed};

/// Connections of other daemons that may be open at one time. One that has become the stream of a guest does not count any more; there are no
/// more of those than streams that are waited for.
const MOST: usize = 256;
/// Those of hosts that are not in 'migration.peers'.
const MOST_UNNAMED: usize = 16;
/// How long such a host is heard.
const TELLING: Duration = Duration::from_secs(10);
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
        let door = Arc::new(Door::new(api));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a host could not be let in");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            let Some(network) = self.network() else { continue };
            let greeter = Arc::clone(&door);
            door.strangers.enter(from.ip(), |number| {
                let greeting = async move {
                    let taken = network.take(stream, from).await;
                    if !greeter.strangers.leave(number) {
                        return;
                    }
                    match taken {
                        Ok((name, stream)) => greeter.answer(name, stream).await,
                        Err(fault) => greeter.complaints.say(&fault),
                    }
                };
                tokio::spawn(greeting).abort_handle()
            });
        }
    }
}

/// The door between daemons.
struct Door {
    api: PeerApi,
    strangers: Strangers,
    complaints: Complaints,
    room: Semaphore,
    room_unnamed: Semaphore,
}

impl Door {
    fn new(api: PeerApi) -> Self {
        Self {
            api,
            strangers: Strangers::default(),
            complaints: Complaints::default(),
            room: Semaphore::new(MOST),
            room_unnamed: Semaphore::new(MOST_UNNAMED),
        }
    }

    /// Answers a host. One that may send no guests is told so, and takes nothing from those that may.
    async fn answer(&self, name: String, stream: TlsStream<TcpStream>) {
        let is_named = self.api.knows(&name);
        let room = if is_named { &self.room } else { &self.room_unnamed };
        let Ok(_permit) = room.try_acquire() else {
            let fault =
                PeerFault::Tls(format!("host '{name}' was hung up on: too many connections are open"));
            return self.complaints.say(&fault);
        };
        let serving = self.api.serve(stream, name.clone());
        let served = if is_named {
            serving.await
        } else {
            // What it asks for is refused without a delay.
            tokio::time::timeout(TELLING, serving).await.unwrap_or(Ok(()))
        };
        if let Err(error) = served {
            tracing::debug!(host = name, %error, "a connection of another host ended");
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
