//! Why a domain could not be changed.

use reeve_model::{Bytes, ErrorCode};
use uuid::Uuid;

use crate::driver::{DriverError, Refusal};
use crate::record::KeeperError;

/// Why a domain could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// No domain has this name, UUID or id.
    #[error("domain '{0}' does not exist")]
    NotFound(String),
    /// The name belongs to another UUID.
    #[error("domain '{name}' exists already with UUID {uuid}")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        uuid: Uuid,
    },
    /// The UUID belongs to another name.
    #[error("UUID {uuid} belongs to domain '{name}' already")]
    UuidTaken {
        /// The UUID.
        uuid: Uuid,
        /// Who has it.
        name: String,
    },
    /// The domain is in a state in which this can't be done.
    #[error("domain '{name}' {sentence}")]
    WrongState {
        /// Its name.
        name: String,
        /// The rest of the sentence.
        sentence: String,
    },
    /// Another request holds the domain.
    #[error("domain '{name}' is busy: it is being {doing}")]
    Busy {
        /// Its name.
        name: String,
        /// What is being done to it.
        doing: &'static str,
    },
    /// A destroy made the request pointless while it waited.
    #[error("domain '{name}' was destroyed while the request waited")]
    Overtaken {
        /// Its name.
        name: String,
    },
    /// No driver serves the type it asks for.
    #[error("domain '{name}' asks for type '{kind}', which this host can't run (it runs: {known})")]
    NoDriver {
        /// Its name.
        name: String,
        /// The type in its document.
        kind: String,
        /// The types there are.
        known: String,
    },
    /// The driver will not run this configuration.
    #[error("domain '{name}' can't run with driver '{driver}': {}", sentences(.refusals))]
    Refused {
        /// Its name.
        name: String,
        /// The driver.
        driver: String,
        /// All reasons.
        refusals: Vec<Refusal>,
    },
    /// The driver tried and could not.
    #[error("domain '{name}' could not be {doing}")]
    Driver {
        /// Its name.
        name: String,
        /// What was tried, e.g. `started`.
        doing: &'static str,
        /// What the driver says.
        source: DriverError,
    },
    /// A start was asked for with the document of another domain.
    #[error("domain '{name}' can't be started with the document of '{other}'")]
    Identity {
        /// Its name.
        name: String,
        /// The name in the document.
        other: String,
    },
    /// The balloon can't reach this size.
    #[error("domain '{name}' can't be given {asked}: its maximum is {max}")]
    Memory {
        /// Its name.
        name: String,
        /// What was asked for.
        asked: Bytes,
        /// What it may have at most.
        max: Bytes,
    },
    /// A device with this name is there already, or is not there.
    #[error("domain '{name}' {sentence}")]
    Device {
        /// Its name.
        name: String,
        /// The rest of the sentence.
        sentence: String,
    },
    /// What must survive a restart of the daemon could not be written.
    #[error("domain '{name}' could not be {doing}")]
    Keeper {
        /// Its name.
        name: String,
        /// What was tried.
        doing: &'static str,
        /// What the keeper says.
        source: KeeperError,
    },
    /// What had to be done before the guest runs could not be done.
    #[error("domain '{name}' could not be {doing}")]
    NotReady {
        /// Its name.
        name: String,
        /// What was tried.
        doing: &'static str,
        /// What went wrong.
        source: reeve_model::Error,
    },
}

impl DomainError {
    /// True when the machine is gone: whatever it was asked may have been done or not.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Driver { source: DriverError::Lost(_), .. })
    }

    /// The stable code clients match on.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::NameTaken { .. } | Self::UuidTaken { .. } => ErrorCode::AlreadyExists,
            Self::WrongState { .. } | Self::Overtaken { .. } => ErrorCode::WrongState,
            Self::Identity { .. } | Self::Memory { .. } | Self::Device { .. } => ErrorCode::Invalid,
            Self::Busy { .. } => ErrorCode::Busy,
            Self::NoDriver { .. } | Self::Refused { .. } => ErrorCode::Unsupported,
            Self::Driver { source, .. } => match source {
                DriverError::Open { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                    ErrorCode::NotFound
                }
                DriverError::Open { .. } | DriverError::Rejected(_) => ErrorCode::Invalid,
                DriverError::InUse { .. } | DriverError::Claimed { .. } => ErrorCode::Busy,
                DriverError::Unsupported(_) => ErrorCode::Unsupported,
                DriverError::Deadline { .. } => ErrorCode::Deadline,
                DriverError::Lost(_) | DriverError::NotNow(_) => ErrorCode::WrongState,
                DriverError::Key(error) => error.code,
                DriverError::Host { .. } | DriverError::Worker(_) => ErrorCode::Internal,
            },
            Self::Keeper { .. } => ErrorCode::Internal,
            Self::NotReady { source, .. } => source.code,
        }
    }
}

impl From<DomainError> for reeve_model::Error {
    fn from(error: DomainError) -> Self {
        Self::caused(error.code(), &error)
    }
}

fn sentences(refusals: &[Refusal]) -> String {
    refusals.iter().map(|refusal| refusal.0.as_str()).collect::<Vec<_>>().join("; ")
}
