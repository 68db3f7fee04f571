//! What holds for every filter document, whatever the host.

use super::{
    Attribute, CHAINS, FilterConfig, FilterEntry, FilterRule, Parameter, ProtocolMatch, Value, is_chain_of,
    value::is_variable_name,
};

/// A rule that a document breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FilterViolation {
    /// Where, e.g. `rule[2].tcp.dstportstart`.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// Priorities of chains and rules.
const PRIORITIES: std::ops::RangeInclusive<i32> = -1000..=1000;

fn broken(path: impl Into<String>, message: impl Into<String>) -> Result<(), FilterViolation> {
    Err(FilterViolation { path: path.into(), message: message.into() })
}

impl FilterConfig {
    /// Checks it; the first rule it breaks. Names of other filters may be unknown (guide 18.12.8).
    pub fn check(&self) -> Result<(), FilterViolation> {
        if self.name.trim().is_empty() || self.name.contains(['/', '\n', '\0']) || self.name.len() > 255 {
            return broken("name", "a filter needs a name of 1 to 255 bytes without '/' and line breaks");
        }
        let known = self.chain == "root" || CHAINS.iter().any(|base| is_chain_of(&self.chain, base));
        if !known
            || self.chain.len() > 31
            || !self.chain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        {
            return broken(
                "chain",
                format!("'{}' is neither 'root' nor a chain of {}", self.chain, CHAINS.join(", ")),
            );
        }
        if self.priority.is_some_and(|priority| !PRIORITIES.contains(&priority)) {
            return broken("priority", "a priority is -1000 to 1000");
        }
        let (mut rules, mut references) = (0, 0);
        for entry in &self.entries {
            match entry {
                FilterEntry::Reference(reference) => {
                    let path = format!("filterref[{references}]");
                    references += 1;
                    if reference.filter == self.name {
                        return broken(path, format!("filter '{}' refers to itself", self.name));
                    }
                    check_parameters(&path, &reference.parameters)?;
                }
                FilterEntry::Rule(rule) => {
                    check_rule(&format!("rule[{rules}]"), rule, &self.chain)?;
                    rules += 1;
                }
            }
        }
        Ok(())
    }
}

/// Checks names of variables.
pub fn check_parameters(path: &str, parameters: &[Parameter]) -> Result<(), FilterViolation> {
    match parameters.iter().find(|parameter| !is_variable_name(&parameter.name)) {
        Some(bad) => broken(
            path,
            format!("'{}' can't be the name of a variable: use letters, digits and '_'", bad.name),
        ),
        None => Ok(()),
    }
}

fn check_rule(path: &str, rule: &FilterRule, chain: &str) -> Result<(), FilterViolation> {
    if !PRIORITIES.contains(&rule.priority) {
        return broken(path, "a priority is -1000 to 1000");
    }
    let Some(first) = rule.matches.first() else { return Ok(()) };
    if let Some(other) = rule.matches.iter().find(|node| node.protocol != first.protocol) {
        let (first, other) = (first.protocol.as_str(), other.protocol.as_str());
        return broken(path, format!("a rule is about one protocol, not about '{first}' and '{other}'"));
    }
    if !first.protocol.belongs_in(chain) {
        let protocol = first.protocol.as_str();
        return broken(path, format!("packets of '{protocol}' never come to chain '{chain}'"));
    }
    rule.matches.iter().try_for_each(|node| check_match(path, node))
}

fn check_match(path: &str, node: &ProtocolMatch) -> Result<(), FilterViolation> {
    let path = format!("{path}.{}", node.protocol.as_str());
    for condition in &node.conditions {
        let attribute = condition.attribute.as_str();
        let Some(datatype) = node.protocol.datatype(condition.attribute) else {
            return broken(path, format!("'{}' has no attribute '{attribute}'", node.protocol.as_str()));
        };
        if let Value::Literal(text) = &condition.value
            && !datatype.accepts(text)
        {
            let text: String = text.chars().take(64).collect();
            let message = format!(
                "'{text}' is no value of '{attribute}' of protocol '{}': {datatype}",
                node.protocol.as_str()
            );
            return broken(format!("{path}.{attribute}"), message);
        }
    }
    let has = |attribute| node.conditions.iter().any(|condition| condition.attribute == attribute);
    let needs = |attribute: Attribute, other: Attribute| has(attribute) && !has(other);
    use Attribute as A;
    for (attribute, other) in [
        (A::SrcMacMask, A::SrcMacAddr),
        (A::DstMacMask, A::DstMacAddr),
        (A::SrcIpMask, A::SrcIpAddr),
        (A::DstIpMask, A::DstIpAddr),
        (A::ArpSrcIpMask, A::ArpSrcIpAddr),
        (A::ArpDstIpMask, A::ArpDstIpAddr),
        (A::SrcIpTo, A::SrcIpFrom),
        (A::DstIpTo, A::DstIpFrom),
        (A::SrcPortEnd, A::SrcPortStart),
        (A::DstPortEnd, A::DstPortStart),
        (A::IpSetFlags, A::IpSet),
        (A::IpSet, A::IpSetFlags),
    ] {
        if needs(attribute, other) {
            return broken(path, format!("'{}' needs '{}'", attribute.as_str(), other.as_str()));
        }
    }
    Ok(())
}
