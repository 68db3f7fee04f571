//! The verb vocabulary: one table for client authorization, policy grants and the event log.

use serde::{Deserialize, Serialize};

/// Something an actor may be allowed to do. Written `noun:verb`, e.g. `domain:start`, in grants and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verb {
    /// Read definitions, states and statistics of domains.
    #[serde(rename = "domain:read")]
    DomainRead,
    /// Add or replace a definition.
    #[serde(rename = "domain:define")]
    DomainDefine,
    /// Remove a definition.
    #[serde(rename = "domain:undefine")]
    DomainUndefine,
    /// Start a domain, or create a transient one.
    #[serde(rename = "domain:start")]
    DomainStart,
    /// Ask a domain to shut down or reboot.
    #[serde(rename = "domain:shutdown")]
    DomainShutdown,
    /// Stop or reset a domain by force.
    #[serde(rename = "domain:destroy")]
    DomainDestroy,
    /// Save to a file and stop.
    #[serde(rename = "domain:save")]
    DomainSave,
    /// Make snapshots, go back to them, delete them.
    #[serde(rename = "domain:snapshot")]
    DomainSnapshot,
    /// Pause and resume.
    #[serde(rename = "domain:suspend")]
    DomainSuspend,
    /// Move a domain to another host, or take one in.
    #[serde(rename = "domain:migrate")]
    DomainMigrate,
    /// Change balloon, autostart and other settings.
    #[serde(rename = "domain:configure")]
    DomainConfigure,
    /// Plug and unplug devices.
    #[serde(rename = "domain:device")]
    DomainDevice,
    /// Read and write a console.
    #[serde(rename = "domain:console")]
    DomainConsole,
    /// Ask the agent in a guest, and have it do things.
    #[serde(rename = "domain:agent")]
    DomainAgent,
    /// Rewrite a domain document from a guard; subjects are paths.
    #[serde(rename = "domain:rewrite")]
    DomainRewrite,
    /// Read what the host is and how it is loaded.
    #[serde(rename = "node:read")]
    NodeRead,
    /// Change kernel samepage merging.
    #[serde(rename = "node.ksm:write")]
    KsmWrite,
    /// Send the host to sleep.
    #[serde(rename = "node:suspend")]
    NodeSuspend,
    /// See virtual networks, their leases and ports.
    #[serde(rename = "network:read")]
    NetworkRead,
    /// Add, replace or change the definition of a network.
    #[serde(rename = "network:define")]
    NetworkDefine,
    /// Remove the definition of a network.
    #[serde(rename = "network:undefine")]
    NetworkUndefine,
    /// Start a network, or create a transient one.
    #[serde(rename = "network:start")]
    NetworkStart,
    /// Stop a network.
    #[serde(rename = "network:destroy")]
    NetworkDestroy,
    /// Change a network while it runs.
    #[serde(rename = "network:update")]
    NetworkUpdate,
    /// See packet filters and what they are in force on.
    #[serde(rename = "filter:read")]
    FilterRead,
    /// Add or replace a packet filter.
    #[serde(rename = "filter:define")]
    FilterDefine,
    /// Remove a packet filter.
    #[serde(rename = "filter:undefine")]
    FilterUndefine,
    /// See the network interfaces of the host.
    #[serde(rename = "node.interface:read")]
    InterfaceRead,
    /// Change the network interfaces of the host.
    #[serde(rename = "node.interface:write")]
    InterfaceWrite,
    /// See storage pools.
    #[serde(rename = "pool:read")]
    PoolRead,
    /// Add, replace or change the definition of a storage pool.
    #[serde(rename = "pool:define")]
    PoolDefine,
    /// Remove the definition of a storage pool.
    #[serde(rename = "pool:undefine")]
    PoolUndefine,
    /// Make the source of a storage pool, formatting it where asked.
    #[serde(rename = "pool:build")]
    PoolBuild,
    /// Start or refresh a storage pool, or create a transient one.
    #[serde(rename = "pool:start")]
    PoolStart,
    /// Stop a storage pool.
    #[serde(rename = "pool:destroy")]
    PoolDestroy,
    /// Remove the source of a storage pool for good.
    #[serde(rename = "pool:delete")]
    PoolDelete,
    /// See the volumes of storage pools, without their content.
    #[serde(rename = "volume:read")]
    VolumeRead,
    /// Make volumes, or copy them.
    #[serde(rename = "volume:create")]
    VolumeCreate,
    /// Delete volumes.
    #[serde(rename = "volume:delete")]
    VolumeDelete,
    /// Resize and wipe volumes, and write their content.
    #[serde(rename = "volume:change")]
    VolumeChange,
    /// Read the content of volumes.
    #[serde(rename = "volume:download")]
    VolumeDownload,
    /// Rewrite the document of a new volume from a guard; subjects are its fields.
    #[serde(rename = "volume:rewrite")]
    VolumeRewrite,
    /// See what secrets there are, without their values.
    #[serde(rename = "secret:read")]
    SecretRead,
    /// Add or replace secrets.
    #[serde(rename = "secret:define")]
    SecretDefine,
    /// Remove secrets with their values.
    #[serde(rename = "secret:undefine")]
    SecretUndefine,
    /// Give secrets their values.
    #[serde(rename = "secret:set")]
    SecretSet,
    /// Read the values of secrets that are not private.
    #[serde(rename = "secret:reveal")]
    SecretReveal,
    /// Follow events.
    #[serde(rename = "events:read")]
    EventsRead,
    /// See policies and decisions.
    #[serde(rename = "policy:read")]
    PolicyRead,
    /// Load, unload, grant and switch policies.
    #[serde(rename = "policy:admin")]
    PolicyAdmin,
    /// Keep values in the policy's own store.
    #[serde(rename = "kv:use")]
    KvUse,
    /// Read the clocks of WASI and sleep.
    #[serde(rename = "wasi:clocks")]
    WasiClocks,
    /// Draw random numbers through WASI.
    #[serde(rename = "wasi:random")]
    WasiRandom,
    /// Have the standard streams of WASI; output goes to the policy's log.
    #[serde(rename = "wasi:cli")]
    WasiCli,
    /// Read files below a directory through WASI; the subject is the directory.
    #[serde(rename = "fs:read")]
    FsRead,
    /// Read and change files below a directory through WASI; the subject is the directory.
    #[serde(rename = "fs:write")]
    FsWrite,
}

impl Verb {
    /// The whole vocabulary.
    pub const ALL: [Self; 56] = [
        Self::DomainRead,
        Self::DomainDefine,
        Self::DomainUndefine,
        Self::DomainStart,
        Self::DomainShutdown,
        Self::DomainDestroy,
        Self::DomainSave,
        Self::DomainSnapshot,
        Self::DomainSuspend,
        Self::DomainMigrate,
        Self::DomainConfigure,
        Self::DomainDevice,
        Self::DomainConsole,
        Self::DomainAgent,
        Self::DomainRewrite,
        Self::NodeRead,
        Self::KsmWrite,
        Self::NodeSuspend,
        Self::NetworkRead,
        Self::NetworkDefine,
        Self::NetworkUndefine,
        Self::NetworkStart,
        Self::NetworkDestroy,
        Self::NetworkUpdate,
        Self::FilterRead,
        Self::FilterDefine,
        Self::FilterUndefine,
        Self::InterfaceRead,
        Self::InterfaceWrite,
        Self::PoolRead,
        Self::PoolDefine,
        Self::PoolUndefine,
        Self::PoolBuild,
        Self::PoolStart,
        Self::PoolDestroy,
        Self::PoolDelete,
        Self::VolumeRead,
        Self::VolumeCreate,
        Self::VolumeDelete,
        Self::VolumeChange,
        Self::VolumeDownload,
        Self::VolumeRewrite,
        Self::SecretRead,
        Self::SecretDefine,
        Self::SecretUndefine,
        Self::SecretSet,
        Self::SecretReveal,
        Self::EventsRead,
        Self::PolicyRead,
        Self::PolicyAdmin,
        Self::KvUse,
        Self::WasiClocks,
        Self::WasiRandom,
        Self::WasiCli,
        Self::FsRead,
        Self::FsWrite,
    ];

    /// The verb as it is written in grants, e.g. `domain:start`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DomainRead => "domain:read",
            Self::DomainDefine => "domain:define",
            Self::DomainUndefine => "domain:undefine",
            Self::DomainStart => "domain:start",
            Self::DomainShutdown => "domain:shutdown",
            Self::DomainDestroy => "domain:destroy",
            Self::DomainSave => "domain:save",
            Self::DomainSnapshot => "domain:snapshot",
            Self::DomainSuspend => "domain:suspend",
            Self::DomainMigrate => "domain:migrate",
            Self::DomainConfigure => "domain:configure",
            Self::DomainDevice => "domain:device",
            Self::DomainConsole => "domain:console",
            Self::DomainAgent => "domain:agent",
            Self::DomainRewrite => "domain:rewrite",
            Self::NodeRead => "node:read",
            Self::KsmWrite => "node.ksm:write",
            Self::NodeSuspend => "node:suspend",
            Self::NetworkRead => "network:read",
            Self::NetworkDefine => "network:define",
            Self::NetworkUndefine => "network:undefine",
            Self::NetworkStart => "network:start",
            Self::NetworkDestroy => "network:destroy",
            Self::NetworkUpdate => "network:update",
            Self::FilterRead => "filter:read",
            Self::FilterDefine => "filter:define",
            Self::FilterUndefine => "filter:undefine",
            Self::InterfaceRead => "node.interface:read",
            Self::InterfaceWrite => "node.interface:write",
            Self::PoolRead => "pool:read",
            Self::PoolDefine => "pool:define",
            Self::PoolUndefine => "pool:undefine",
            Self::PoolBuild => "pool:build",
            Self::PoolStart => "pool:start",
            Self::PoolDestroy => "pool:destroy",
            Self::PoolDelete => "pool:delete",
            Self::VolumeRead => "volume:read",
            Self::VolumeCreate => "volume:create",
            Self::VolumeDelete => "volume:delete",
            Self::VolumeChange => "volume:change",
            Self::VolumeDownload => "volume:download",
            Self::VolumeRewrite => "volume:rewrite",
            Self::SecretRead => "secret:read",
            Self::SecretDefine => "secret:define",
            Self::SecretUndefine => "secret:undefine",
            Self::SecretSet => "secret:set",
            Self::SecretReveal => "secret:reveal",
            Self::EventsRead => "events:read",
            Self::PolicyRead => "policy:read",
            Self::PolicyAdmin => "policy:admin",
            Self::KvUse => "kv:use",
            Self::WasiClocks => "wasi:clocks",
            Self::WasiRandom => "wasi:random",
            Self::WasiCli => "wasi:cli",
            Self::FsRead => "fs:read",
            Self::FsWrite => "fs:write",
        }
    }

    /// The verb written so, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
