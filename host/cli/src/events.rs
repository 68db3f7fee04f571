//! `reeve events`, and `reeve domain events`.

use std::time::Duration;

use clap::Args;
use reeve_client::EventItem;
use reeve_model::api::EventFilter;
use reeve_model::event::{Event, EventKind};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Format, Show, moment};

/// Options of `reeve events`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --output json every event is one line of JSON. A 'lagged' line says that events are missing at that place.

Examples:
  reeve events                          everything, until interrupted
  reeve events --after 0 --timeout 0    what the daemon remembers, then stop
  reeve events --domain web --count 1   wait for the next event of one domain")]
pub struct Events {
    /// Begin after the event with this number, as far back as the daemon remembers; 0 shows all it has
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// Only events of this domain (name or UUID)
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Stop after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Stop when nothing has happened for so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl Events {
    /// The same options for the events of one domain.
    pub(crate) fn of_domain(mut self, domain: String) -> Self {
        self.domain = Some(domain);
        self
    }

    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        // Even "0 seconds" leaves the daemon time to send what it remembers.
        let patience =
            self.timeout.map_or(Duration::MAX, |seconds| Duration::from_millis(seconds * 1000 + 300));
        let filter = EventFilter { after: self.after, domain: self.domain };
        let mut stream = context.client.events(&filter).await?;
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let Ok(item) = tokio::time::timeout(patience, stream.next()).await else { break };
            let Some(item) = item? else { break };
            left -= u64::from(matches!(item, EventItem::Event(_)));
            let line = Line::from(item);
            let text = match context.format {
                Format::Json => serde_json::to_string(&line)?,
                other => other.draw(&line)?,
            };
            context.print(&text)?;
        }
        Ok(())
    }
}

/// One line of output.
#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Event(Box<Event>),
    Lagged { lagged: u64 },
}

impl From<EventItem> for Line {
    fn from(item: EventItem) -> Self {
        match item {
            EventItem::Event(event) => Self::Event(event),
            EventItem::Lagged { missed } => Self::Lagged { lagged: missed },
        }
    }
}

impl Show for Line {
    const ELEMENT: &'static str = "event";

    fn human(&self) -> String {
        match self {
            Self::Lagged { lagged } => format!("… {lagged} events are missing here"),
            Self::Event(event) => {
                let what = what(&event.kind);
                format!("{:>6}  {}  {what}, by {}", event.seq, moment(event.time), event.actor)
            }
        }
    }
}

fn what(kind: &EventKind) -> String {
    match kind {
        EventKind::Domain { name, change, state, reason, .. } => {
            format!("domain '{name}' {}: {state} ({reason})", word(change))
        }
        EventKind::Daemon { change } => format!("daemon {}", word(change)),
        EventKind::Network { name, change, detail, .. } if detail.is_empty() => {
            format!("network '{name}' {}", word(change))
        }
        EventKind::Network { name, change, detail, .. } => {
            format!("network '{name}' {}: {detail}", word(change))
        }
        EventKind::Pool { name, change, detail, .. } if detail.is_empty() => {
            format!("storage pool '{name}' {}", word(change))
        }
        EventKind::Pool { name, change, detail, .. } => {
            format!("storage pool '{name}' {}: '{detail}'", word(change))
        }
        EventKind::Secret { name, change, .. } => format!("secret '{name}' {}", word(change)),
        EventKind::Filter { name, change, .. } => format!("filter '{name}' {}", word(change)),
        EventKind::Policy { name, change, detail } if detail.is_empty() => {
            format!("policy '{name}' {}", word(change))
        }
        EventKind::Policy { name, change, detail } => format!("policy '{name}' {}: {detail}", word(change)),
    }
}

/// The word on the wire, with spaces.
fn word(change: &impl Serialize) -> String {
    let word =
        serde_json::to_value(change).ok().and_then(|value| value.as_str().map(|word| word.replace('-', " ")));
    word.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reeve_model::event::{DaemonChange, DomainChange, PolicyChange};
    use reeve_model::{Actor, DomainState, StateReason};
    use time::OffsetDateTime;

    #[test]
    fn events_read_as_sentences() {
        let kinds = [
            EventKind::Daemon { change: DaemonChange::Started },
            EventKind::Domain {
                uuid: uuid::Uuid::nil(),
                name: "web".into(),
                change: DomainChange::ShutdownRequested,
                state: DomainState::InShutdown,
                reason: StateReason::Shutdown,
            },
            EventKind::Policy {
                name: "ksm-tuner".into(),
                change: PolicyChange::Parked,
                detail: "5 failures in 60 s".into(),
            },
        ];
        let mut lines: Vec<String> = kinds
            .into_iter()
            .zip(1..)
            .map(|(kind, seq)| {
                let time = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_795_000_000);
                Line::Event(Box::new(Event { seq, time, actor: Actor::Client { uid: 0, pid: 42 }, kind }))
                    .human()
            })
            .collect();
        lines.push(Line::Lagged { lagged: 7 }.human());
        insta::assert_snapshot!(lines.join("\n"));
    }
}
