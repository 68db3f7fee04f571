//! One HTTP/1.1 exchange over the socket.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reeve_model::{Error, ErrorCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::query::Target;
use crate::{Client, ClientError};

/// What is sent with a request.
pub(crate) enum Payload<'a> {
    Empty,
    Json(Vec<u8>),
    Xml(&'a str),
    Component(Vec<u8>),
    Bytes(Vec<u8>),
}

impl Payload<'_> {
    /// `value` as JSON.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, ClientError> {
        serde_json::to_vec(value).map(Self::Json).map_err(ClientError::protocol)
    }

    fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Empty => None,
            Self::Json(_) => Some("application/json"),
            Self::Xml(_) => Some("application/xml"),
            Self::Component(_) => Some("application/wasm"),
            Self::Bytes(_) => Some("application/octet-stream"),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Json(bytes) | Self::Component(bytes) | Self::Bytes(bytes) => bytes.into(),
            Self::Xml(text) => Bytes::copy_from_slice(text.as_bytes()),
        }
    }
}

impl Client {
    /// Sends a request and gives the answer when it is a success, else the server's error.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: Target,
        payload: Payload<'_>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder().method(method).uri(target.into_string());
        if let Some(kind) = payload.content_type() {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request.body(Full::new(payload.into_bytes())).map_err(ClientError::protocol)?;
        self.exchange(request).await
    }

    /// Asks for a connection of its own that speaks `protocol`, and gives it.
    pub(crate) async fn upgraded(
        &self,
        target: Target,
        protocol: &'static str,
    ) -> Result<TokioIo<Upgraded>, ClientError> {
        self.upgraded_by(Method::GET, target, Payload::Empty, protocol).await
    }

    /// As [`Self::upgraded`], by a request with a method and a body.
    pub(crate) async fn upgraded_by(
        &self,
        method: Method,
        target: Target,
        payload: Payload<'_>,
        protocol: &'static str,
    ) -> Result<TokioIo<Upgraded>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(target.into_string())
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, protocol);
        if let Some(kind) = payload.content_type() {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request.body(Full::new(payload.into_bytes())).map_err(ClientError::protocol)?;
        let response = self.exchange(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(ClientError::protocol(format_args!("{} instead of {protocol}", response.status())));
        }
        Ok(TokioIo::new(hyper::upgrade::on(response).await?))
    }

    /// Sends a finished request over a new connection.
    pub(crate) async fn exchange<B>(&self, mut request: Request<B>) -> Result<Response<Incoming>, ClientError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        request.headers_mut().insert(HOST, hyper::header::HeaderValue::from_static("reeve"));
        let unreachable = |source| ClientError::Unreachable { socket: self.socket.clone(), source };
        match &self.dial {
            // Who hands files over needs the socket itself.
            None => speak(UnixStream::connect(&self.socket).await.map_err(unreachable)?, request).await,
            Some(dial) => speak(dial.dial().await.map_err(unreachable)?, request).await,
        }
    }

    /// Sends a request and reads the JSON answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        target: Target,
        payload: Payload<'_>,
    ) -> Result<T, ClientError> {
        let response = self.send(method, target, payload).await?;
        let body = response.into_body().collect().await?.to_bytes();
        serde_json::from_slice(&body).map_err(ClientError::protocol)
    }

    /// Sends a request and reads the answer as text.
    pub(crate) async fn text(&self, method: Method, target: Target) -> Result<String, ClientError> {
        self.text_of(method, target, Payload::Empty).await
    }

    /// As [`Self::text`], with a body.
    pub(crate) async fn text_of(
        &self,
        method: Method,
        target: Target,
        payload: Payload<'_>,
    ) -> Result<String, ClientError> {
        let response = self.send(method, target, payload).await?;
        let body = response.into_body().collect().await?.to_bytes();
        String::from_utf8(body.into()).map_err(ClientError::protocol)
    }
}

/// Sends a request over a connection and gives the answer when it is a success.
async fn speak<S, B>(stream: S, request: Request<B>) -> Result<Response<Incoming>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The task ends with the connection: when the answer is read, or its reader is dropped. A fault shows in the reader.
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await?;
    if response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    Err(refusal(response).await)
}

/// The error in an answer that is no success.
async fn refusal(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let body = match response.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return error.into(),
    };
    match serde_json::from_slice::<Error>(&body) {
        Ok(error) => error.into(),
        Err(_) => Error::new(ErrorCode::Internal, format!("the daemon answered {status}")).into(),
    }
}
