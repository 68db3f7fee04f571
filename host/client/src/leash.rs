//! Domains that live no longer than the connection that started them.

use hyper::Method;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use reeve_model::api::{DefineOptions, Defined, StartOptions};
use reeve_model::stats::DomainSummary;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

const PROTOCOL: &str = "reeve-leash";

/// Holds a domain: it is ended when this is dropped.
#[derive(Debug)]
#[must_use = "the domain is ended when this is dropped"]
pub struct Leash(BufReader<TokioIo<Upgraded>>);

impl Leash {
    /// Waits until the domain has ended by itself, or the daemon has.
    pub async fn ended(mut self) {
        let mut byte = [0];
        // Nothing is ever said, and a broken connection is an end too.
        let _ = self.0.read(&mut byte).await;
    }

    async fn taken<T: DeserializeOwned>(stream: TokioIo<Upgraded>) -> Result<(T, Self), ClientError> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.map_err(ClientError::protocol)?;
        let value = serde_json::from_str(&line).map_err(ClientError::protocol)?;
        Ok((value, Self(stream)))
    }
}

impl Client {
    /// Starts a defined domain as `options` say, which ends with what is given back.
    pub async fn start_leashed_domain(
        &self,
        domain: &str,
        options: StartOptions,
    ) -> Result<(DomainSummary, Leash), ClientError> {
        let options = StartOptions { autodestroy: true, ..options };
        let target = Target::new(&["domains", domain, "start"]).with_fields(&options);
        Leash::taken(self.upgraded_by(Method::POST, target, Payload::Empty, PROTOCOL).await?).await
    }

    /// Starts a transient domain from its document, which ends with what is given back.
    pub async fn create_leashed_domain(
        &self,
        xml: &str,
        options: DefineOptions,
    ) -> Result<(Defined, Leash), ClientError> {
        let options = DefineOptions { transient: true, autodestroy: true, ..options };
        let target = Target::new(&["domains"]).with_fields(&options);
        Leash::taken(self.upgraded_by(Method::POST, target, Payload::Xml(xml), PROTOCOL).await?).await
    }
}
