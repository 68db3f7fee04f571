//! Names of clones: the first free one of a pattern, for clones that nobody named and, where the operator says so, for copies that
//! somebody named otherwise.

mod pattern;

pub use pattern::{Numbers, fits, name};
use reeve_sdk::prelude::*;
use reeve_sdk::storage::{CloneRequest, Cloned, Pool, VolumeChanges, VolumeDecision, VolumePlan, volumes};
use serde::Deserialize;

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Pattern of a volume.
    volume: String,
    /// Pattern of a domain.
    domain: String,
    /// The first number.
    first: u64,
    /// Digits that a number has at least.
    width: usize,
    /// Whether copies that were named otherwise are renamed.
    rename: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            volume: "{stem}-clone{n}{ext}".into(),
            domain: "{name}-clone{n}".into(),
            first: 1,
            width: 1,
            rename: false,
        }
    }
}

impl Config {
    fn numbers(&self) -> Numbers {
        Numbers { first: self.first, width: self.width }
    }
}

/// The policy.
struct CloneNaming;

impl Policy for CloneNaming {
    fn clone_name(ctx: &Context, clone: &CloneRequest) -> Result<String, Failure> {
        let config: Config = ctx.parse_config()?;
        let pattern = match clone.kind {
            Cloned::Volume => &config.volume,
            Cloned::Domain => &config.domain,
        };
        Ok(name(pattern, &clone.source, config.numbers(), |name| {
            clone.taken.iter().any(|other| other == name)
        }))
    }

    fn volume_create(ctx: &Context, pool: &Pool, plan: &VolumePlan) -> VolumeDecision {
        let config: Config = ctx.parse_config()?;
        let Some(source) = plan.source.as_ref().filter(|_| config.rename) else { return storage::allow() };
        if fits(&config.volume, &source.name, config.numbers(), &plan.name) {
            return storage::allow();
        }
        let taken = volumes::list(&pool.name)?;
        let is_taken = |name: &str| taken.iter().any(|volume| volume.name == name);
        let name = name(&config.volume, &source.name, config.numbers(), is_taken);
        log::info(format!("the copy '{}' of '{}' becomes '{name}'", plan.name, source.name));
        storage::rewrite(VolumeChanges { name: Some(name), ..VolumeChanges::default() })
    }
}

reeve_sdk::policy!(CloneNaming: clone_name, volume_create);

#[cfg(test)]
mod tests {
    use reeve_sdk::testing::{self, Host};

    use super::*;

    #[test]
    fn volumes_and_domains_have_their_patterns() {
        let ctx = testing::context(r#"{"domain": "{name}.{n}", "width": 2}"#);
        let clone = |kind, source: &str, taken: &[&str]| CloneRequest {
            kind,
            source: source.into(),
            pool: None,
            taken: taken.iter().map(|name| (*name).to_owned()).collect(),
        };
        let named = |clone| CloneNaming::clone_name(&ctx, &clone);
        assert_eq!(named(clone(Cloned::Domain, "web", &["web.01"])), Ok("web.02".into()));
        assert_eq!(named(clone(Cloned::Volume, "web.img", &[])), Ok("web-clone01.img".into()));
    }

    #[test]
    fn a_copy_is_renamed_only_where_the_operator_says_so() {
        let source = testing::volume("lab", "web.img", 10);
        testing::set_host(Host { volumes: vec![source.clone()], ..Host::default() });
        let plan = VolumePlan { source: Some(source), ..testing::plan("mine.img", 10) };
        let create = |config: &str, plan: &VolumePlan| {
            CloneNaming::volume_create(&testing::context(config), &testing::pool("lab", 100), plan)
        };
        let rename = r#"{"rename": true}"#;
        assert_eq!(create("{}", &plan), storage::allow());
        let changes = VolumeChanges { name: Some("web-clone1.img".into()), ..VolumeChanges::default() };
        assert_eq!(create(rename, &plan), storage::rewrite(changes));
        let fitting = VolumePlan { name: "web-clone7.img".into(), ..plan };
        assert_eq!(create(rename, &fitting), storage::allow());
        assert_eq!(create(rename, &testing::plan("new.img", 10)), storage::allow(), "no copy of anything");
    }
}
