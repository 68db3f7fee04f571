//! Typed edits: how a guard policy changes a domain document (design: the policy platform, "What a hook sees and says").

use serde::{Deserialize, Serialize};

use crate::Bytes;

/// One change to a domain document. The host applies it, validates the result as if an operator had written it, and checks
/// that every changed path lies within the policy's grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum Edit {
    /// Maximum memory; current memory is lowered to it when above.
    SetMemory {
        /// New maximum.
        bytes: Bytes,
    },
    /// Current memory.
    SetCurrentMemory {
        /// New size, at most the maximum.
        bytes: Bytes,
    },
    /// Maximum vCPUs; `current` is lowered to it when above.
    SetVcpus {
        /// New count, at least 1.
        count: u32,
    },
    /// `<cputune><shares>`.
    SetCpuShares {
        /// Relative weight.
        shares: u64,
    },
    /// Cache mode of one disk.
    SetDiskCache {
        /// Target of the disk, e.g. `vda`.
        target: String,
        /// New cache mode.
        cache: String,
    },
    /// Source attribute of one interface, found by its MAC.
    SetInterfaceSource {
        /// MAC of the interface.
        mac: String,
        /// Attribute of `<source>`, e.g. `bridge`.
        attribute: String,
        /// New value.
        value: String,
    },
    /// Title of the domain.
    SetTitle {
        /// New title; empty removes it.
        title: String,
    },
    /// Kernel command line.
    SetCmdline {
        /// New command line.
        cmdline: String,
    },
    /// One application's child of `<metadata>`.
    SetMetadata {
        /// XML text of the child; it replaces a child with the same namespace.
        xml: String,
    },
    /// A new device.
    AddDevice {
        /// XML text of the device element.
        xml: String,
    },
    /// A device is taken out.
    RemoveDevice {
        /// Its alias, or the target of a disk or interface.
        alias: String,
    },
    /// The whole document; name and UUID must stay.
    Replace {
        /// XML text of the document.
        xml: String,
    },
}
