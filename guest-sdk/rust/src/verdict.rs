//! The three answers of a guard, and the errors on the way to them.

use crate::{ConfigError, Edit, Error, Failure, Verdict};

/// What a guard returns: a verdict, or a [`Failure`] when it could not decide (the binding's failure mode then decides).
///
/// Host errors and configuration errors become a `Failure` with `?`.
pub type Decision = Result<Verdict, Failure>;

/// No objection.
pub fn allow() -> Decision {
    Ok(Verdict::Allow)
}

/// Stop, for this reason: one sentence for the one who asked; the host keeps 1024 bytes of it.
pub fn deny(reason: impl Into<String>) -> Decision {
    Ok(Verdict::Deny(reason.into()))
}

/// Go on with these changes, applied in order. No change at all is an [`allow`].
pub fn rewrite(edits: Vec<Edit>) -> Decision {
    Ok(if edits.is_empty() { Verdict::Allow } else { Verdict::Rewrite(edits) })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { message: format!("the host answered: {}", error.message) }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure { message: error.to_string() }
    }
}
