//! HTTP/1.1 to a registry: one request a connection, every wait and every body bounded.

mod body;
mod redirect;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) use body::{BodyError, Limit, read};
pub(crate) use redirect::{Hop, encode, follow, without_credentials};
pub use tls::CaError;
pub(crate) use tls::Tls;

/// How long a registry may take to answer a connection, or a request, or with the next piece of a body.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const AGENT: &str = concat!("reeve/", env!("CARGO_PKG_VERSION"));

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection.
    #[error("'{host}' cannot be reached")]
    Connect {
        /// Host and port.
        host: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// No trust in who answers.
    #[error("'{host}' cannot be trusted: {reason}")]
    Tls {
        /// Host and port.
        host: String,
        /// What is wrong with its certificate or its TLS.
        reason: String,
    },
    /// It breaks HTTP, or off.
    #[error("'{host}' broke off: {reason}")]
    Broken {
        /// Host and port.
        host: String,
        /// How.
        reason: String,
    },
    /// It takes too long.
    #[error("'{host}' did not {doing} within {} s", PATIENCE.as_secs())]
    Slow {
        /// Host and port.
        host: String,
        /// What it should have done.
        doing: &'static str,
    },
}

/// What connections are made with.
#[derive(Clone)]
pub(crate) struct Transport {
    pub(crate) tls: Tls,
}

impl Transport {
    /// Sends a request whose URI has a scheme and a host.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TransportError> {
        let uri = request.uri().clone();
        let host = authority(&uri);
        let broken = |reason: String| TransportError::Broken { host: host.clone(), reason };
        let value = HeaderValue::from_str(&host).map_err(|error| broken(error.to_string()))?;
        request.headers_mut().insert(HOST, value);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| broken("its address has no path".into()))?;
        let stream = connect(&uri).await?;
        if uri.scheme_str() == Some("https") {
            exchange(&host, self.tls.handshake(&uri, stream).await?, request).await
        } else {
            exchange(&host, stream, request).await
        }
    }

    /// Whether the host answers with TLS. Only an answer that is no TLS at all says no: a certificate that is wrong is an error.
    pub(crate) async fn speaks_tls(&self, registry: &str) -> Result<bool, TransportError> {
        let uri: Uri = format!("https://{registry}/").parse().map_err(|_| TransportError::Broken {
            host: registry.to_owned(),
            reason: "this is no address".into(),
        })?;
        let stream = connect(&uri).await?;
        self.tls.probe(&uri, stream).await
    }
}

/// Host, and port where one is given, without user information.
pub(crate) fn authority(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

async fn connect(uri: &Uri) -> Result<TcpStream, TransportError> {
    let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    let name = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let slow = |_| TransportError::Slow { host: authority(uri), doing: "answer the connection" };
    let connected = timeout(PATIENCE, TcpStream::connect((name, uri.port_u16().unwrap_or(usual)))).await;
    connected.map_err(slow)?.map_err(|source| TransportError::Connect { host: authority(uri), source })
}

async fn exchange<S>(
    host: &str,
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken =
        |error: hyper::Error| TransportError::Broken { host: host.to_owned(), reason: error.to_string() };
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // It ends when the answer's body is read or dropped; what is wrong with it the reader of the body is told.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    // A large body takes its time: a second more for every 64 KiB.
    let size = hyper::body::Body::size_hint(request.body()).lower();
    let patience = PATIENCE + Duration::from_secs(size >> 16);
    let slow = |_| TransportError::Slow { host: host.to_owned(), doing: "answer the request" };
    timeout(patience, sender.send_request(request)).await.map_err(slow)?.map_err(broken)
}
