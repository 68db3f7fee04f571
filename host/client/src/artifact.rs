//! Policies in registries.

use hyper::Method;
use reeve_model::install::{InstallPolicy, Installed};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Has the daemon install a policy from a registry.
    pub async fn install_policy(&self, request: &InstallPolicy) -> Result<Installed, ClientError> {
        let body = Payload::json(request)?;
        self.call(Method::POST, Target::new(&["artifacts", "install"]), body).await
    }
}
