//! Migrations in a session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::document::Domain;
use super::migrated_disks;
use super::question::{fields, view};
use super::records::record;
use crate::bindings::reeve::migration::{journey, strategy};
use crate::exports::Question;
use crate::host::domain_config::DomainView;
use crate::migration::{Disks, StrategyAsk};

record!(Host = journey::Peer { name: String, version: String });
record!(
    Journey = journey::Journey {
        id: String,
        source: Host,
        destination: Host,
        same_machine: bool,
        transport: String,
        unchecked: bool,
        persistent: bool,
    }
);
record!(Capabilities = strategy::Capabilities { compression: bool, streams: u16, post_copy: bool });
record!(
    Limits = strategy::Limits {
        max_downtime_us: u64,
        bandwidth: Option<u64>,
        max_throttle: u8,
        max_rounds: u32,
    }
);
record!(Plan = strategy::MigrationPlan { max_downtime_us: u64, compress: bool, streams: u16 });
record!(
    Round = strategy::Round {
        number: u32,
        elapsed_us: u64,
        duration_us: u64,
        pages: u64,
        zero_pages: u64,
        sent: u64,
        dirty_pages: u64,
        bandwidth: u64,
        expected_downtime_us: u64,
        max_downtime_us: u64,
        throttle: u8,
        compressed: bool,
        streams: u16,
    }
);

/// What comes next, e.g. `{"throttle": 20}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    Continue,
    Throttle(u8),
    SetMaxDowntime(u64),
    Compress,
    AddStreams(u16),
    SwitchToPostCopy,
    StopAndCopy,
    Abort(String),
}

impl From<strategy::Step> for Step {
    fn from(step: strategy::Step) -> Self {
        match step {
            strategy::Step::Continue => Self::Continue,
            strategy::Step::Throttle(percent) => Self::Throttle(percent),
            strategy::Step::SetMaxDowntime(us) => Self::SetMaxDowntime(us),
            strategy::Step::Compress => Self::Compress,
            strategy::Step::AddStreams(more) => Self::AddStreams(more),
            strategy::Step::SwitchToPostCopy => Self::SwitchToPostCopy,
            strategy::Step::StopAndCopy => Self::StopAndCopy,
            strategy::Step::Abort(why) => Self::Abort(why),
        }
    }
}

/// Question of the guards.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfGuard {
    domain: Domain,
    #[serde(default = "nowhere")]
    journey: Journey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disks: Option<Vec<Map<String, Value>>>,
}

impl OfGuard {
    fn write(domain: &DomainView, journey: &journey::Journey, disks: &Disks) -> serde_json::Result<Self> {
        let (known, disks) = (Domain::of(domain), migrated_disks::write(disks, Some(domain))?);
        Ok(Self { domain: known, journey: journey.clone().into(), disks })
    }

    fn read(self) -> Result<(DomainView, journey::Journey, Disks), String> {
        let domain = view(&self.domain)?;
        let disks = migrated_disks::read(self.disks, Some(&domain))?;
        Ok((domain, self.journey.into(), disks))
    }
}

/// What a session that says nothing of it is about.
fn nowhere() -> Journey {
    let host = |name: &str| Host { name: name.to_owned(), version: String::new() };
    Journey {
        id: String::new(),
        source: host("source"),
        destination: host("destination"),
        same_machine: false,
        transport: "unix".to_owned(),
        unchecked: false,
        persistent: false,
    }
}

/// Question of a strategy: one of its functions.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum OfStrategy {
    Precheck(OfGuard),
    Plan {
        offered: Capabilities,
        limits: Limits,
        journey: Journey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disks: Option<Vec<Map<String, Value>>>,
    },
    NextStep(Progress),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Progress {
    capabilities: Capabilities,
    limits: Limits,
    rounds: Vec<Round>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disks: Option<Vec<Map<String, Value>>>,
}

/// A journey as JSON text.
pub(crate) fn journey_text(journey: &journey::Journey) -> String {
    serde_json::to_string(&Journey::from(journey.clone())).unwrap_or_default()
}

pub(super) fn write_guard(
    domain: &DomainView,
    journey: &journey::Journey,
    disks: &Disks,
) -> serde_json::Result<Value> {
    serde_json::to_value(OfGuard::write(domain, journey, disks)?)
}

pub(super) fn write_strategy(ask: &StrategyAsk) -> serde_json::Result<Value> {
    serde_json::to_value(match ask.clone() {
        StrategyAsk::Precheck { domain, journey, disks } => {
            OfStrategy::Precheck(OfGuard::write(&domain, &journey, &disks)?)
        }
        StrategyAsk::Plan { offered, limits, journey, disks } => OfStrategy::Plan {
            offered: offered.into(),
            limits: limits.into(),
            journey: journey.into(),
            disks: migrated_disks::write(&disks, None)?,
        },
        StrategyAsk::Step { progress, disks, .. } => OfStrategy::NextStep(Progress {
            capabilities: progress.capabilities.into(),
            limits: progress.limits.into(),
            rounds: progress.rounds.into_iter().map(Into::into).collect(),
            disks: migrated_disks::write(&disks, None)?,
        }),
    })
}

pub(super) fn read_guard(question: &Value) -> Result<Question, String> {
    let (domain, journey, disks) = fields::<OfGuard>(question)?.read()?;
    Ok(Question::Migrate { domain, journey: Arc::new(journey), disks })
}

pub(super) fn read_strategy(question: &Value) -> Result<Question, String> {
    let ask = match fields(question)? {
        OfStrategy::Precheck(guard) => {
            let (domain, journey, disks) = guard.read()?;
            StrategyAsk::Precheck { domain, journey, disks }
        }
        OfStrategy::Plan { offered, limits, journey, disks } => StrategyAsk::Plan {
            offered: offered.into(),
            limits: limits.into(),
            journey: journey.into(),
            disks: migrated_disks::read(disks, None)?,
        },
        OfStrategy::NextStep(Progress { capabilities, limits, rounds, disks }) => {
            let rounds = rounds.into_iter().map(Into::into).collect();
            let progress =
                strategy::Progress { capabilities: capabilities.into(), limits: limits.into(), rounds };
            let disks = migrated_disks::read(disks, None)?;
            // A session is of one call, and no instance is kept for it.
            StrategyAsk::Step { migration: String::new(), progress, disks }
        }
    };
    Ok(Question::Strategy(Box::new(ask)))
}
