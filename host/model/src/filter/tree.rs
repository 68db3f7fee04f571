//! A filter with everything it refers to, as a policy gets it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::FilterRule;
use crate::MacAddress;

/// A filter and all it refers to, without loops. A filter that is referred to twice is in it twice where its variables differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterTree {
    /// All filters; the first is the root.
    pub filters: Vec<TreeFilter>,
}

/// A filter of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeFilter {
    /// Its name.
    pub name: String,
    /// Its chain.
    pub chain: String,
    /// Priority of the chain.
    pub priority: i32,
    /// Variables as this filter sees them: its own of the reference, then those of the referring filters, then the interface's.
    pub variables: BTreeMap<String, Vec<String>>,
    /// References and rules in document order.
    pub entries: Vec<TreeEntry>,
}

/// An entry of a filter of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreeEntry {
    /// Another filter of the tree, by its position; always a later one.
    Reference(u32),
    /// A rule.
    Rule(FilterRule),
}

/// The interface that a ruleset is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterSubject {
    /// The domain.
    pub domain: Uuid,
    /// Its name.
    pub domain_name: String,
    /// Name of the tap on the host.
    pub link: String,
    /// MAC address of the guest's interface.
    pub mac: MacAddress,
    /// Addresses that are known, from the document or learned.
    pub addresses: Vec<IpAddr>,
}
