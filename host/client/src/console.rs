//! The console of a domain as a raw byte stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use reeve_model::api::ConsoleOptions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::query::Target;
use crate::{Client, ClientError};

/// Both directions of a console. It ends when the domain stops or somebody else takes the console.
#[derive(Debug)]
pub struct Console(TokioIo<Upgraded>);

impl Client {
    /// Opens a console of an active domain (name or UUID).
    pub async fn console(&self, domain: &str, options: &ConsoleOptions) -> Result<Console, ClientError> {
        let request = Request::builder()
            .uri(Target::new(&["domains", domain, "console"]).with_fields(options).into_string())
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "reeve-console")
            .body(Full::new(Bytes::new()))
            .map_err(ClientError::protocol)?;
        let response = self.exchange(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(ClientError::protocol(format_args!("{} instead of a console", response.status())));
        }
        Ok(Console(TokioIo::new(hyper::upgrade::on(response).await?)))
    }
}

impl AsyncRead for Console {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Console {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
