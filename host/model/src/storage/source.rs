//! `<source>` of a pool: what it is made of.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::domain::Extra;

/// `<source>`. Which of it a kind of pool needs is checked with the whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSource {
    /// `<host>` of a pool on a network.
    #[serde(default)]
    pub hosts: Vec<SourceHost>,
    /// `<device>`: block devices, or the name of an iSCSI target.
    #[serde(default)]
    pub devices: Vec<SourceDevice>,
    /// `<dir path='…'/>` of a file server.
    #[serde(default)]
    pub dir: Option<String>,
    /// `<adapter>` of a SCSI pool.
    #[serde(default)]
    pub adapter: Option<Adapter>,
    /// `<name>`: volume group, or whatever the source calls itself.
    #[serde(default)]
    pub name: Option<String>,
    /// `<initiator><iqn name='…'/></initiator>`.
    #[serde(default)]
    pub initiator: Option<String>,
    /// `<auth>`.
    #[serde(default)]
    pub auth: Option<SourceAuth>,
    /// `<format type='…'/>`: file system, partition table or protocol.
    #[serde(default)]
    pub format: Option<String>,
    /// `<protocol ver='…'/>`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// `<vendor name='…'/>`.
    #[serde(default)]
    pub vendor: Option<String>,
    /// `<product name='…'/>`.
    #[serde(default)]
    pub product: Option<String>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl PoolSource {
    /// The only device, where a kind takes one.
    pub fn device(&self) -> Option<&str> {
        self.devices.first().map(|device| device.path.as_str())
    }
}

/// `<host>` of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceHost {
    /// Name or address.
    pub name: String,
    /// `port`; the protocol's own when it is not written.
    #[serde(default)]
    pub port: Option<u16>,
}

/// `<device>` of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDevice {
    /// `path`: a device of the host, or the name of an iSCSI target.
    pub path: String,
    /// `part_separator`: whether names of partitions have a `p` before the number.
    #[serde(default)]
    pub part_separator: Option<bool>,
    /// `<freeExtent>`: where a disk is free. Told by the host.
    #[serde(default)]
    pub free: Vec<Extent>,
}

/// A stretch of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// First byte.
    pub start: Bytes,
    /// Byte after the last.
    pub end: Bytes,
}

/// `<adapter>` of a SCSI pool (guide 12.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// `type`: `scsi_host` or `fc_host`.
    #[serde(default)]
    pub kind: Option<String>,
    /// `name`, as `host5`.
    #[serde(default)]
    pub name: Option<String>,
    /// `parent` of a virtual adapter.
    #[serde(default)]
    pub parent: Option<String>,
    /// `wwnn` of a virtual adapter.
    #[serde(default)]
    pub wwnn: Option<String>,
    /// `wwpn` of a virtual adapter.
    #[serde(default)]
    pub wwpn: Option<String>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<auth>` of a source. The password is a secret's, never the document's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceAuth {
    /// `type`: `chap` or `ceph`.
    pub kind: String,
    /// `username`.
    #[serde(default)]
    pub username: Option<String>,
    /// `<secret>`.
    #[serde(default)]
    pub secret: Option<SecretReference>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<secret>`: which secret is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretReference {
    /// `type`, of a secret for encryption.
    #[serde(default)]
    pub kind: Option<String>,
    /// `uuid`.
    #[serde(default)]
    pub uuid: Option<String>,
    /// `usage`.
    #[serde(default)]
    pub usage: Option<String>,
}
