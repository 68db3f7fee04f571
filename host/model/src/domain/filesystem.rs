//! `<filesystem>`: directories of the host in the guest.

use serde::{Deserialize, Serialize};

use super::DeviceCommon;

/// `<filesystem>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// `type`: `mount` shares a directory; none means the same.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// `accessmode`: `passthrough`, `mapped`, `squash`.
    #[serde(default)]
    pub access_mode: Option<String>,
    /// `<driver type='…'>`: `virtiofs`; none means 9p.
    #[serde(default)]
    pub driver: Option<String>,
    /// `<driver queue='…'>`: descriptors of a queue.
    #[serde(default)]
    pub queue: Option<u16>,
    /// `<binary>`: who serves it, and how.
    #[serde(default)]
    pub binary: FilesystemBinary,
    /// `<source dir='…'>`: the directory of the host.
    #[serde(default)]
    pub source: Option<String>,
    /// `<target dir='…'>`: what the guest mounts it by.
    #[serde(default)]
    pub target: Option<String>,
    /// `<readonly/>`: the guest may not change anything in it.
    #[serde(default)]
    pub readonly: bool,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

/// `<binary>` of a `<filesystem>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemBinary {
    /// `path`: the program; none leaves it to the host.
    #[serde(default)]
    pub path: Option<String>,
    /// `xattr`: extended attributes are passed on.
    #[serde(default)]
    pub xattr: Option<bool>,
    /// `<cache mode='…'>`: `none`, `auto`, `always`.
    #[serde(default)]
    pub cache: Option<String>,
    /// `<sandbox mode='…'>`: `namespace`, `chroot`.
    #[serde(default)]
    pub sandbox: Option<String>,
    /// `<thread_pool size='…'>`: threads that carry out requests.
    #[serde(default)]
    pub thread_pool: Option<u32>,
}

impl Filesystem {
    /// Most bytes of what a guest mounts it by.
    pub const MAX_TARGET: usize = 36;
    /// Most descriptors of a queue; what it has where the document does not say.
    pub const QUEUE: u16 = 1024;

    /// What the guest mounts it by, for messages.
    pub fn name(&self) -> &str {
        self.target.as_deref().unwrap_or_default()
    }
}
