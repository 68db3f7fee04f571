//! How much the volumes of a pool may have, and how many there may be: a guard of what is made, copied and resized.

mod limit;

pub use limit::{Limit, Wanted, objection};
use reeve_sdk::prelude::*;
use reeve_sdk::storage::{Pool, Volume, VolumeDecision, VolumePlan, volumes};
use serde::Deserialize;

/// What the operator may set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// All that fit a volume must hold.
    limits: Vec<Limit>,
}

/// The policy.
struct Quota;

impl Policy for Quota {
    fn volume_create(ctx: &Context, pool: &Pool, plan: &VolumePlan) -> VolumeDecision {
        let wanted = Wanted { pool: &pool.name, name: &plan.name, capacity: plan.capacity, new: true };
        match judge(ctx, &wanted)? {
            Some(reason) => storage::deny(reason),
            None => storage::allow(),
        }
    }

    fn volume_resize(ctx: &Context, pool: &Pool, volume: &Volume, capacity: u64) -> Decision {
        if capacity <= volume.capacity {
            return allow();
        }
        let wanted = Wanted { pool: &pool.name, name: &volume.name, capacity: Some(capacity), new: false };
        match judge(ctx, &wanted)? {
            Some(reason) => deny(reason),
            None => allow(),
        }
    }
}

reeve_sdk::policy!(Quota: volume_create, volume_resize);

/// What is to be said against a volume; nothing is read where no limit fits it.
fn judge(ctx: &Context, wanted: &Wanted<'_>) -> Result<Option<String>, Failure> {
    let config: Config = ctx.parse_config()?;
    let limits: Vec<&Limit> = config.limits.iter().filter(|limit| limit.fits(wanted)).collect();
    if limits.is_empty() {
        return Ok(None);
    }
    let all = volumes::list(wanted.pool)?;
    let others: Vec<(&str, u64)> = (all.iter().filter(|volume| volume.name != wanted.name))
        .map(|volume| (volume.name.as_str(), volume.capacity))
        .collect();
    Ok(limits.into_iter().find_map(|limit| objection(limit, wanted, &others)))
}

#[cfg(test)]
mod tests {
    use reeve_sdk::testing::{self, Host};

    use super::*;

    const CONFIG: &str =
        r#"{"limits": [{"pool": "lab", "max-bytes": 100}, {"prefix": "a-", "max-volumes": 2}]}"#;

    fn create(pool: &str, name: &str, capacity: u64) -> VolumeDecision {
        Quota::volume_create(
            &testing::context(CONFIG),
            &testing::pool(pool, 1000),
            &testing::plan(name, capacity),
        )
    }

    #[test]
    fn bytes_and_count_are_bounded() {
        let volumes = vec![testing::volume("lab", "a-1", 40), testing::volume("lab", "b", 40)];
        testing::set_host(Host { volumes, ..Host::default() });
        assert_eq!(create("lab", "c", 20), storage::allow());
        assert!(
            matches!(create("lab", "c", 21), Ok(storage::VolumeVerdict::Deny(reason)) if reason.contains("101"))
        );
        assert_eq!(create("other", "c", 500), storage::allow(), "no limit of bytes there");
        assert_eq!(create("lab", "a-2", 1), storage::allow());
        let mut host = testing::host();
        host.volumes.push(testing::volume("lab", "a-2", 1));
        testing::set_host(host);
        assert!(matches!(create("lab", "a-3", 1), Ok(storage::VolumeVerdict::Deny(_))));
    }

    #[test]
    fn a_volume_may_shrink_but_not_outgrow() {
        let volume = testing::volume("lab", "b", 90);
        testing::set_host(Host { volumes: vec![volume.clone()], ..Host::default() });
        let resize = |capacity| {
            Quota::volume_resize(&testing::context(CONFIG), &testing::pool("lab", 1000), &volume, capacity)
        };
        assert_eq!((resize(10), resize(100)), (allow(), allow()));
        assert!(matches!(resize(101), Ok(Verdict::Deny(_))));
    }

    #[test]
    fn what_cannot_be_read_is_not_allowed() {
        let failure = Some(testing::error(reeve_sdk::Code::Denied, "no"));
        testing::set_host(Host { failure, ..Host::default() });
        assert!(create("lab", "c", 1).is_err());
        assert_eq!(create("other", "c", 1), storage::allow(), "nothing is read there");
    }
}
