//! Saving domains to files and restoring them.

use hyper::Method;
use reeve_model::domain_save::{SaveFile, SaveOptions, SaveStatus};
use reeve_model::stats::DomainSummary;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

fn body(xml: Option<&str>) -> Payload<'_> {
    xml.map_or(Payload::Empty, Payload::Xml)
}

impl Client {
    /// Saves a domain to a file and stops it; `xml` takes the place of its document when it is restored.
    pub async fn save_domain(
        &self,
        domain: &str,
        file: &SaveFile,
        xml: Option<&str>,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "save"]).with_fields(file);
        self.call(Method::POST, target, body(xml)).await
    }

    /// How far the save or dump of a domain is.
    pub async fn save_status(&self, domain: &str) -> Result<SaveStatus, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain, "save"]), Payload::Empty).await
    }

    /// Gives the save or dump of a domain up.
    pub async fn cancel_save(&self, domain: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, Target::new(&["domains", domain, "save"]), Payload::Empty).await.map(drop)
    }

    /// Saves a domain to a file of the host's own and stops it.
    pub async fn managed_save_domain(
        &self,
        domain: &str,
        options: SaveOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "managed-save"]).with_fields(&options);
        self.call(Method::POST, target, Payload::Empty).await
    }

    /// Forgets the managed save of a domain.
    pub async fn remove_managed_save(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.call(Method::DELETE, Target::new(&["domains", domain, "managed-save"]), Payload::Empty).await
    }

    /// Starts a domain where a file left it; `xml` takes the place of the document in the file.
    pub async fn restore_domain(
        &self,
        file: &SaveFile,
        xml: Option<&str>,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["save-images", "restore"]).with_fields(file);
        self.call(Method::POST, target, body(xml)).await
    }

    /// The document in a save image.
    pub async fn save_image_xml(&self, path: &str) -> Result<String, ClientError> {
        let target = Target::new(&["save-images", "xml"]).with_fields(&SaveFile::at(path));
        self.text(Method::GET, target).await
    }

    /// Replaces the document in a save image.
    pub async fn define_save_image(&self, file: &SaveFile, xml: &str) -> Result<(), ClientError> {
        let target = Target::new(&["save-images", "xml"]).with_fields(file);
        self.send(Method::PUT, target, Payload::Xml(xml)).await.map(drop)
    }
}
