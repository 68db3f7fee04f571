//! `<volume>`: one image or device of a pool (guide ch. 13, 14.12).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Permissions, SecretReference};
use crate::Bytes;
use crate::domain::Extra;

/// A whole volume document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeConfig {
    /// `type`. Told by the host.
    #[serde(default)]
    pub kind: Option<VolumeKind>,
    /// Name within its pool.
    pub name: String,
    /// `<key>`, unique on the host. Told by the host.
    #[serde(default)]
    pub key: Option<String>,
    /// `<capacity>`: what a guest sees. None takes that of the template or of the backing image.
    #[serde(default)]
    pub capacity: Option<Bytes>,
    /// `<allocation>`: what is taken from the pool at once; none preallocates a raw volume whole.
    #[serde(default)]
    pub allocation: Option<Bytes>,
    /// `<physical>`: size of the file or device. Told by the host.
    #[serde(default)]
    pub physical: Option<Bytes>,
    /// `<target>`.
    #[serde(default)]
    pub target: VolumeTarget,
    /// `<backingStore>`.
    #[serde(default)]
    pub backing: Option<BackingStore>,
    /// Everything else, `<source>` included.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl VolumeConfig {
    /// A volume of a name and size, of which nothing else is said.
    pub fn new(name: impl Into<String>, capacity: Bytes) -> Self {
        Self {
            kind: None,
            name: name.into(),
            key: None,
            capacity: Some(capacity),
            allocation: None,
            physical: None,
            target: VolumeTarget::default(),
            backing: None,
            extra: Extra::default(),
        }
    }
}

/// What a volume is on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// A file.
    File,
    /// A block device.
    Block,
    /// A directory.
    Dir,
    /// Something on a network.
    Network,
    /// A directory on a network.
    Netdir,
    /// A directory with an image of its own format in it.
    Ploop,
}

impl VolumeKind {
    /// Every kind with its word.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::File, "file"),
        (Self::Block, "block"),
        (Self::Dir, "dir"),
        (Self::Network, "network"),
        (Self::Netdir, "netdir"),
        (Self::Ploop, "ploop"),
    ];

    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("file", |(_, word)| word)
    }

    /// The kind that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(kind, _)| *kind)
    }
}

impl std::fmt::Display for VolumeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `<target>` of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeTarget {
    /// `<path>`. Told by the host: a name in a pool is all that places a volume.
    #[serde(default)]
    pub path: Option<String>,
    /// `<format type='…'/>`: format of the image, or type of the partition; none is `raw`.
    #[serde(default)]
    pub format: Option<String>,
    /// `<permissions>`.
    #[serde(default)]
    pub permissions: Option<Permissions>,
    /// `<encryption>`.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    /// `<nocow/>`.
    #[serde(default)]
    pub nocow: bool,
    /// `<compat>` of a qcow2 image: `0.10` or `1.1`.
    #[serde(default)]
    pub compat: Option<String>,
    /// `<clusterSize>` of a qcow2 image.
    #[serde(default)]
    pub cluster_size: Option<Bytes>,
    /// `<features>`.
    #[serde(default)]
    pub features: Option<ImageFeatures>,
    /// `<timestamps>`. Told by the host.
    #[serde(default)]
    pub timestamps: Option<Timestamps>,
    /// Space that the new volume takes at once, where that is asked for beside the document, which has no word for it; otherwise
    /// `<allocation>` counts.
    #[serde(default)]
    pub preallocation: Option<Preallocation>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<features>` of a qcow2 image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFeatures {
    /// `<lazy_refcounts/>`.
    #[serde(default)]
    pub lazy_refcounts: bool,
    /// `<extended_l2/>`.
    #[serde(default)]
    pub extended_l2: bool,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<timestamps>` of a volume: each in seconds since 1970, with a point and nine digits of nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamps {
    /// `<atime>`: it was read.
    #[serde(default)]
    pub atime: Option<String>,
    /// `<mtime>`: its content was changed.
    #[serde(default)]
    pub mtime: Option<String>,
    /// `<ctime>`: its content, owner or mode was changed.
    #[serde(default)]
    pub ctime: Option<String>,
    /// `<btime>`: it was made.
    #[serde(default)]
    pub btime: Option<String>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// Space that a new image takes at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Preallocation {
    /// None: the image grows.
    #[default]
    Off,
    /// Places for all clusters, but no space of the file system; qcow2 only.
    Metadata,
    /// All space, reserved by the file system.
    Falloc,
    /// All space, written with zeros.
    Full,
}

impl std::str::FromStr for Preallocation {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "off" => Ok(Self::Off),
            "metadata" => Ok(Self::Metadata),
            "falloc" => Ok(Self::Falloc),
            "full" => Ok(Self::Full),
            _ => Err(format!("'{word}' is not one of off, metadata, falloc, full")),
        }
    }
}

/// `<backingStore>`: the image that an overlay reads what it does not hold itself from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackingStore {
    /// `<path>`.
    pub path: String,
    /// `<format type='…'/>`; never guessed from the content.
    #[serde(default)]
    pub format: Option<String>,
    /// `<permissions>`. Told by the host.
    #[serde(default)]
    pub permissions: Option<Permissions>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl Encryption {
    /// LUKS, opened by a secret.
    pub fn luks(secret: Uuid) -> Self {
        let uuid = Some(secret.to_string());
        let secret = SecretReference { kind: Some("passphrase".to_owned()), uuid, usage: None };
        Self { format: Some("luks".to_owned()), secrets: vec![secret], ..Self::default() }
    }

    /// The secret that opens it; an error where it names none, or is of a kind that this version has not.
    pub fn passphrase(&self) -> Result<&SecretReference, EncryptionError> {
        let format = self.format.as_deref().unwrap_or("default");
        if !["luks", "default"].contains(&format) {
            return Err(EncryptionError::Format(format.to_owned()));
        }
        let [secret] = self.secrets.as_slice() else {
            return Err(EncryptionError::Secrets(self.secrets.len()));
        };
        match secret.kind.as_deref() {
            None | Some("passphrase") => Ok(secret),
            Some(kind) => Err(EncryptionError::Kind(kind.to_owned())),
        }
    }
}

/// An encryption that this version has not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// Another format than LUKS.
    #[error("an encryption '{0}' is nothing that this version has; 'luks' is")]
    Format(String),
    /// More or fewer secrets than one.
    #[error("it names {0} secrets, and one opens it; write <secret type='passphrase' uuid='…'/>")]
    Secrets(usize),
    /// A secret of another type.
    #[error("a secret of type '{0}' opens nothing; write type='passphrase'")]
    Kind(String),
}

/// `<encryption>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `format`: `luks`, `qcow` or `default`.
    #[serde(default)]
    pub format: Option<String>,
    /// `<secret>` elements.
    #[serde(default)]
    pub secrets: Vec<SecretReference>,
    /// Everything else, `<cipher>` and `<ivgen>` included.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
