//! Which guests may move where.

mod versions;

use reeve_sdk::migration::Journey;
use reeve_sdk::prelude::*;
use serde::Deserialize;
pub use versions::{Support, support};

/// Caches with which another host sees what was written.
const SAFE_CACHES: [&str; 2] = ["none", "directsync"];

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
    match disk(domain, &config.shared).filter(|_| !journey.same_machine && !journey.unchecked) {
        Some(why) => deny(why),
        None => allow(),
    }
}

/// What is wrong with a disk.
fn disk(domain: &DomainConfig, shared: &[String]) -> Option<String> {
    domain.disks().iter().filter(|disk| !disk.readonly).find_map(|disk| {
        let (source, target) = (disk.source.as_ref()?, &disk.target);
        let within = |folder: &String| {
            let rest = source.strip_prefix(folder.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.starts_with('/')) && !source.contains("/../")
        };
        let cache = disk.cache.as_deref().unwrap_or("writeback");
        if !shared.is_empty() && !shared.iter().any(within) {
            return Some(format!("disk '{target}' is at '{source}', which the other host does not see"));
        }
        (!SAFE_CACHES.contains(&cache)).then(|| {
            format!("disk '{target}' has cache '{cache}': the other host would not see what was written last; give it cache 'none'")
        })
    })
}

reeve_sdk::policy!(Precheck: migrate_out, migrate_in);

#[cfg(test)]
mod tests {
    use reeve_sdk::domain::Disk;
    use reeve_sdk::testing::{self, Domain};

    use super::*;

    fn with_disk(source: &str, cache: Option<&str>) -> Domain {
        let disk = Disk {
            target: "vda".into(),
            device: "disk".into(),
            source: Some(source.into()),
            format: None,
            cache: cache.map(Into::into),
            bus: None,
            readonly: false,
            shareable: false,
        };
        Domain { disks: vec![disk], ..Domain::default() }
    }

    fn asked(config: &str, domain: &Domain, journey: &Journey) -> Decision {
        Precheck::migrate_out(&testing::context(config), &domain.config(), journey)
    }

    #[test]
    fn disks_must_be_where_both_hosts_see_what_was_written() {
        let away = testing::journey();
        let shared = r#"{"shared": ["/srv/images/"]}"#;
        assert_eq!(asked(shared, &with_disk("/srv/images/a.img", Some("none")), &away), allow());
        let denied = |domain: &Domain| match asked(shared, domain, &away) {
            Ok(Verdict::Deny(why)) => why,
            other => format!("{other:?}"),
        };
        assert!(denied(&with_disk("/srv/images/a.img", None)).contains("cache 'writeback'"));
        assert!(denied(&with_disk("/srv/images-too/a.img", Some("none"))).contains("does not see"));
        assert!(denied(&with_disk("/srv/images/../a.img", Some("none"))).contains("does not see"));
        for journey in
            [Journey { same_machine: true, ..away.clone() }, Journey { unchecked: true, ..away.clone() }]
        {
            assert_eq!(asked(shared, &with_disk("/a.img", None), &journey), allow());
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
