//! The event stream: server-sent events (WHATWG HTML, section 9.2) as typed items.

use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use reeve_model::api::{EventFilter, Lagged};
use reeve_model::event::Event;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

/// One item of the stream.
#[derive(Debug, Clone, PartialEq)]
pub enum EventItem {
    /// Something happened.
    Event(Box<Event>),
    /// Events are missing here.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// Events as they come; ends when the daemon stops.
#[derive(Debug)]
pub struct EventStream {
    body: Incoming,
    parser: Parser,
}

impl Client {
    /// Follows events.
    pub async fn events(&self, filter: &EventFilter) -> Result<EventStream, ClientError> {
        let target = Target::new(&["events"]).with_fields(filter);
        let response = self.send(Method::GET, target, Payload::Empty).await?;
        Ok(EventStream { body: response.into_body(), parser: Parser::default() })
    }
}

impl EventStream {
    /// The next item; none when the stream has ended.
    pub async fn next(&mut self) -> Result<Option<EventItem>, ClientError> {
        loop {
            if let Some(message) = self.parser.next_message() {
                match typed(&message)? {
                    Some(item) => return Ok(Some(item)),
                    None => continue,
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.parser.push(&data);
                    }
                }
            }
        }
    }
}

/// The item in a message; none for messages of a kind this client does not know.
fn typed(message: &Message) -> Result<Option<EventItem>, ClientError> {
    match message.event.as_str() {
        "event" => {
            let event = serde_json::from_str(&message.data).map_err(ClientError::protocol)?;
            Ok(Some(EventItem::Event(Box::new(event))))
        }
        "lagged" => {
            let lagged: Lagged = serde_json::from_str(&message.data).map_err(ClientError::protocol)?;
            Ok(Some(EventItem::Lagged { missed: lagged.missed }))
        }
        _ => Ok(None),
    }
}

/// One dispatched message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    event: String,
    data: String,
}

/// Bytes in, messages out.
#[derive(Debug, Default)]
struct Parser {
    buffer: Vec<u8>,
    current: Message,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn next_message(&mut self) -> Option<Message> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                if !self.current.data.is_empty() {
                    return Some(std::mem::take(&mut self.current));
                }
                self.current = Message::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => self.current.event = value.to_owned(),
                "data" => {
                    if !self.current.data.is_empty() {
                        self.current.data.push('\n');
                    }
                    self.current.data.push_str(value);
                }
                // A comment (keep-alive), the id (also in the data), or a field of a later version.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_put_together_from_any_chunks() {
        let wire = b": keep-alive\n\nid: 7\nevent: lagged\ndata: {\"missed\":\ndata: 3}\n\nevent: x\r\ndata: y\r\n\r\n";
        for chunk in 1..wire.len() {
            let mut parser = Parser::default();
            let mut seen = Vec::new();
            for piece in wire.chunks(chunk) {
                parser.push(piece);
                while let Some(message) = parser.next_message() {
                    seen.push(message);
                }
            }
            assert_eq!(seen.len(), 2, "chunks of {chunk}");
            assert_eq!(typed(&seen[0]).unwrap(), Some(EventItem::Lagged { missed: 3 }));
            assert_eq!(typed(&seen[1]).unwrap(), None);
        }
    }
}
