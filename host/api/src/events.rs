//! `GET /v1/events`: the event bus as server-sent events (WHATWG HTML, section 9.2).
//!
//! A message of kind `event` carries one event as JSON, its id is the event's number. A client that comes back gives the
//! last id it saw (`?after=`, or the `Last-Event-ID` header that browsers send). Where events are missing the stream says so
//! with a message of kind `lagged`; it never drops anything silently.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures::Stream;
use reeve_events::{Delivery, Subscription};
use reeve_model::Error;
use reeve_model::api::{EventFilter, Lagged};
use reeve_model::event::{Event, EventKind};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::ApiError;
use crate::extract::Query;
use crate::peer::Caller;
use crate::state::ApiState;

/// Follows events as server-sent events.
///
/// Message kinds: `event` (data: an Event, id: its number) and `lagged` (data: `{"missed": n}`).
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(EventFilter),
    responses(
        (status = OK, description = "Events as they come", body = Event, content_type = "text/event-stream"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn follow(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(filter): Query<EventFilter>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, ApiError> {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let subscription = state.actions.events(&actor, filter.after.or(seen))?;
    let domain = filter.domain.as_deref().map(|key| state.actions.lookup(&actor, key)).transpose()?;
    let listener = Listener { subscription, domain, stop: state.stop.clone() };
    let messages = futures::stream::unfold(listener, |mut listener| async {
        listener.message().await.map(|message| (Ok(message), listener))
    });
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

struct Listener {
    subscription: Subscription,
    domain: Option<Uuid>,
    stop: CancellationToken,
}

impl Listener {
    /// The next message for this client; none ends the stream.
    async fn message(&mut self) -> Option<Message> {
        loop {
            let delivery = tokio::select! {
                delivery = self.subscription.next() => delivery?,
                () = self.stop.cancelled() => return None,
            };
            match delivery {
                Delivery::Event(event) if self.wants(&event) => return message(&event),
                Delivery::Event(_) => {}
                Delivery::Lagged { missed } => {
                    return Message::default().event("lagged").json_data(Lagged { missed }).ok();
                }
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        match (self.domain, &event.kind) {
            (None, _) => true,
            (Some(wanted), EventKind::Domain { uuid, .. }) => wanted == *uuid,
            (Some(_), _) => false,
        }
    }
}

fn message(event: &Event) -> Option<Message> {
    Message::default().event("event").id(event.seq.to_string()).json_data(event).ok()
}
