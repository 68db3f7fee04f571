//! The policy's own configuration, which the operator writes and every call carries.

use serde::de::DeserializeOwned;

use crate::Context;

/// The operator's configuration does not fit the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the policy's configuration is not valid: {}", self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Context {
    /// The configuration as a type of the policy's own.
    ///
    /// With `#[serde(default, deny_unknown_fields)]` on the type, every key has a default and a typo is an error.
    ///
    /// ```
    /// use reeve_sdk::prelude::*;
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(default, deny_unknown_fields)]
    /// struct Limits {
    ///     vcpus: u32,
    /// }
    /// impl Default for Limits {
    ///     fn default() -> Self {
    ///         Self { vcpus: 64 }
    ///     }
    /// }
    ///
    /// let ctx = Context {
    ///     call_id: "1".into(),
    ///     time: 0,
    ///     actor: Actor::Daemon,
    ///     config: r#"{"vcpus": 8}"#.into(),
    ///     attempt: 1,
    /// };
    /// assert_eq!(ctx.parse_config::<Limits>()?.vcpus, 8);
    /// # Ok::<(), ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// A [`ConfigError`] that names the key, with line and column; `?` in a hook turns it into a [`Failure`](crate::Failure).
    pub fn parse_config<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_json::from_str(&self.config).map_err(|error| ConfigError(error.to_string()))
    }
}
