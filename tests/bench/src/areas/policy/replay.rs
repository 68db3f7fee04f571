//! `replay-10000`: ten thousand recorded decisions, played back twice.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use reeve_actions::policy_port::PolicyPort;
use reeve_actions::record_port::PolicyRecords;
use reeve_model::policy::Hook;
use reeve_model::record::StartRecording;
use reeve_policy::session::Session;
use reeve_policy::{Mode, Offline};
use serde_json::json;

use crate::areas::host::{Host, NAMING_GRANTS, component, request};
use crate::row::{RATE, Row};

const DECISIONS: u32 = 10_000;
/// Calls between two fetches, so that the daemon's buffer never fills.
const PART: u32 = 500;
const DOCUMENT: &str = include_str!("../../../../fixtures/domain-20-devices.xml");

/// Replays a second, the slower of two runs; both must be identical with what was recorded, in every answer and all fuel.
pub async fn measure() -> Result<Row> {
    let naming = component("policies/naming.wasm")?;
    let sessions = record(&naming).await?;
    let offline = Offline::open(&naming, None, None)?;
    let mut rates = Vec::new();
    for run in 1..=2 {
        let begin = Instant::now();
        for session in &sessions {
            let replayed = offline.replay(session, Mode::Exact).await?;
            ensure!(replayed.is_same(), "run {run}: {:?}", replayed.differences);
        }
        rates.push(f64::from(DECISIONS) / begin.elapsed().as_secs_f64());
    }
    let rate = rates.into_iter().fold(f64::INFINITY, f64::min);
    Ok(Row::alone("policy", "replay-10000", RATE, rate, sessions.len()))
}

/// Decisions of a daemon on as many domains, a third of which are denied and a third rewritten.
async fn record(naming: &[u8]) -> Result<Vec<Session>> {
    let host = Host::attached().await?;
    host.load("naming", naming, &NAMING_GRANTS, json!({"prefixes": ["web-", "db-"]})).await?;
    let wanted = StartRecording { count: DECISIONS, seconds: 600, hook: Some(Hook::DomainDefine) };
    host.engine.start_recording("naming", wanted)?;
    let full = reeve_xml::domain::parse(DOCUMENT, &reeve_xml::ParseOptions::default())?.document;
    let mut sessions = Vec::new();
    for number in 0..DECISIONS {
        let mut config = full.clone();
        config.name = match number % 3 {
            0 => format!("mail-{number}"),
            1 => format!("web-{number}"),
            _ => format!("db-{number}"),
        };
        if number % 3 == 1 {
            config.devices.memballoon = None;
        }
        // The verdict is in the session.
        let _verdict = host.engine.guard(request(&Arc::new(config), Hook::DomainDefine)).await;
        if number % PART == PART - 1 {
            let part = host.engine.recorded("naming").await?;
            ensure!(part.lost == 0, "{} decisions were lost", part.lost);
            for session in part.sessions {
                sessions.push(Session::from_json(session).context("what was recorded is a session")?);
            }
        }
    }
    ensure!(sessions.len() == DECISIONS as usize, "{} of {DECISIONS} were recorded", sessions.len());
    Ok(sessions)
}
