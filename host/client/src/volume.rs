//! Verbs on volumes. `volume` is a name, a path or a key everywhere.

use std::io;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use reeve_model::storage::{
    CreatedVolume, ResizeVolume, TakeVolume, VolumeLookup, VolumePart, VolumeSummary, WipeAlgorithm,
    WipeVolume,
};
use tokio::io::AsyncReadExt;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

/// What is read of a file and sent at once.
const PIECE: usize = 256 << 10;

impl Client {
    /// The volumes of an active pool by name.
    pub async fn list_volumes(&self, pool: &str) -> Result<Vec<VolumeSummary>, ClientError> {
        self.call(Method::GET, Target::new(&["pools", pool, "volumes"]), Payload::Empty).await
    }

    /// Makes a volume from a document, of zeroes or with the content of another volume.
    pub async fn create_volume(
        &self,
        pool: &str,
        xml: &str,
        options: &TakeVolume,
    ) -> Result<CreatedVolume, ClientError> {
        let target = Target::new(&["pools", pool, "volumes"]).with_fields(options);
        self.call(Method::POST, target, Payload::Xml(xml)).await
    }

    /// What is known of a volume.
    pub async fn volume_info(&self, pool: &str, volume: &str) -> Result<VolumeSummary, ClientError> {
        self.call(Method::GET, Target::new(&["pools", pool, "volumes", volume]), Payload::Empty).await
    }

    /// The volume of an active pool with a path or key.
    pub async fn find_volume(&self, path_or_key: &str) -> Result<VolumeSummary, ClientError> {
        let lookup = VolumeLookup { volume: path_or_key.to_owned() };
        self.call(Method::GET, Target::new(&["volumes"]).with_fields(&lookup), Payload::Empty).await
    }

    /// The document of a volume as XML text.
    pub async fn volume_xml(&self, pool: &str, volume: &str) -> Result<String, ClientError> {
        self.text(Method::GET, Target::new(&["pools", pool, "volumes", volume, "xml"])).await
    }

    /// Deletes a volume.
    pub async fn delete_volume(&self, pool: &str, volume: &str) -> Result<(), ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume]);
        self.send(Method::DELETE, target, Payload::Empty).await.map(drop)
    }

    /// Gives a volume another capacity.
    pub async fn resize_volume(
        &self,
        pool: &str,
        volume: &str,
        change: ResizeVolume,
    ) -> Result<VolumeSummary, ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume, "resize"]);
        self.call(Method::POST, target, Payload::json(&change)?).await
    }

    /// Makes what a volume holds unreadable.
    pub async fn wipe_volume(
        &self,
        pool: &str,
        volume: &str,
        algorithm: WipeAlgorithm,
    ) -> Result<(), ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume, "wipe"]);
        self.send(Method::POST, target, Payload::json(&WipeVolume { algorithm })?).await.map(drop)
    }

    /// Writes a file into a volume, from where the file is read to its end; tells how many bytes that was.
    pub async fn upload_volume(
        &self,
        pool: &str,
        volume: &str,
        part: VolumePart,
        file: tokio::fs::File,
    ) -> Result<u64, ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume, "content"]).with_fields(&part);
        let pieces = stream::try_unfold(file, async |mut file| {
            let mut piece = vec![0; PIECE];
            let count = file.read(&mut piece).await?;
            piece.truncate(count);
            io::Result::Ok((count > 0).then(|| (Frame::data(Bytes::from(piece)), file)))
        });
        let request = Request::builder()
            .method(Method::PUT)
            .uri(target.into_string())
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(StreamBody::new(Box::pin(pieces)))
            .map_err(ClientError::protocol)?;
        let response = self.exchange(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        serde_json::from_slice(&body).map_err(ClientError::protocol)
    }

    /// Reads the content of a volume and hands it to `sink`, piece by piece.
    pub async fn download_volume(
        &self,
        pool: &str,
        volume: &str,
        part: VolumePart,
        sink: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<(), ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume, "content"]).with_fields(&part);
        let mut body = self.send(Method::GET, target, Payload::Empty).await?.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                sink(&bytes).map_err(ClientError::protocol)?;
            }
        }
        Ok(())
    }
}
