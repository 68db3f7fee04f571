//! Does what its configuration says, most of which a host must not let it do: `{"do": "loop", "in": "guard"}`.

mod deeds;

use reeve_sdk::prelude::*;
use serde::Deserialize;

/// The policy.
struct Hostile;

/// Its configuration; without one it is harmless.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Orders {
    #[serde(rename = "do")]
    deed: String,
    /// In hooks of this kind: `guard`, `events`, `mac` or `ksm`.
    #[serde(rename = "in")]
    kind: String,
    /// Only for the domain of this name; the others are allowed.
    only: Option<String>,
}

impl Orders {
    /// What to do in hooks of this kind.
    fn read(ctx: &Context, kind: &str) -> Result<Self, Failure> {
        let orders: Self = ctx.parse_config()?;
        Ok(if orders.kind == kind { orders } else { Self::default() })
    }
}

impl Policy for Hostile {
    fn domain_define(ctx: &Context, domain: &DomainConfig) -> Decision {
        guard(ctx, domain)
    }

    fn domain_prepare(ctx: &Context, domain: &DomainConfig) -> Decision {
        guard(ctx, domain)
    }

    fn domain_start(ctx: &Context, domain: &DomainConfig) -> Decision {
        guard(ctx, domain)
    }

    fn domain_events(ctx: &Context, _event: &DomainEvent) -> Result<(), Failure> {
        deeds::limitless(&Orders::read(ctx, "events")?.deed);
        Ok(())
    }

    fn mac_allocate(
        ctx: &Context,
        _domain: &DomainConfig,
        _interface: u32,
        taken: &[String],
        _seed: u64,
    ) -> Result<String, Failure> {
        let orders = Orders::read(ctx, "mac")?;
        deeds::limitless(&orders.deed);
        Ok(match orders.deed.as_str() {
            "taken-mac" => taken.first().cloned().unwrap_or_default(),
            "multicast-mac" => "01:00:5e:00:00:01".to_owned(),
            _ => "00:16:3E:12:34:56".to_owned(),
        })
    }

    fn ksm_tune(ctx: &Context, _now: &KsmSnapshot) -> Result<Vec<Adjustment>, Failure> {
        let orders = Orders::read(ctx, "ksm")?;
        deeds::limitless(&orders.deed);
        Ok(match orders.deed.as_str() {
            "wild-tuning" => {
                vec![Adjustment::PagesToScan(u64::MAX), Adjustment::SleepMillisecs(0), Adjustment::Run(1)]
            }
            "impossible-tuning" => vec![Adjustment::Run(9)],
            _ => vec![],
        })
    }
}

fn guard(ctx: &Context, domain: &DomainConfig) -> Decision {
    let orders = Orders::read(ctx, "guard")?;
    if orders.only.is_some_and(|only| only != domain.name()) {
        return allow();
    }
    deeds::limitless(&orders.deed);
    deeds::verdict(&orders.deed, domain)
}

reeve_sdk::policy!(Hostile: domain_define, domain_prepare, domain_start, domain_events, mac_allocate, ksm_tune);
