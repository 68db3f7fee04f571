//! Stops domains in order before the host goes down and starts them again, as the libvirt-guests service does (guide 14.9).
//!
//! A task with two verbs, `stop` and `start`. The domains that `stop` found active are kept in the policy's store until they were
//! started again, so that a host that lost power in between loses no domain.

mod order;

use std::collections::BTreeSet;

pub use order::{Config, Host, OnBoot, Stopped, in_order, stop};
use reeve_sdk::domain::State;
use reeve_sdk::prelude::*;
use reeve_sdk::{Code, clock, timer};

/// Under this key are the names of the domains to start again, a line each.
const ACTIVE: &str = "active";

/// The policy.
struct DomainOrder;

impl Policy for DomainOrder {
    fn task(ctx: &Context, why: &Occasion) -> Result<String, Failure> {
        let config: Config = ctx.parse_config()?;
        let words: Vec<&str> = match why {
            Occasion::Manual(arguments) => arguments.iter().map(String::as_str).collect(),
            Occasion::Daemon(DaemonChange::Started) if config.on_boot == OnBoot::Start => vec!["start"],
            _ => return Ok("nothing to do".to_owned()),
        };
        match words[..] {
            ["stop"] => stop_all(&config),
            ["start"] => start_all(&config),
            _ => Err(Failure { message: "say 'stop' or 'start'".to_owned() }),
        }
    }
}

reeve_sdk::policy!(DomainOrder: task);

/// The host this policy runs on.
struct Here;

impl Host for Here {
    fn shutdown(&mut self, name: &str) -> Result<(), String> {
        domains::shutdown(name).map_err(|error| error.message)
    }

    fn active(&mut self) -> Result<BTreeSet<String>, String> {
        let all = domains::list().map_err(|error| error.message)?;
        Ok(all.into_iter().filter(|domain| is_active(domain.state)).map(|domain| domain.name).collect())
    }

    fn pause(&mut self, milliseconds: u32) -> Result<(), String> {
        timer::pause(milliseconds).map_err(|error| error.message)
    }

    fn now(&mut self) -> u64 {
        clock::monotonic() / 1_000_000
    }
}

fn is_active(state: State) -> bool {
    !matches!(state, State::ShutOff | State::Crashed)
}

fn failed(message: String) -> Failure {
    Failure { message }
}

fn stop_all(config: &Config) -> Result<String, Failure> {
    // Only what has a definition can be started again. A stop that is repeated adds to what the first one found.
    let persistent =
        domains::list()?.into_iter().filter(|domain| domain.persistent && is_active(domain.state));
    let found: BTreeSet<String> = persistent.map(|domain| domain.name).chain(remembered()?).collect();
    kv::set(ACTIVE, found.into_iter().collect::<Vec<_>>().join("\n").as_bytes())?;
    let stopped = order::stop(config, &mut Here).map_err(failed)?;
    for (name, reason) in &stopped.left {
        log::warn(format!("domain '{name}' is not stopped: {reason}"));
    }
    let left: Vec<&str> = stopped.left.iter().map(|(name, _)| name.as_str()).collect();
    let ended = format!("{} domains ended", stopped.ended.len());
    Ok(if left.is_empty() { ended } else { format!("{ended}, still active: {}", left.join(", ")) })
}

fn start_all(config: &Config) -> Result<String, Failure> {
    let names = in_order(&config.order, remembered()?);
    let (mut started, mut failed) = (0, Vec::new());
    for name in &names {
        if started > 0 && config.start_delay > 0 {
            timer::pause(config.start_delay.saturating_mul(1000).min(60_000))?;
        }
        match domains::start(name) {
            Ok(()) => started += 1,
            // Autostart, or somebody else, was quicker.
            Err(error) if error.code == Code::WrongState => {}
            Err(error) => {
                log::warn(format!("domain '{name}' is not started: {}", error.message));
                failed.push(name.as_str());
            }
        }
    }
    kv::set(ACTIVE, failed.join("\n").as_bytes())?;
    let started = format!("{started} of {} domains started", names.len());
    Ok(if failed.is_empty() { started } else { format!("{started}, not started: {}", failed.join(", ")) })
}

/// Domains that a stop found active and that were not started again.
fn remembered() -> Result<Vec<String>, Failure> {
    let text = kv::get(ACTIVE)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}
