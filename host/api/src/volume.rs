//! `/v1/pools/{pool}/volumes` and `/v1/volumes`: volumes of storage pools.

use std::io;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use futures::StreamExt as _;
use reeve_model::Error;
use reeve_model::storage::{
    CreatedVolume, ResizeVolume, SPARSE_CONTENT, TakeVolume, VolumeLookup, VolumePart, VolumeSummary,
    WipeVolume,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::error::ApiError;
use crate::extract::{self, Path, Query, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// Pieces of an upload that wait.
const WAITING: usize = 16;

/// Volumes of an active pool by name, as its last refresh found them.
#[utoipa::path(
    get,
    path = "/v1/pools/{pool}/volumes",
    operation_id = "volume_list",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<VolumeSummary>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
) -> Result<Json<Vec<VolumeSummary>>, ApiError> {
    Ok(Json(state.actions.volumes(&actor, &pool)?))
}

/// Makes a volume from a document, of zeroes or with the content of another volume.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/volumes",
    operation_id = "volume_create",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID"), TakeVolume),
    request_body(content = String, content_type = "application/xml", description = "A <volume> document"),
    responses((status = OK, body = CreatedVolume), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
    Query(options): Query<TakeVolume>,
    Xml(document): Xml,
) -> Result<Json<CreatedVolume>, ApiError> {
    Ok(Json(state.actions.create_volume(&actor, &pool, &document, &options).await?))
}

/// What is known of a volume, looked at now.
#[utoipa::path(
    get,
    path = "/v1/pools/{pool}/volumes/{volume}",
    operation_id = "volume_info",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
    ),
    responses((status = OK, body = VolumeSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn info(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
) -> Result<Json<VolumeSummary>, ApiError> {
    Ok(Json(state.actions.volume_info(&actor, &pool, &volume).await?))
}

/// The volume of an active pool with a path or key.
#[utoipa::path(
    get,
    path = "/v1/volumes",
    operation_id = "volume_find",
    tag = "storage",
    params(VolumeLookup),
    responses((status = OK, body = VolumeSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn find(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(lookup): Query<VolumeLookup>,
) -> Result<Json<VolumeSummary>, ApiError> {
    Ok(Json(state.actions.find_volume(&actor, &lookup.volume).await?))
}

/// The document of a volume.
#[utoipa::path(
    get,
    path = "/v1/pools/{pool}/volumes/{volume}/xml",
    operation_id = "volume_xml",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
    ),
    responses((status = OK, body = String, content_type = "application/xml"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
) -> Result<impl IntoResponse, ApiError> {
    let document = state.actions.volume_xml(&actor, &pool, &volume).await?;
    Ok(([(CONTENT_TYPE, "application/xml")], document))
}

/// Deletes a volume.
#[utoipa::path(
    delete,
    path = "/v1/pools/{pool}/volumes/{volume}",
    operation_id = "volume_delete",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
    ),
    responses((status = NO_CONTENT, description = "It is gone"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    state.actions.delete_volume(&actor, &pool, &volume).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a volume another capacity.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/volumes/{volume}/resize",
    operation_id = "volume_resize",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
    ),
    request_body = ResizeVolume,
    responses((status = OK, body = VolumeSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn resize(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
    extract::Json(change): extract::Json<ResizeVolume>,
) -> Result<Json<VolumeSummary>, ApiError> {
    Ok(Json(state.actions.resize_volume(&actor, &pool, &volume, change).await?))
}

/// Makes what a volume holds unreadable; the volume stays.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/volumes/{volume}/wipe",
    operation_id = "volume_wipe",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
    ),
    request_body = WipeVolume,
    responses((status = NO_CONTENT, description = "It is wiped"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn wipe(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
    extract::Json(body): extract::Json<WipeVolume>,
) -> Result<StatusCode, ApiError> {
    state.actions.wipe_volume(&actor, &pool, &volume, body.algorithm).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes the content of a volume. Zeroes become holes where the volume can have them.
///
/// Of `application/vnd.reeve.sparse` holes need not be sent: each stretch begins with nine bytes, `d` (data, which follows) or `h` (a
/// hole) and its length as a 64-bit number with its highest byte first.
#[utoipa::path(
    put,
    path = "/v1/pools/{pool}/volumes/{volume}/content",
    operation_id = "volume_upload",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
        VolumePart,
    ),
    request_body(
        description = "The bytes",
        content(
            (Vec<u8> = "application/octet-stream"),
            (Vec<u8> = "application/vnd.reeve.sparse"),
        ),
    ),
    responses((status = OK, body = u64, description = "Bytes written"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn upload(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
    Query(part): Query<VolumePart>,
    request: Request,
) -> Result<Json<u64>, ApiError> {
    let sparse = names_sparse(request.headers().get(CONTENT_TYPE));
    let (pieces, incoming) = mpsc::channel(WAITING);
    let mut body = request.into_body().into_data_stream();
    tokio::spawn(async move {
        let mut pieces = Some(pieces);
        while let Some(piece) = body.next().await {
            let piece = piece.map(|bytes| bytes.to_vec()).map_err(io::Error::other);
            // A client that is refused in the middle hears why only when all it sends was taken.
            if let Some(open) = &pieces
                && open.send(piece).await.is_err()
            {
                pieces = None;
            }
        }
    });
    Ok(Json(match sparse {
        false => state.actions.upload_volume(&actor, &pool, &volume, part, incoming).await?,
        true => state.actions.upload_sparse_volume(&actor, &pool, &volume, part, incoming).await?,
    }))
}

/// True for the media type of content whose holes are not sent.
fn names_sparse(header: Option<&HeaderValue>) -> bool {
    header.is_some_and(|value| value == SPARSE_CONTENT)
}

/// Reads the content of a volume. To who accepts `application/vnd.reeve.sparse` holes are not sent; see the upload.
#[utoipa::path(
    get,
    path = "/v1/pools/{pool}/volumes/{volume}/content",
    operation_id = "volume_download",
    tag = "storage",
    params(
        ("pool" = String, Path, description = "Name or UUID"),
        ("volume" = String, Path, description = "Name, path or key"),
        VolumePart,
    ),
    responses((status = OK, body = Vec<u8>, content_type = "application/octet-stream"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn download(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((pool, volume)): Path<(String, String)>,
    Query(part): Query<VolumePart>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let (kind, outgoing) = match names_sparse(headers.get(ACCEPT)) {
        false => {
            let outgoing = state.actions.download_volume(&actor, &pool, &volume, part).await?;
            ("application/octet-stream", outgoing)
        }
        true => {
            let outgoing = state.actions.download_sparse_volume(&actor, &pool, &volume, part).await?;
            (SPARSE_CONTENT, outgoing)
        }
    };
    let body = Body::from_stream(ReceiverStream::new(outgoing));
    Ok(([(CONTENT_TYPE, kind)], body))
}
