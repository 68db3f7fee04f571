//! A journal: one log line an event, the last event of every domain and a count of its crashes kept in the policy's store.
//!
//! The smallest useful notify hook; start from it to page somebody, or to write an inventory.

use reeve_sdk::prelude::*;
use serde::Deserialize;

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// A warning after so many crashes of one domain.
    warn_after_crashes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { warn_after_crashes: 3 }
    }
}

/// The policy.
struct Journal;

impl Policy for Journal {
    fn domain_events(ctx: &Context, event: &DomainEvent) -> Result<(), Failure> {
        let config: Config = ctx.parse_config()?;
        log::info(sentence(event));
        match event.change {
            DomainChange::Undefined => forget(event),
            DomainChange::Crashed => {
                remember(event)?;
                let crashes = count_crash(event)?;
                if crashes >= config.warn_after_crashes {
                    log::warn(format!("domain '{}' crashed {crashes} times", event.name));
                }
                Ok(())
            }
            _ => remember(event),
        }
    }

    fn daemon_events(_ctx: &Context, change: DaemonChange) -> Result<(), Failure> {
        log::info(match change {
            DaemonChange::Started => "the daemon serves",
            DaemonChange::Stopping => "the daemon stops",
            DaemonChange::Reloaded => "configuration and policies were read again",
        });
        Ok(())
    }
}

reeve_sdk::policy!(Journal: domain_events, daemon_events);

/// The event as a sentence.
fn sentence(event: &DomainEvent) -> String {
    let change = match event.change {
        DomainChange::Defined => "was defined",
        DomainChange::Undefined => "was undefined",
        DomainChange::Started => "runs",
        DomainChange::Suspended => "is paused",
        DomainChange::Resumed => "runs again",
        DomainChange::ShutdownRequested => "was asked to shut down",
        DomainChange::Rebooted => "rebooted",
        DomainChange::Stopped => "stopped",
        DomainChange::Released => "gave everything back",
        DomainChange::Crashed => "crashed",
        DomainChange::Reconnected => "was found alive",
        DomainChange::DeviceAttached => "got a device",
        DomainChange::DeviceDetached => "lost a device",
        DomainChange::Changed => "was changed",
    };
    format!("domain '{}' {change} ({})", event.name, event.reason)
}

/// Keeps the last event under `last/UUID`.
fn remember(event: &DomainEvent) -> Result<(), Failure> {
    Ok(kv::set(&format!("last/{}", event.uuid), format!("{} {}", event.seq, sentence(event)).as_bytes())?)
}

/// Counts a crash under `crashes/UUID`.
fn count_crash(event: &DomainEvent) -> Result<u64, Failure> {
    let key = format!("crashes/{}", event.uuid);
    let before = kv::get(&key)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let crashes = before.saturating_add(1);
    kv::set(&key, &crashes.to_le_bytes())?;
    Ok(crashes)
}

/// Drops what was kept of an undefined domain.
fn forget(event: &DomainEvent) -> Result<(), Failure> {
    kv::delete(&format!("last/{}", event.uuid))?;
    kv::delete(&format!("crashes/{}", event.uuid))?;
    Ok(())
}
