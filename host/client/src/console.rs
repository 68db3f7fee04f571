//! The console of a domain as a raw byte stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
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
        let target = Target::new(&["domains", domain, "console"]).with_fields(options);
        self.upgraded(target, "reeve-console").await.map(Console)
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
