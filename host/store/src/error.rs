//! Why something could not be kept or read.

use std::path::{Path, PathBuf};

use reeve_model::ErrorCode;

/// Why something could not be kept or read. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is no database, or a part of it is unreadable.
    #[error(
        "the database '{}' is damaged ({detail}); it was left as it is: move it away to begin anew, or put a backup in its place",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// A newer version of Reeve wrote the database.
    #[error(
        "the database '{}' has schema {found}, this version of Reeve knows up to {known}; run the version that wrote it",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema this version knows.
        known: u32,
    },
    /// SQLite refused a statement.
    #[error("{doing} failed in the database '{}'", path.display())]
    Sql {
        /// What was tried, e.g. "keeping a definition".
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The name or UUID of a definition belongs to another one.
    #[error("a {kind} named '{name}' or with UUID {uuid} is defined already")]
    Taken {
        /// What it is a definition of.
        kind: &'static str,
        /// Name of the refused definition.
        name: String,
        /// UUID of the refused definition.
        uuid: uuid::Uuid,
    },
    /// A value could not be turned into JSON.
    #[error("{what} can't be written as JSON")]
    Json {
        /// Which value.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A file beside the database could not be read or written.
    #[error("'{}' could not be {doing}", path.display())]
    File {
        /// What was tried: `made`, `written`, `read`, `removed`.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// The key of the host's secrets can't be used.
    #[error("the key of secrets '{}' can't be used: {reason}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why, and how to mend it.
        reason: String,
    },
    /// The sealed value of a secret does not open.
    #[error(
        "the value of secret {0} can't be opened: it was sealed with another key, or changed; set it again"
    )]
    Sealed(uuid::Uuid),
    /// A component's bytes are not those it was installed with.
    #[error("the policy component '{}' was changed on disk: its sha256 is {found}; install the policy again", path.display())]
    ComponentChanged {
        /// The component's file.
        path: PathBuf,
        /// What its bytes amount to now.
        found: String,
    },
    /// A digest that is no sha256 in lower-case hex.
    #[error("'{0}' is not the sha256 of a component")]
    NotADigest(String),
}

impl StoreError {
    /// What a refused definition means: its name or UUID belongs to another one.
    pub(crate) fn or_taken(self, kind: &'static str, name: &str, uuid: uuid::Uuid) -> Self {
        match &self {
            Self::Sql { source, .. }
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
            {
                Self::Taken { kind, name: name.to_owned(), uuid }
            }
            _ => self,
        }
    }

    pub(crate) fn from_sql(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match source.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => {
                Self::Damaged { path: path.to_owned(), detail: source.to_string() }
            }
            _ => Self::Sql { doing, path: path.to_owned(), source },
        }
    }
}

impl From<StoreError> for reeve_model::Error {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Taken { .. } => ErrorCode::AlreadyExists,
            _ => ErrorCode::Internal,
        };
        Self::caused(code, &error)
    }
}
