//! Requests that start a domain for as long as their connection lasts: it leaves HTTP once the domain runs.
//!
//! ```text
//!   POST /v1/domains/web/start?autodestroy=true     HTTP/1.1 101 Switching Protocols
//!   Connection: upgrade                        ──▶  Connection: upgrade               ──▶ a line of JSON: what the answer would be,
//!   Upgrade: reeve-leash                            Upgrade: reeve-leash                  then nothing, until one side closes
//! ```
//!
//! A client that goes while the domain is being started has a domain that ends as soon as it runs.

use std::future::Future;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use reeve_actions::Gone;
use reeve_model::Error;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use crate::error::ApiError;
use crate::state::ApiState;
use crate::upgrade;

/// The protocol's name in `Upgrade`.
const PROTOCOL: &str = "reeve-leash";

/// The connection of a request, should it become a leash.
pub(crate) struct Leash {
    headers: HeaderMap,
    connection: Option<OnUpgrade>,
}

impl<S: Send + Sync> FromRequestParts<S> for Leash {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self { headers: parts.headers.clone(), connection: parts.extensions.remove() })
    }
}

impl Leash {
    /// Starts what `begin` starts and ends it with the connection. The answer comes when it runs.
    pub async fn hold<T, F>(
        self,
        state: &ApiState,
        begin: impl FnOnce(Gone) -> F + Send + 'static,
    ) -> Result<Response, ApiError>
    where
        T: Serialize + Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        upgrade::demand(&self.headers, PROTOCOL, "a domain that ends with its client is started")?;
        let lost = || ApiError::invalid("this connection can't be kept for a domain".to_owned());
        let connection = self.connection.ok_or_else(lost)?;
        let (stop, (told, begun)) = (state.stop.clone(), oneshot::channel());
        // On a task of its own: what is begun goes on when the client has gone, and is ended then.
        tokio::spawn(async move {
            let (mut left, gone) = oneshot::channel();
            let started = match begin(gone).await {
                Ok(started) => started,
                Err(error) => {
                    let _ = told.send(Err(error));
                    return;
                }
            };
            let _ = told.send(Ok(()));
            // A client that has gone gets no connection.
            let Ok(upgraded) = connection.await else { return };
            let mut client = TokioIo::new(upgraded);
            let line = serde_json::to_string(&started).map(|line| line + "\n").unwrap_or_default();
            if client.write_all(line.as_bytes()).await.is_err() {
                return;
            }
            // What the client says means nothing.
            let mut said = [0; 64];
            loop {
                tokio::select! {
                    read = client.read(&mut said) => if !read.is_ok_and(|length| length > 0) { return },
                    // The domain has ended by itself.
                    () = left.closed() => return,
                    () = stop.cancelled() => return,
                }
            }
        });
        let begun = begun.await.unwrap_or_else(|_| {
            Err(Error::new(reeve_model::ErrorCode::Internal, "the start ended early".to_owned()))
        });
        begun?;
        Ok(upgrade::accepted(PROTOCOL))
    }
}
