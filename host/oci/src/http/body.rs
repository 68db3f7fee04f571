//! Bodies of answers, read within a limit.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::{PATIENCE, TransportError};

/// Longest time for a whole body.
const WHOLE: Duration = Duration::from_secs(600);

/// How much of a body is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// More than so many bytes are an error.
    AtMost(u64),
    /// More than so many bytes are left unread.
    First(u64),
}

/// Why a body is not given.
pub(crate) enum BodyError {
    /// It goes on beyond its limit.
    TooLong,
    /// The connection failed.
    Transport(TransportError),
}

/// Reads a body; `piece` sees every piece of it in order.
pub(crate) async fn read(
    host: &str,
    mut body: Incoming,
    limit: Limit,
    mut piece: impl FnMut(&[u8]),
) -> Result<Vec<u8>, BodyError> {
    let transport = |error| Err(BodyError::Transport(error));
    let end = Instant::now() + WHOLE;
    let mut bytes = Vec::new();
    loop {
        let slow = || TransportError::Slow { host: host.to_owned(), doing: "go on with its answer" };
        let wait = PATIENCE.min(end.saturating_duration_since(Instant::now()));
        let frame = match timeout(wait, body.frame()).await {
            Err(_) => return transport(slow()),
            Ok(None) => return Ok(bytes),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                // A connection that ends too early is a blob that is too short: whoever asked compares lengths and says so.
                if ended_early(&error) {
                    return Ok(bytes);
                }
                return transport(TransportError::Broken {
                    host: host.to_owned(),
                    reason: error.to_string(),
                });
            }
        };
        let Some(data) = frame.data_ref() else { continue };
        let room = match limit {
            Limit::AtMost(limit) | Limit::First(limit) => (limit as usize).saturating_sub(bytes.len()),
        };
        if data.len() > room {
            if matches!(limit, Limit::AtMost(_)) {
                return Err(BodyError::TooLong);
            }
            bytes.extend_from_slice(&data[..room]);
            return Ok(bytes);
        }
        piece(data);
        bytes.extend_from_slice(data);
    }
}

fn ended_early(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::UnexpectedEof;
        }
        cause = error.source();
    }
    error.is_incomplete_message()
}
