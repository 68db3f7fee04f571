//! Which guests may move where.

mod disks;
mod versions;

use reeve_sdk::migration::Journey;
use reeve_sdk::prelude::*;
use serde::Deserialize;
pub use versions::{Support, support};

/// What the operator may set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Folders that both hosts see.
    shared: Vec<String>,
    /// Ways that guests may take.
    transports: Vec<String>,
}

/// The policy.
struct Precheck;

impl Policy for Precheck {
    fn migrate_out(ctx: &Context, domain: &DomainConfig, journey: &Journey) -> Decision {
        check(ctx, domain, journey)
    }

    fn migrate_in(ctx: &Context, domain: &DomainConfig, journey: &Journey) -> Decision {
        check(ctx, domain, journey)
    }
}

fn check(ctx: &Context, domain: &DomainConfig, journey: &Journey) -> Decision {
    let config: Config = ctx.parse_config()?;
    let (from, to) = (&journey.source.version, &journey.destination.version);
    match support(from, to) {
        Support::Full => {}
        Support::KnownIssues(issue) => log::warn(format!("{}: {issue}", domain.name())),
        Support::No(why) => return deny(why),
    }
    if !config.transports.is_empty() && !config.transports.contains(&journey.transport) {
        return deny(format!(
            "guests may not go over '{}', but over {}",
            journey.transport,
            config.transports.join(", ")
        ));
    }
    if domain.xml().contains("<hostdev") {
        return deny("it has a device of this host, which can't go with it");
    }
    // One machine has one cache and one set of files, and an operator who says --unsafe answers for both.
    if journey.same_machine || journey.unchecked {
        return allow();
    }
    match disks::objection(&migration::disks::list(), &config.shared) {
        Some(why) => deny(why),
        None => allow(),
    }
}

reeve_sdk::policy!(Precheck: migrate_out, migrate_in);

#[cfg(test)]
mod tests {
    use reeve_sdk::migration::{CacheMode, MigratedDisk};
    use reeve_sdk::testing::{self, Domain, Host};

    use super::*;

    fn asked(config: &str, domain: &Domain, journey: &Journey) -> Decision {
        Precheck::migrate_out(&testing::context(config), &domain.config(), journey)
    }

    #[test]
    fn disks_are_looked_at_where_two_machines_open_them() {
        let disk = MigratedDisk {
            cache: CacheMode::Writeback,
            coherent: false,
            ..testing::migrated_disk("vda", "/a.img")
        };
        testing::set_host(Host { migrated_disks: vec![disk], ..Host::default() });
        let (away, plain) = (testing::journey(), Domain::default());
        assert!(
            matches!(asked("{}", &plain, &away), Ok(Verdict::Deny(why)) if why.contains("disk 'vda' has cache 'writeback'"))
        );
        for journey in
            [Journey { same_machine: true, ..away.clone() }, Journey { unchecked: true, ..away.clone() }]
        {
            assert_eq!(asked("{}", &plain, &journey), allow());
        }
    }

    #[test]
    fn the_way_the_version_and_the_hosts_own_devices_count_too() {
        let away = testing::journey();
        let plain = Domain::default();
        assert_eq!(
            asked(r#"{"transports": ["tls"]}"#, &plain, &Journey { transport: "tls".into(), ..away.clone() }),
            allow()
        );
        let over_tcp = Journey { transport: "tcp".into(), ..away.clone() };
        assert!(matches!(asked(r#"{"transports": ["tls"]}"#, &plain, &over_tcp), Ok(Verdict::Deny(_))));
        let given = Domain {
            xml: "<domain><devices><hostdev mode='subsystem'/></devices></domain>".into(),
            ..plain.clone()
        };
        assert!(
            matches!(asked("{}", &given, &away), Ok(Verdict::Deny(why)) if why.contains("device of this host"))
        );
        let mut newer = away;
        newer.source.version = "1.0.0".into();
        assert!(matches!(asked("{}", &plain, &newer), Ok(Verdict::Deny(why)) if why.contains("major")));
    }
}
