//! Verbs on volumes. `volume` is a name, a path or a key everywhere.

mod content;
mod handed;

use hyper::Method;
use reeve_model::storage::{
    CreatedVolume, ResizeVolume, TakeVolume, VolumeLookup, VolumeSummary, WipeAlgorithm, WipeVolume,
};

pub use content::Content;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

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
}
