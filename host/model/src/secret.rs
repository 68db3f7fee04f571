//! Secrets: what they are for, as their documents describe them. Their values are no part of a document, an event or a log.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::domain::Extra;

/// The longest value of a secret.
pub const SECRET_MAX: usize = 64 << 10;
/// The longest text that says what a secret is for.
const USAGE_MAX: usize = 4096;

/// A whole secret document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretConfig {
    /// Identity; made when the document has none.
    pub uuid: Uuid,
    /// `ephemeral='yes'`: nothing of it is on disk, and it is gone with the daemon.
    #[serde(default)]
    pub ephemeral: bool,
    /// `private='yes'`: its value is told to nobody, and used by the host alone.
    #[serde(default)]
    pub private: bool,
    /// `<description>`.
    #[serde(default)]
    pub description: Option<String>,
    /// `<usage>`: what it is for; unique on the host.
    #[serde(default)]
    pub usage: Option<SecretUsage>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<usage>`: what a secret is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretUsage {
    /// `type`.
    pub kind: SecretKind,
    /// The path of the volume, the target, or the name.
    pub id: String,
}

/// `type` of a `<usage>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    /// The passphrase of an encrypted volume, which is named by its path.
    Volume,
    /// The password of an iSCSI target.
    Iscsi,
    /// The key of a Ceph user.
    Ceph,
    /// The passphrase of a private key for TLS.
    Tls,
    /// The passphrase of an emulated TPM.
    Vtpm,
}

impl SecretKind {
    /// Every kind with its word and the element that holds what it names.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Volume, "volume", "volume"),
        (Self::Iscsi, "iscsi", "target"),
        (Self::Ceph, "ceph", "name"),
        (Self::Tls, "tls", "name"),
        (Self::Vtpm, "vtpm", "name"),
    ];

    fn row(self) -> (Self, &'static str, &'static str) {
        let row = Self::ALL.into_iter().find(|(kind, _, _)| *kind == self);
        row.expect("the table names every kind")
    }

    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The element below `<usage>` that holds what it names.
    pub fn element(self) -> &'static str {
        self.row().2
    }

    /// The kind that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name, _)| *name == word).map(|(kind, _, _)| kind)
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SecretConfig {
    /// What grants and messages call it: what it is for, or its UUID.
    pub fn subject(&self) -> String {
        self.usage.as_ref().map_or_else(|| self.uuid.to_string(), |usage| usage.id.clone())
    }

    /// Checks it; why it can't be, if so.
    pub fn check(&self) -> Result<(), String> {
        let texts = self.usage.iter().map(|usage| (&usage.id, "usage"));
        let mut texts = texts.chain(self.description.iter().map(|text| (text, "description")));
        let is_odd = |letter: char| letter.is_control() && !['\n', '\t'].contains(&letter);
        match texts.find(|(text, _)| text.len() > USAGE_MAX || text.contains(is_odd)) {
            Some((_, element)) => {
                Err(format!("its <{element}> is longer than {USAGE_MAX} bytes or holds control characters"))
            }
            None => Ok(()),
        }
    }
}

/// The value of a secret. It is cleared from memory when it is dropped, and written nowhere by accident: it has no serial form, and
/// its debug form is empty.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

/// A value that no secret can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value of a secret has 1 to {SECRET_MAX} bytes, not {0}")]
pub struct SecretLength(pub usize);

impl SecretValue {
    /// Takes a value over.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretLength> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            1..=SECRET_MAX => Ok(Self(bytes)),
            length => Err(SecretLength(length)),
        }
    }

    /// The value itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// One row of a list of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretSummary {
    /// Identity.
    pub uuid: Uuid,
    /// What kind of thing it is for.
    pub usage: Option<SecretKind>,
    /// Which one.
    pub usage_id: Option<String>,
    /// What somebody wrote about it.
    pub description: Option<String>,
    /// It is gone with the daemon.
    pub ephemeral: bool,
    /// Its value is told to nobody.
    pub private: bool,
    /// It has a value.
    pub has_value: bool,
}

/// A secret that was defined, and what of its document has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefinedSecret {
    /// The secret.
    pub secret: SecretSummary,
    /// A sentence each.
    pub warnings: Vec<String>,
}

/// How a secret document is taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TakeSecret {
    /// Refuse a document with anything in it that would be ignored, instead of warning about it.
    #[serde(default)]
    pub strict: bool,
}

/// What can happen to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SecretChange {
    /// A definition was added or replaced.
    Defined,
    /// The secret was removed, with its value.
    Undefined,
    /// It has another value.
    ValueChanged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_shows_itself_nowhere() {
        let value = SecretValue::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{value:?}"), "SecretValue(…)");
        assert_eq!(value.expose(), b"hunter2");
        assert_eq!(SecretValue::new(Vec::new()).unwrap_err(), SecretLength(0));
        assert!(SecretValue::new(vec![0; SECRET_MAX + 1]).is_err());
    }

    #[test]
    fn words_name_their_kinds() {
        for (kind, word, _) in SecretKind::ALL {
            assert_eq!((SecretKind::from_word(word), kind.as_str()), (Some(kind), word));
        }
        assert_eq!(SecretKind::from_word("disk"), None);
    }
}
