//! What differs between two domain configurations, path by path: the language of rewrite grants and of the decision log.
//!
//! A path names fields of [`DomainConfig`] joined by dots. An element of a list is named by what identifies it where every
//! element has that and no two share it, else by its position: `devices.disks[vda].driver.cache`,
//! `devices.interfaces[00:16:3e:00:00:01].source.bridge`, `devices.rngs[0].device`. Something that is there on one side only
//! is one change with the whole value; another order of the same elements is one change of the list itself.

use std::collections::BTreeMap;

use reeve_model::domain::DomainConfig;
use reeve_model::policy::PathChange;
use serde_json::{Map, Value};

/// Fields that identify an element of a list, the first one that fits wins.
const IDENTITIES: [&str; 6] = ["mac", "target", "alias", "name", "vcpu", "index"];

/// Every change from `before` to `after`, in the order of paths.
pub fn diff(before: &DomainConfig, after: &DomainConfig) -> Vec<PathChange> {
    let mut changes = Vec::new();
    compare("", &json(before), &json(after), &mut changes);
    changes
}

fn json(config: &DomainConfig) -> Value {
    serde_json::to_value(config).expect("a domain has string keys only and always has a JSON form")
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<PathChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => compare_fields(path, before, after, changes),
        (Value::Array(before), Value::Array(after)) => compare_lists(path, before, after, changes),
        _ => changes.push(PathChange { path: path.to_owned(), before: text(before), after: text(after) }),
    }
}

fn compare_fields(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    changes: &mut Vec<PathChange>,
) {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let side = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or(Value::Null);
        compare(&path, &side(before), &side(after), changes);
    }
}

fn compare_lists(path: &str, before: &[Value], after: &[Value], changes: &mut Vec<PathChange>) {
    if let (Some(before), Some(after)) = (pairs(before), pairs(after)) {
        return compare_fields(path, &before, &after, changes);
    }
    let (old_names, new_names) = names(before, after);
    let old: BTreeMap<&String, &Value> = old_names.iter().zip(before).collect();
    let new: BTreeMap<&String, &Value> = new_names.iter().zip(after).collect();
    let common = |names: &[String], other: &BTreeMap<&String, &Value>| -> Vec<String> {
        names.iter().filter(|name| other.contains_key(name)).cloned().collect()
    };
    let (old_order, new_order) = (common(&old_names, &new), common(&new_names, &old));
    if old_order != new_order {
        let (before, after) = (Value::from(old_order), Value::from(new_order));
        changes.push(PathChange { path: path.to_owned(), before: text(&before), after: text(&after) });
    }
    let mut all: Vec<&String> = old.keys().chain(new.keys()).copied().collect();
    all.sort();
    all.dedup();
    for name in all {
        let side = |list: &BTreeMap<&String, &Value>| list.get(name).copied().cloned().unwrap_or(Value::Null);
        compare(&format!("{path}[{name}]"), &side(&old), &side(&new), changes);
    }
}

/// A list of `[name, value]` pairs with unique names as fields: the attributes of a `<source>`.
fn pairs(list: &[Value]) -> Option<Map<String, Value>> {
    let mut fields = Map::new();
    for pair in list {
        let [Value::String(name), value @ Value::String(_)] = pair.as_array()?.as_slice() else {
            return None;
        };
        if fields.insert(name.clone(), value.clone()).is_some() {
            return None;
        }
    }
    Some(fields)
}

/// What the elements of both lists are called: by the first identity that works for both, else by position.
fn names(before: &[Value], after: &[Value]) -> (Vec<String>, Vec<String>) {
    for identity in IDENTITIES {
        if let (Some(before), Some(after)) = (named(before, identity), named(after, identity)) {
            return (before, after);
        }
    }
    let positions = |list: &[Value]| (0..list.len()).map(|position| position.to_string()).collect();
    (positions(before), positions(after))
}

/// The values of one field, if every element has it and no two share one.
fn named(list: &[Value], identity: &str) -> Option<Vec<String>> {
    let mut names = Vec::with_capacity(list.len());
    for element in list {
        let name = match element.get(identity)? {
            Value::String(name) => name.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        if names.contains(&name) {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

fn text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}
