//! Verbs on secrets. `secret` is a UUID, or what the secret is for.

use http_body_util::BodyExt;
use hyper::Method;
use reeve_model::secret::{DefinedSecret, SecretSummary, SecretValue, TakeSecret};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Rows of all secrets, by usage.
    pub async fn list_secrets(&self) -> Result<Vec<SecretSummary>, ClientError> {
        self.call(Method::GET, Target::new(&["secrets"]), Payload::Empty).await
    }

    /// Adds a secret, or replaces the document of the one with its UUID.
    pub async fn define_secret(&self, xml: &str, options: TakeSecret) -> Result<DefinedSecret, ClientError> {
        self.call(Method::POST, Target::new(&["secrets"]).with_fields(&options), Payload::Xml(xml)).await
    }

    /// Removes a secret with its value.
    pub async fn undefine_secret(&self, secret: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, Target::new(&["secrets", secret]), Payload::Empty).await.map(drop)
    }

    /// The secret's document as XML text.
    pub async fn secret_xml(&self, secret: &str) -> Result<String, ClientError> {
        self.text(Method::GET, Target::new(&["secrets", secret, "xml"])).await
    }

    /// Gives a secret its value.
    pub async fn set_secret_value(&self, secret: &str, value: &SecretValue) -> Result<(), ClientError> {
        let target = Target::new(&["secrets", secret, "value"]);
        self.send(Method::PUT, target, Payload::Bytes(value.expose().to_vec())).await.map(drop)
    }

    /// The value of a secret that is not private.
    pub async fn secret_value(&self, secret: &str) -> Result<SecretValue, ClientError> {
        let target = Target::new(&["secrets", secret, "value"]);
        let response = self.send(Method::GET, target, Payload::Empty).await?;
        let body = response.into_body().collect().await?.to_bytes();
        SecretValue::new(body.to_vec()).map_err(ClientError::protocol)
    }
}
