//! Where drivers get the passphrases of encrypted disks. None is kept here, nor in a configuration or a record.

use std::fmt;
use std::sync::{OnceLock, Weak};

use async_trait::async_trait;
use reeve_model::secret::SecretValue;
use reeve_model::storage::SecretReference;
use reeve_model::{Error, ErrorCode};

use crate::driver::DriverError;

/// Who knows the values of secrets.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The value that a disk refers to; `subject` is what it is called in messages.
    async fn passphrase(&self, subject: &str, secret: &SecretReference) -> Result<SecretValue, Error>;
}

/// The place of [`Keys`] in a driver, which is made before them.
#[derive(Default)]
pub struct KeyRing(OnceLock<Weak<dyn Keys>>);

impl KeyRing {
    /// Says who is asked; once.
    pub fn attach(&self, keys: Weak<dyn Keys>) {
        // A second one would be a second host.
        let _ = self.0.set(keys);
    }

    pub(crate) async fn passphrase(
        &self,
        subject: &str,
        secret: &SecretReference,
    ) -> Result<SecretValue, DriverError> {
        let Some(keys) = self.0.get().and_then(Weak::upgrade) else {
            let message = format!("{subject}: this host keeps no secrets");
            return Err(DriverError::Key(Error::new(ErrorCode::Unsupported, message)));
        };
        keys.passphrase(subject, secret).await.map_err(DriverError::Key)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(…)")
    }
}
