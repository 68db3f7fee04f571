//! Answers every event of a domain with another one, and keeps what the host said in the end.

use reeve_sdk::events::DomainChange;
use reeve_sdk::prelude::*;
use reeve_sdk::{domains, kv};

/// The policy.
struct Recursive;

impl Policy for Recursive {
    fn domain_stop(_ctx: &Context, _domain: &DomainConfig, forced: bool) -> Decision {
        if forced { deny("not by force") } else { allow() }
    }

    fn domain_events(_ctx: &Context, event: &DomainEvent) -> Result<(), Failure> {
        let answer = match event.change {
            DomainChange::Suspended => domains::resume(&event.name),
            DomainChange::Resumed => domains::suspend(&event.name),
            DomainChange::Released => domains::start(&event.name),
            _ => return Ok(()),
        };
        let answer = match answer {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("{:?}: {}", error.code, error.message),
        };
        kv::set(&format!("{:04}", event.seq), answer.as_bytes())?;
        Ok(())
    }
}

reeve_sdk::policy!(Recursive: domain_stop, domain_events);
