//! The formats that are handled.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Format of an image. It is always told, never guessed while opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The bytes of the disk and nothing else.
    Raw,
    /// QEMU's copy-on-write format, version 2 or 3.
    Qcow2,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Raw, Self::Qcow2];

    /// The name as documents and qcow2 headers write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no format, or none that is handled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image format '{0}' is not supported; supported are raw and qcow2")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_refused_with_those_that_are_not() {
        assert_eq!("qcow2".parse(), Ok(Format::Qcow2));
        for name in ["vmdk", "vdi", "vhdx", "vpc", "luks", "qcow", "QCOW2", ""] {
            let refused = name.parse::<Format>().unwrap_err().to_string();
            assert!(refused.contains(name) && refused.ends_with("raw and qcow2"), "{refused}");
        }
    }
}
