//! What nearly every policy uses: `use reeve_sdk::prelude::*;`.

pub use crate::domain::DomainConfig;
pub use crate::events::{DaemonChange, DomainChange, DomainEvent};
pub use crate::{
    Actor, Adjustment, ConfigError, Context, Decision, DiskCache, Edit, Failure, InterfaceSource,
    KsmSnapshot, Occasion, Policy, Verdict, allow, deny, domains, filter, host, kv, log, migration, networks,
    rewrite, storage,
};
