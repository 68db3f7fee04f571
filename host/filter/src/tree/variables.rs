//! Whether every variable has values that fit where it is used.

use std::collections::BTreeMap;
use std::net::IpAddr;

use reeve_model::filter::{Access, Attribute, Datatype, FilterRule, TreeEntry, TreeFilter, Value};

use super::{TreeError, Variables};

/// How an interface's address is found out (guide 18.12.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningMode {
    /// From the first packet that carries one; a single address that stays.
    Any,
    /// From the leases that a DHCP server gives, as long as they last.
    Dhcp,
}

/// Checks a filter. The number of rules that it becomes; sets `learning` when the address of the interface is wanted and not known.
pub fn check(filter: &TreeFilter, learning: &mut Option<LearningMode>) -> Result<usize, TreeError> {
    let rules = filter.entries.iter().filter_map(|entry| match entry {
        TreeEntry::Rule(rule) => Some(rule),
        TreeEntry::Reference(_) => None,
    });
    let mut expansions = 0_usize;
    for (position, rule) in rules.enumerate() {
        expansions = expansions.saturating_add(check_rule(filter, position, rule, learning)?);
    }
    Ok(expansions)
}

fn check_rule(
    filter: &TreeFilter,
    rule: usize,
    config: &FilterRule,
    learning: &mut Option<LearningMode>,
) -> Result<usize, TreeError> {
    // Length of the lists that each iterator goes through.
    let mut iterators: BTreeMap<u32, usize> = BTreeMap::new();
    for node in &config.matches {
        for condition in &node.conditions {
            let Value::Variable { name, access } = &condition.value else { continue };
            let name = || name.clone();
            let Some(values) = filter.variables.get(&name()).filter(|values| !values.is_empty()) else {
                let missing = TreeError::Variable { filter: filter.name.clone(), rule, variable: name() };
                *learning = learning.or(Some(mode(filter, &name())?.ok_or(missing)?));
                continue;
            };
            let used = match access {
                Access::Iterator(id) => {
                    let length = *iterators.entry(*id).or_insert(values.len());
                    if length != values.len() {
                        let filter = filter.name.clone();
                        return Err(TreeError::Uneven { filter, rule, one: length, other: values.len() });
                    }
                    &values[..]
                }
                Access::Element(index) => {
                    let position = *index as usize;
                    values.get(position..=position).ok_or_else(|| TreeError::Element {
                        filter: filter.name.clone(),
                        rule,
                        variable: name(),
                        index: *index,
                        count: values.len(),
                    })?
                }
            };
            // Documents are checked when they are defined, so the attribute is one of its protocol's.
            let datatype = node.protocol.datatype(condition.attribute).unwrap_or(Datatype::Text);
            if let Some(bad) = used.iter().find(|value| !datatype.accepts(value)) {
                return Err(TreeError::Value {
                    filter: filter.name.clone(),
                    rule,
                    attribute: Attribute::as_str(condition.attribute),
                    variable: name(),
                    value: bad.chars().take(64).collect(),
                });
            }
        }
    }
    Ok(iterators.values().fold(1, |product: usize, length| product.saturating_mul(*length)))
}

/// How a variable without value is found out; none when it can't be.
fn mode(filter: &TreeFilter, variable: &str) -> Result<Option<LearningMode>, TreeError> {
    if variable != "IP" {
        return Ok(None);
    }
    let value = filter.variables.get("CTRL_IP_LEARNING").and_then(|values| values.first());
    match value.map_or("any", String::as_str) {
        "any" => Ok(Some(LearningMode::Any)),
        "dhcp" => Ok(Some(LearningMode::Dhcp)),
        "none" => Ok(None),
        other => {
            Err(TreeError::Learning { filter: filter.name.clone(), value: other.chars().take(64).collect() })
        }
    }
}

/// The servers that an interface trusts.
pub fn dhcp_servers(variables: &Variables, filter: &str) -> Result<Vec<IpAddr>, TreeError> {
    let values = variables.get("DHCPSERVER").map_or(&[][..], Vec::as_slice);
    let servers = values.iter().map(|value| {
        let bad = || TreeError::Server { filter: filter.to_owned(), value: value.chars().take(64).collect() };
        value.parse().map_err(|_| bad())
    });
    servers.collect()
}
