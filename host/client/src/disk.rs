//! Verbs on the disks of domains. `domain` is a name or a UUID, `disk` a target or a path.

use hyper::Method;
use reeve_model::api::{ChangedDomain, DeviceOptions, XmlOptions};
use reeve_model::domain::IoTune;
use reeve_model::domain_disk::{
    ChangeMedia, CloneDomain, ClonedDomain, DiskFilter, DiskSize, DomainDisk, ResizeDisk,
};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Disks of a domain in document order.
    pub async fn domain_disks(
        &self,
        domain: &str,
        options: XmlOptions,
    ) -> Result<Vec<DomainDisk>, ClientError> {
        let target = Target::new(&["domains", domain, "disks"]).with_fields(&options);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Sizes of the disks of a domain.
    pub async fn domain_disk_sizes(
        &self,
        domain: &str,
        filter: &DiskFilter,
    ) -> Result<Vec<DiskSize>, ClientError> {
        let target = Target::new(&["domains", domain, "disk-sizes"]).with_fields(filter);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Gives a disk of a running domain another capacity.
    pub async fn resize_disk(
        &self,
        domain: &str,
        disk: &str,
        resize: ResizeDisk,
    ) -> Result<DiskSize, ClientError> {
        let target = Target::new(&["domains", domain, "disks", disk, "capacity"]);
        self.call(Method::PUT, target, Payload::json(&resize)?).await
    }

    /// Limits of a disk.
    pub async fn disk_limits(
        &self,
        domain: &str,
        disk: &str,
        options: XmlOptions,
    ) -> Result<IoTune, ClientError> {
        let target = Target::new(&["domains", domain, "disks", disk, "limits"]).with_fields(&options);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Gives a disk other limits; what is not said stays.
    pub async fn set_disk_limits(
        &self,
        domain: &str,
        disk: &str,
        limits: &IoTune,
        options: DeviceOptions,
    ) -> Result<IoTune, ClientError> {
        let target = Target::new(&["domains", domain, "disks", disk, "limits"]).with_fields(&options);
        self.call(Method::PUT, target, Payload::json(limits)?).await
    }

    /// Changes the medium in a drive for CDs or floppies.
    pub async fn change_media(
        &self,
        domain: &str,
        disk: &str,
        change: &ChangeMedia,
        options: DeviceOptions,
    ) -> Result<ChangedDomain, ClientError> {
        let target = Target::new(&["domains", domain, "disks", disk, "medium"]).with_fields(&options);
        self.call(Method::PUT, target, Payload::json(change)?).await
    }

    /// Makes another domain of one that does not run or is paused, with copies of its disks.
    pub async fn clone_domain(
        &self,
        domain: &str,
        request: &CloneDomain,
    ) -> Result<ClonedDomain, ClientError> {
        let target = Target::new(&["domains", domain, "clone"]);
        self.call(Method::POST, target, Payload::json(request)?).await
    }
}
