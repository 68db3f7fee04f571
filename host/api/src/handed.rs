//! `POST /v1/pools/{pool}/volumes/{volume}/upload-file` and `download-file`: a client on this host hands a file over, and the kernel copies.
//!
//! The descriptor comes after an HTTP upgrade, and only when it is asked for: what HTTP reads of a socket would drop it
//! ([`FILE_PROTOCOL`], decisions/0014).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use reeve_model::storage::{FILE_PROTOCOL, FILE_READY, Handed, VolumePart};
use reeve_model::{Actor, Error, ErrorCode};
use reeve_sys::handed;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;
use crate::upgrade;

/// How long a client may take to hand its file over.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes a file that the client opened for reading into a volume, as an upload of its content does.
///
/// Needs `Connection: upgrade` and `Upgrade: reeve-file`. After the answer the daemon sends `r`; the client sends `f` with the
/// descriptor (SCM_RIGHTS), and gets what became of it. A file that is refused as `unsupported` can be sent instead.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/volumes/{volume}/upload-file",
    operation_id = "volume_upload_file",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
        VolumePart,
    ),
    responses(
        (status = SWITCHING_PROTOCOLS, body = Handed, description = "The daemon waits for the file"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn upload(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
    Query(part): Query<VolumePart>,
    request: Request,
) -> Result<Response, ApiError> {
    let copy = Copy { state, actor, pool, volume, part, into_volume: true };
    copy.begin(request)
}

/// Makes a file that the client opened for writing what a volume holds, as a download does. What the file held before is gone.
///
/// Goes as an upload of a file does.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/volumes/{volume}/download-file",
    operation_id = "volume_download_file",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
        VolumePart,
    ),
    responses(
        (status = SWITCHING_PROTOCOLS, body = Handed, description = "The daemon waits for the file"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn download(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
    Query(part): Query<VolumePart>,
    request: Request,
) -> Result<Response, ApiError> {
    let copy = Copy { state, actor, pool, volume, part, into_volume: false };
    copy.begin(request)
}

/// A copy between a volume and a file of the client.
struct Copy {
    state: ApiState,
    actor: Actor,
    pool: String,
    volume: String,
    part: VolumePart,
    into_volume: bool,
}

impl Copy {
    fn begin(self, request: Request) -> Result<Response, ApiError> {
        upgrade::demand(request.headers(), FILE_PROTOCOL, "a file is handed over")?;
        let stop = self.state.stop.clone();
        tokio::spawn(async move {
            let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
            let Some(mut client) = socket(upgraded) else { return };
            // A client that is gone hears nothing, and needs not.
            let _ = self.converse(&mut client, stop).await;
        });
        Ok(upgrade::accepted(FILE_PROTOCOL))
    }

    async fn converse(self, client: &mut UnixStream, stop: CancellationToken) -> io::Result<()> {
        client.write_all(&[FILE_READY]).await?;
        let socket = &*client;
        let handed = socket.async_io(Interest::READABLE, || handed::receive(socket));
        let file = tokio::time::timeout(PATIENCE, handed).await??;
        let done = tokio::select! {
            done = self.run(file) => done,
            () = left(socket) => return Ok(()),
            () = stop.cancelled() => Err(Error::new(ErrorCode::Busy, "the daemon is ending")),
        };
        let done = done.map_or_else(Handed::Refused, Handed::Done);
        client.write_all(&serde_json::to_vec(&done)?).await
    }

    /// The copy itself; it stops where this is dropped.
    async fn run(self, file: OwnedFd) -> Result<u64, Error> {
        let Self { state, actor, pool, volume, part, into_volume } = self;
        match into_volume {
            true => state.actions.upload_volume_file(&actor, &pool, &volume, part, file).await,
            false => state.actions.download_volume_file(&actor, &pool, &volume, part, file).await,
        }
    }
}

/// The socket below a connection. None where something else is, or where the client sent more than was asked for.
fn socket(upgraded: Upgraded) -> Option<UnixStream> {
    let parts = hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<UnixStream>>(upgraded).ok()?;
    parts.read_buf.is_empty().then(|| parts.io.into_inner())
}

/// Returns when the client closes its connection, or says anything, which is not its turn.
async fn left(client: &UnixStream) {
    let nothing_yet =
        |read: io::Result<usize>| matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    while client.readable().await.is_ok() && nothing_yet(client.try_read(&mut [0])) {}
}
