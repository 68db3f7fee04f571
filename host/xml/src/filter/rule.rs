//! `<rule>` and its protocol nodes.

use reeve_model::filter::{
    Attribute, Condition, FilterRule, Protocol, ProtocolMatch, RuleAction, RuleDirection, Value,
};

use crate::error::Fault;
use crate::reader::Reader;
use crate::suggest::nearest;
use crate::tree::Element;

/// The priority of a rule that names none (guide 18.12.9).
const PRIORITY: i32 = 500;

pub(super) fn read(rule: &mut Reader<'_, '_>) -> Result<FilterRule, Fault> {
    let action = rule.required("action", "accept")?.to_ascii_lowercase();
    let action = RuleAction::from_word(&action).ok_or_else(|| {
        let message = format!("action='{action}' is not one of drop, reject, accept, return, continue");
        rule.attribute_fault("action", message)
    })?;
    let direction = rule.required("direction", "inout")?.to_ascii_lowercase();
    let direction = RuleDirection::from_word(&direction).ok_or_else(|| {
        rule.attribute_fault("direction", format!("direction='{direction}' is not one of in, out, inout"))
    })?;
    let read = FilterRule {
        action,
        direction,
        priority: rule.number("priority")?.unwrap_or(PRIORITY),
        statematch: read_statematch(rule)?,
        matches: rule.each_that(|name| Protocol::from_word(name).is_some(), read_match)?,
    };
    let known = Protocol::ALL.iter().map(|protocol| protocol.as_str());
    let unknown = rule.element.elements().find(|node| Protocol::from_word(&node.name).is_none());
    if let Some(node) = unknown {
        let hint = nearest(&node.name, known.clone())
            .map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"));
        let known: Vec<&str> = known.collect();
        let message = format!("'{}' is not a protocol{hint} (there are {})", node.name, known.join(", "));
        return Err(Fault::new(node.offset, message));
    }
    rule.nothing_left()?;
    Ok(read)
}

fn read_statematch(rule: &mut Reader<'_, '_>) -> Result<bool, Fault> {
    match rule.attribute("statematch") {
        None => Ok(true),
        Some(word) if word == "1" || word.eq_ignore_ascii_case("true") => Ok(true),
        Some(word) if word == "0" || word.eq_ignore_ascii_case("false") => Ok(false),
        Some(word) => {
            let message = format!("statematch='{word}' is not one of true, 1, false, 0");
            Err(rule.attribute_fault("statematch", message))
        }
    }
}

fn read_match(node: &mut Reader<'_, '_>) -> Result<ProtocolMatch, Fault> {
    let element = node.element;
    let name = element.name.as_ref();
    let protocol =
        Protocol::from_word(name).ok_or_else(|| node.fault(format!("'{name}' is not a protocol")))?;
    let negated = node.either("match", "no", "yes")?.unwrap_or_default();
    let mut conditions: Vec<Condition> = vec![];
    for written in element.attributes.iter().filter(|attribute| attribute.name != "match") {
        let attribute =
            attribute_of(protocol, &written.name).map_err(|message| Fault::new(written.offset, message))?;
        if conditions.iter().any(|condition| condition.attribute == attribute) {
            let message = format!("'{}' stands twice", attribute.as_str());
            return Err(Fault::new(written.offset, message));
        }
        node.attribute(&written.name);
        let value = match attribute {
            Attribute::Comment => Value::Literal(written.value.to_string()),
            _ => Value::parse(&written.value).map_err(|bad| Fault::new(written.offset, bad.to_string()))?,
        };
        conditions.push(Condition { attribute, value });
    }
    node.nothing_left()?;
    Ok(ProtocolMatch { protocol, negated, conditions })
}

/// The attribute of a protocol that a name means; the error says what the protocol has.
fn attribute_of(protocol: Protocol, name: &str) -> Result<Attribute, String> {
    // The guide's table prints the second spelling, libvirt reads the first.
    let name = if name == "vlan-id" { "vlanid" } else { name };
    let of_protocol =
        || Attribute::ALL.iter().copied().filter(move |attribute| protocol.datatype(*attribute).is_some());
    of_protocol().find(|attribute| attribute.as_str() == name).ok_or_else(|| {
        let known: Vec<&str> = of_protocol().map(Attribute::as_str).collect();
        let hint = nearest(name, known.iter().copied())
            .map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"));
        let protocol = protocol.as_str();
        format!("protocol '{protocol}' has no attribute '{name}'{hint} (it has match, {})", known.join(", "))
    })
}

pub(super) fn write(rule: &FilterRule) -> Element<'_> {
    let mut element = Element::new("rule")
        .with("action", rule.action.as_str())
        .with("direction", rule.direction.as_str())
        .with("priority", rule.priority.to_string());
    if !rule.statematch {
        element.set("statematch", "false");
    }
    element.each(rule.matches.iter().map(write_match))
}

fn write_match(node: &ProtocolMatch) -> Element<'_> {
    let mut element = Element::new(node.protocol.as_str());
    if node.negated {
        element.set("match", "no");
    }
    for condition in &node.conditions {
        element.set(condition.attribute.as_str(), condition.value.to_string());
    }
    element
}
