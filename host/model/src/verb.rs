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
    /// Pause and resume.
    #[serde(rename = "domain:suspend")]
    DomainSuspend,
    /// Change balloon, autostart and other settings.
    #[serde(rename = "domain:configure")]
    DomainConfigure,
    /// Plug and unplug devices.
    #[serde(rename = "domain:device")]
    DomainDevice,
    /// Read and write a console.
    #[serde(rename = "domain:console")]
    DomainConsole,
    /// Rewrite a domain document from a guard; subjects are paths.
    #[serde(rename = "domain:rewrite")]
    DomainRewrite,
    /// Read what the host is and how it is loaded.
    #[serde(rename = "node:read")]
    NodeRead,
    /// Change kernel samepage merging.
    #[serde(rename = "node.ksm:write")]
    KsmWrite,
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
    pub const ALL: [Self; 22] = [
        Self::DomainRead,
        Self::DomainDefine,
        Self::DomainUndefine,
        Self::DomainStart,
        Self::DomainShutdown,
        Self::DomainDestroy,
        Self::DomainSuspend,
        Self::DomainConfigure,
        Self::DomainDevice,
        Self::DomainConsole,
        Self::DomainRewrite,
        Self::NodeRead,
        Self::KsmWrite,
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
            Self::DomainSuspend => "domain:suspend",
            Self::DomainConfigure => "domain:configure",
            Self::DomainDevice => "domain:device",
            Self::DomainConsole => "domain:console",
            Self::DomainRewrite => "domain:rewrite",
            Self::NodeRead => "node:read",
            Self::KsmWrite => "node.ksm:write",
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
