//! A task that does what its arguments say; when it runs by itself it keeps why in its store, one key a run.

use reeve_sdk::prelude::*;
use reeve_sdk::{domains, kv, timer};
use serde::Deserialize;

/// The policy.
struct Worker;

/// Its configuration.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    /// A run takes so many milliseconds longer.
    pause: u32,
}

impl Policy for Worker {
    fn domain_define(_ctx: &Context, domain: &DomainConfig) -> Decision {
        match domain.name().as_str() {
            "pause" => match timer::pause(1) {
                Ok(()) => deny("it could wait"),
                Err(error) => deny(error.message),
            },
            _ => allow(),
        }
    }

    fn task(ctx: &Context, why: &Occasion) -> Result<String, Failure> {
        let config: Config = ctx.parse_config()?;
        timer::pause(config.pause)?;
        let why = match why {
            Occasion::Manual(arguments) => return obey(arguments),
            Occasion::Schedule(timing) if timing.catch_up => "catch-up".to_owned(),
            Occasion::Schedule(_) => "schedule".to_owned(),
            Occasion::Domain(event) => format!("{:?} {}", event.change, event.name),
            Occasion::Daemon(change) => format!("{change:?}"),
        };
        log::info(format!("ran: {why}"));
        kv::set(&ctx.call_id, why.as_bytes())?;
        Ok(why)
    }
}

fn obey(arguments: &[String]) -> Result<String, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["start", domain] => {
            domains::start(domain)?;
            Ok(format!("started {domain}"))
        }
        ["pause", milliseconds] => {
            timer::pause(milliseconds.parse().unwrap_or(u32::MAX))?;
            Ok("paused".to_owned())
        }
        ["fail"] => Err(Failure { message: "as ordered".to_owned() }),
        ["trap"] => panic!("as ordered"),
        ["spin"] => loop {
            std::hint::black_box(0);
        },
        _ => Ok(words.join(" ")),
    }
}

reeve_sdk::policy!(Worker: domain_define, task);
