//! One repository of a registry, with the right to read or to write it.
//!
//! ```text
//!   request ──► 401 + challenge ──► Basic: the login itself
//!                              └──► Bearer: token of the realm, asked with the login ──► the same request again
//!   download ──► 3xx ──► another address, without the authorization when it is another host
//! ```

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde::Deserialize;

use crate::challenge::Challenge;
use crate::digest::{Digest, Hasher, short};
use crate::error::OciError;
use crate::http::{self, BodyError, Hop, Limit};
use crate::reference::Reference;
use crate::registry::Registries;

const DETAIL_LIMIT: u64 = 4096;
const TOKEN_LIMIT: u64 = 64 << 10;

/// What is done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
}

/// A repository that is being worked with.
pub struct Session<'a> {
    pub(crate) reference: Reference,
    registries: &'a Registries,
    access: Access,
    /// Scheme and host.
    base: String,
    authorization: Mutex<Option<HeaderValue>>,
}

/// What is read, and how much of it there may be.
pub(crate) struct Wanted<'a> {
    pub(crate) what: &'static str,
    pub(crate) path: &'a str,
    pub(crate) accept: &'a str,
    pub(crate) limit: u64,
}

impl Registries {
    /// Begins to work with the repository of `reference`: finds out whether the registry speaks TLS, and insists on it.
    pub async fn open(&self, reference: &Reference, access: Access) -> Result<Session<'_>, OciError> {
        let host = Self::endpoint(reference);
        let tls = self.transport.speaks_tls(host).await?;
        if !tls && !self.may_be_plain(reference) {
            return Err(OciError::Plain(reference.registry().to_owned()));
        }
        let scheme = if tls { "https" } else { "http" };
        Ok(Session {
            reference: reference.clone(),
            registries: self,
            access,
            base: format!("{scheme}://{host}"),
            authorization: Mutex::default(),
        })
    }
}

impl Session<'_> {
    /// The address of something in the repository.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, OciError> {
        let text = format!("{}/v2/{}/{path}", self.base, self.reference.repository());
        text.parse().map_err(|_| self.protocol(format!("'{}' is no address", short(&text))))
    }

    /// The address in a `Location` header that data may be sent to: this registry's only.
    pub(crate) fn upload_uri(&self, response: &Response<Incoming>) -> Result<Uri, OciError> {
        let first = self.uri("")?;
        let location = self.location(response)?;
        let refused = |reason| OciError::Redirect { registry: self.host(), to: short(&location), reason };
        match http::follow(&first, &first, &location, 0) {
            Ok(Hop { uri, same_host: true }) => Ok(uri),
            Ok(_) => Err(refused("uploads go to the registry itself")),
            Err(reason) => Err(refused(reason)),
        }
    }

    /// Downloads something; none when it is not there.
    pub(crate) async fn get(&self, wanted: &Wanted<'_>) -> Result<Option<Vec<u8>>, OciError> {
        let Some(response) = self.download(wanted).await? else { return Ok(None) };
        let too_long =
            || OciError::TooLong { what: wanted.what, name: self.reference.to_string(), limit: wanted.limit };
        self.body(response, Limit::AtMost(wanted.limit), |_| {}).await?.map(Some).ok_or_else(too_long)
    }

    /// Downloads the blob `digest` of exactly `size` bytes.
    pub(crate) async fn blob(
        &self,
        what: &'static str,
        digest: Digest,
        size: u64,
    ) -> Result<Vec<u8>, OciError> {
        let name = || self.reference.to_string();
        let path = format!("blobs/{digest}");
        let wanted = Wanted { what, path: &path, accept: "*/*", limit: size };
        let missing = || OciError::NotFound(format!("{}: its {what} {digest}", self.reference));
        let response = self.download(&wanted).await?.ok_or_else(missing)?;
        let mut hasher = Hasher::default();
        let bytes = self.body(response, Limit::AtMost(size), |piece| hasher.update(piece)).await?;
        let bytes = bytes.ok_or_else(|| OciError::TooLong { what, name: name(), limit: size })?;
        let found = bytes.len() as u64;
        if found < size {
            return Err(OciError::Truncated { what, name: name(), found, size });
        }
        let found = hasher.finish();
        if found != digest {
            return Err(OciError::Changed { what, name: name(), found, wanted: digest });
        }
        Ok(bytes)
    }

    async fn download(&self, wanted: &Wanted<'_>) -> Result<Option<Response<Incoming>>, OciError> {
        let first = self.uri(wanted.path)?;
        let mut hop = Hop { uri: first.clone(), same_host: true };
        for hops in 0.. {
            let mut request = Request::builder().uri(&hop.uri);
            if let Ok(accept) = HeaderValue::from_str(wanted.accept) {
                request = request.header(ACCEPT, accept);
            }
            let request = request.body(Full::default()).map_err(|error| self.protocol(error.to_string()))?;
            let response = if hop.same_host {
                self.ask(request).await?
            } else {
                self.registries.transport.send(request).await?
            };
            match response.status() {
                StatusCode::OK => return Ok(Some(response)),
                StatusCode::NOT_FOUND => return Ok(None),
                status if status.is_redirection() => {
                    let location = self.location(&response)?;
                    let refused = |reason| OciError::Redirect {
                        registry: self.host(),
                        to: http::without_credentials(&location),
                        reason,
                    };
                    hop = http::follow(&first, &hop.uri, &location, hops).map_err(refused)?;
                }
                StatusCode::UNAUTHORIZED if !hop.same_host => {
                    return Err(OciError::RedirectDenied {
                        registry: self.host(),
                        to: http::authority(&hop.uri),
                    });
                }
                _ => return Err(self.refusal(response, "for a download").await),
            }
        }
        Ok(None)
    }

    /// Sends a request to the registry, again with authorization when it asks for that.
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, OciError> {
        let mut first = request.clone();
        if let Some(value) = self.known_authorization() {
            first.headers_mut().insert(AUTHORIZATION, value);
        }
        let response = self.registries.transport.send(first).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let value = self.authorize(&response).await?;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value.clone());
        let mut again = request;
        again.headers_mut().insert(AUTHORIZATION, value);
        let response = self.registries.transport.send(again).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.unauthorized("it does not accept the credentials"));
        }
        Ok(response)
    }

    /// Sends a request with a body.
    pub(crate) async fn send(
        &self,
        method: Method,
        uri: Uri,
        kind: &'static str,
        body: Bytes,
    ) -> Result<Response<Incoming>, OciError> {
        let request = Request::builder().method(method).uri(uri).header(CONTENT_TYPE, kind);
        let request = request.body(Full::new(body)).map_err(|error| self.protocol(error.to_string()))?;
        self.ask(request).await
    }

    fn known_authorization(&self) -> Option<HeaderValue> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a challenge asks for.
    async fn authorize(&self, response: &Response<Incoming>) -> Result<HeaderValue, OciError> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let challenge = headers.iter().filter_map(|header| header.to_str().ok()).find_map(Challenge::parse);
        let login = self.registries.login(&self.reference)?;
        let basic = login.map(|login| {
            let pair = zeroize::Zeroizing::new(format!("{}:{}", login.user, login.password.as_str()));
            format!("Basic {}", STANDARD.encode(pair.as_bytes()))
        });
        match challenge {
            None => Err(self.unauthorized("it asks for an authorization of an unknown kind")),
            Some(Challenge::Basic) => {
                let basic = basic
                    .ok_or_else(|| self.unauthorized("it asks for credentials, and there are none for it"))?;
                self.secret(&basic)
            }
            Some(Challenge::Bearer { realm, service }) => {
                let token = self.token(&realm, service.as_deref(), basic.as_deref()).await?;
                self.secret(&format!("Bearer {token}"))
            }
        }
    }

    /// A token for this repository from the service that the registry names.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        basic: Option<&str>,
    ) -> Result<String, OciError> {
        let base = self.uri("")?;
        let refused = |reason| OciError::Redirect {
            registry: self.host(),
            to: http::without_credentials(realm),
            reason,
        };
        let realm = http::follow(&base, &base, realm, 0).map_err(refused)?.uri;
        let actions = if self.access == Access::Push { "pull,push" } else { "pull" };
        let scope = format!("repository:{}:{actions}", self.reference.repository());
        let mut address = realm.to_string();
        address.push(if realm.query().is_some() { '&' } else { '?' });
        if let Some(service) = service {
            address.push_str(&format!("service={}&", http::encode(service)));
        }
        address.push_str(&format!("scope={}", http::encode(&scope)));
        let mut request = Request::builder().uri(&address);
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, self.secret(basic)?);
        }
        let request = request.body(Full::default()).map_err(|error| self.protocol(error.to_string()))?;
        let response = self.registries.transport.send(request).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(self.unauthorized(match basic {
                    Some(_) => "its token service does not accept the credentials",
                    None => "its token service asks for credentials, and there are none for it",
                }));
            }
            _ => return Err(self.refusal(response, "for a token").await),
        }
        let body = self.body(response, Limit::AtMost(TOKEN_LIMIT), |_| {}).await?;
        let body = zeroize::Zeroizing::new(body.unwrap_or_default());
        /// A token under one of its two names.
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            token: Option<String>,
            #[serde(default)]
            access_token: Option<String>,
        }
        let answer: Option<Answer> = serde_json::from_slice(&body).ok();
        let token = answer.and_then(|answer| answer.token.or(answer.access_token));
        token.ok_or_else(|| self.protocol("its token service gives no token".into()))
    }

    fn secret(&self, value: &str) -> Result<HeaderValue, OciError> {
        let mut header = HeaderValue::from_str(value)
            .map_err(|_| self.protocol("its authorization cannot be written into a header".into()))?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn location(&self, response: &Response<Incoming>) -> Result<String, OciError> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        location
            .map(str::to_owned)
            .ok_or_else(|| self.protocol("it says to go on elsewhere, but not where".into()))
    }

    /// The body of an answer, none when it is longer than its limit.
    async fn body(
        &self,
        response: Response<Incoming>,
        limit: Limit,
        piece: impl FnMut(&[u8]),
    ) -> Result<Option<Vec<u8>>, OciError> {
        match http::read(&self.host(), response.into_body(), limit, piece).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(BodyError::TooLong) => Ok(None),
            Err(BodyError::Transport(error)) => Err(error.into()),
        }
    }

    /// The error for an answer that nobody expected, with what the registry says about it.
    pub(crate) async fn refusal(&self, response: Response<Incoming>, doing: &'static str) -> OciError {
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return self.unauthorized(match self.known_authorization() {
                Some(_) => "the credentials do not suffice",
                None => "it may not be done without credentials",
            });
        }
        let body =
            self.body(response, Limit::First(DETAIL_LIMIT), |_| {}).await.ok().flatten().unwrap_or_default();
        OciError::Status { registry: self.host(), status: status.as_u16(), doing, detail: detail(&body) }
    }

    pub(crate) fn protocol(&self, reason: String) -> OciError {
        OciError::Protocol { registry: self.host(), reason }
    }

    fn unauthorized(&self, why: &'static str) -> OciError {
        OciError::Unauthorized {
            registry: self.host(),
            repository: self.reference.repository().to_owned(),
            why,
        }
    }

    fn host(&self) -> String {
        self.reference.registry().to_owned()
    }
}

/// The first error of a registry's JSON, as the end of a sentence.
fn detail(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let first = &body["errors"][0];
    let text = first["message"].as_str().or_else(|| first["code"].as_str()).unwrap_or_default();
    if text.is_empty() { String::new() } else { format!(": {}", short(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_is_one_short_line() {
        assert_eq!(detail(br#"{"errors":[{"code":"DENIED","message":"not\nyours"}]}"#), ": not yours");
        assert_eq!(detail(br#"{"errors":[{"code":"DENIED"}]}"#), ": DENIED");
        assert_eq!(detail(b"<html>"), "");
    }
}
