//! What policies may call: one file an interface of the contract.

pub(crate) mod clock;
pub(crate) mod domain_config;
pub(crate) mod domains;
pub(crate) mod ksm;
pub(crate) mod kv;
pub(crate) mod log;
pub(crate) mod migration_disks;
pub(crate) mod networks;
pub(crate) mod node;
pub(crate) mod pools;
pub(crate) mod timer;
pub(crate) mod volumes;
