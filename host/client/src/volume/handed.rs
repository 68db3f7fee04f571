//! The content of volumes from and to files that are handed over: no byte of it passes the socket.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use reeve_model::storage::{FILE_PROTOCOL, FILE_READY, Handed, VolumePart};
use reeve_sys::handed;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;

use crate::query::Target;
use crate::{Client, ClientError};

/// More than this is no answer.
const ANSWER: u64 = 64 << 10;

impl Client {
    /// Lets the daemon copy a file that is open for reading into a volume; tells how many bytes that was. What it refuses as `unsupported`,
    /// such as a pipe, can be sent with [`Client::upload_volume`].
    pub async fn upload_volume_file(
        &self,
        pool: &str,
        volume: &str,
        part: VolumePart,
        file: &File,
    ) -> Result<u64, ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume, "upload-file"]).with_fields(&part);
        self.hand_over(Method::POST, target, file).await
    }

    /// Lets the daemon make a file that is open for writing what a volume holds; tells how many bytes that was. What it refuses as
    /// `unsupported` can be received with [`Client::download_volume`].
    pub async fn download_volume_file(
        &self,
        pool: &str,
        volume: &str,
        part: VolumePart,
        file: &File,
    ) -> Result<u64, ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume, "download-file"]).with_fields(&part);
        self.hand_over(Method::POST, target, file).await
    }

    async fn hand_over(&self, method: Method, target: Target, file: &File) -> Result<u64, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(target.into_string())
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, FILE_PROTOCOL)
            .body(Full::new(Bytes::new()))
            .map_err(ClientError::protocol)?;
        let response = self.exchange(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let said = format_args!("{} instead of waiting for a file", response.status());
            return Err(ClientError::protocol(said));
        }
        let parts = hyper::upgrade::on(response).await?.downcast::<TokioIo<UnixStream>>();
        let parts = parts.map_err(|_other| ClientError::protocol("the connection is no unix socket"))?;
        let answer = converse(parts.io.into_inner(), parts.read_buf, file).await;
        match serde_json::from_slice(&answer.map_err(ClientError::protocol)?) {
            Ok(Handed::Done(bytes)) => Ok(bytes),
            Ok(Handed::Refused(error)) => Err(error.into()),
            Err(_) => Err(ClientError::protocol("it ended before it said what became of the file")),
        }
    }
}

/// Hands the file over when it is asked for, and waits for what is said of it.
async fn converse(socket: UnixStream, begun: Bytes, file: &File) -> io::Result<Vec<u8>> {
    let mut socket = begun.chain(socket);
    let asked = socket.read_u8().await?;
    if asked != FILE_READY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it did not ask for the file"));
    }
    let stream = socket.get_ref().1;
    stream.async_io(Interest::WRITABLE, || handed::send(stream, file.as_fd())).await?;
    let mut answer = Vec::new();
    socket.take(ANSWER).read_to_end(&mut answer).await?;
    Ok(answer)
}
