//! Who is on the other end: of the socket, as the kernel says; of a connection of another host, as its certificate says.

use axum::extract::FromRequestParts;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::request::Parts;
use axum::serve::IncomingStream;
use reeve_model::{Actor, Error, ErrorCode};
use tokio::net::UnixListener;

use crate::error::ApiError;

/// The other end of one connection, taken when it is accepted.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Option<Actor>);

impl Peer {
    /// Another host with a certificate for this name.
    pub(crate) fn host(name: String) -> Self {
        Self(Some(Actor::Host { name }))
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let credentials = stream.io().peer_cred().ok();
        Self(credentials.map(|peer| {
            let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
            Actor::Client { uid: peer.uid(), pid }
        }))
    }
}

/// The actor of a request. A request whose peer is not known is refused.
pub(crate) struct Caller(pub Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let peer: Result<ConnectInfo<Peer>, _> = ConnectInfo::from_request_parts(parts, state).await;
        match peer {
            Ok(ConnectInfo(Peer(Some(actor)))) => Ok(Self(actor)),
            _ => Err(Error::new(ErrorCode::Denied, "the kernel does not say who is calling").into()),
        }
    }
}
