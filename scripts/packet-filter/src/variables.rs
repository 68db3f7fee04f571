//! Variables (guide 18.12.4): a rule that uses lists becomes several rules, one for each combination of values.

use std::collections::BTreeMap;

use reeve_sdk::Failure;
use reeve_sdk::filter::tree::{Access, ProtocolMatch, Value, Variable};

use crate::gather::Placed;

/// The most rules that one rule may become.
const MOST: usize = 10_000;

/// A protocol node with its values.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) negated: bool,
    pub(crate) conditions: Vec<(&'a str, Values<'a>)>,
}

/// What an attribute is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values<'a> {
    /// One value.
    One(&'a str),
    /// All values of a variable at once: any of them, or, negated, none of them.
    Any(&'a [String]),
}

impl<'a> Node<'a> {
    /// The one value of an attribute.
    pub(crate) fn one(&self, attribute: &str) -> Option<&'a str> {
        match self.values(attribute)? {
            Values::One(value) => Some(value),
            Values::Any(_) => None,
        }
    }

    /// What an attribute is compared with.
    pub(crate) fn values(&self, attribute: &str) -> Option<&Values<'a>> {
        self.conditions.iter().find(|(name, _)| *name == attribute).map(|(_, values)| values)
    }
}

/// Attributes whose lists can be looked up at once: they stand alone and are of one type.
fn stands_alone(attribute: &str, node: &ProtocolMatch) -> bool {
    let absent = |other: &str| !node.conditions.iter().any(|condition| condition.attribute == other);
    match attribute {
        "srcipaddr" => absent("srcipmask"),
        "dstipaddr" => absent("dstipmask"),
        "srcmacaddr" => absent("srcmacmask"),
        "dstmacaddr" => absent("dstmacmask"),
        "arpsrcipaddr" => absent("arpsrcipmask"),
        "arpdstipaddr" => absent("arpdstipmask"),
        "arpsrcmacaddr" | "arpdstmacaddr" => true,
        "srcportstart" => absent("srcportend"),
        "dstportstart" => absent("dstportend"),
        _ => false,
    }
}

/// The rule's nodes, once for each combination of values. Nothing where a list is empty: there is no packet that has one of its values.
pub(crate) fn expand<'a>(placed: Placed<'a>) -> Result<Vec<Vec<Node<'a>>>, Failure> {
    let Placed { rule, filter } = placed;
    let mut iterators: BTreeMap<u32, Vec<&'a Variable>> = BTreeMap::new();
    let mut uses: BTreeMap<u32, usize> = BTreeMap::new();
    for condition in rule.matches.iter().flat_map(|node| &node.conditions) {
        if let Value::Variable(variable) = &condition.value
            && let Access::Iterator(id) = variable.access
        {
            *uses.entry(id).or_default() += 1;
        }
    }
    let whole = |node: &ProtocolMatch, attribute: &str, variable: &Variable| match variable.access {
        Access::Iterator(id) => uses.get(&id) == Some(&1) && stands_alone(attribute, node),
        Access::Element(_) => false,
    };
    for node in &rule.matches {
        for condition in &node.conditions {
            if let Value::Variable(variable) = &condition.value
                && let Access::Iterator(id) = variable.access
                && !whole(node, &condition.attribute, variable)
            {
                iterators.entry(id).or_default().push(variable);
            }
        }
    }
    let values = |variable: &Variable| -> &'a [String] {
        let found = filter.variables.iter().find(|parameter| parameter.name == variable.name);
        found.map_or(&[], |parameter| parameter.values.as_slice())
    };
    let mut combinations: Vec<BTreeMap<u32, usize>> = vec![BTreeMap::new()];
    for (id, variables) in &iterators {
        let length = values(variables[0]).len();
        if let Some(other) = variables.iter().find(|variable| values(variable).len() != length) {
            return Err(failure(
                placed,
                &format!(
                    "variables '{}' and '{}' go in step (iterator {id}) but have {length} and {} values",
                    variables[0].name,
                    other.name,
                    values(other).len()
                ),
            ));
        }
        if combinations.len().saturating_mul(length) > MOST {
            return Err(failure(placed, &format!("its variables have more than {MOST} combinations")));
        }
        // The first iterator is the slowest.
        combinations = (combinations.iter())
            .flat_map(|chosen| {
                (0..length).map(|index| {
                    let mut chosen = chosen.clone();
                    chosen.insert(*id, index);
                    chosen
                })
            })
            .collect();
    }
    let mut all = Vec::with_capacity(combinations.len());
    for chosen in &combinations {
        let mut nodes = Vec::with_capacity(rule.matches.len());
        let mut possible = true;
        for node in &rule.matches {
            let mut conditions = Vec::with_capacity(node.conditions.len());
            for condition in &node.conditions {
                let attribute = condition.attribute.as_str();
                let value = match &condition.value {
                    Value::Literal(text) => Values::One(text),
                    Value::Variable(variable) => match variable.access {
                        Access::Element(index) => {
                            let list = values(variable);
                            let element = usize::try_from(index).ok().and_then(|index| list.get(index));
                            Values::One(element.ok_or_else(|| {
                                let count = list.len();
                                failure(
                                    placed,
                                    &format!(
                                        "variable '{}' has {count} values, none at {index}",
                                        variable.name
                                    ),
                                )
                            })?)
                        }
                        Access::Iterator(_) if whole(node, attribute, variable) => match values(variable) {
                            [one] => Values::One(one),
                            // No packet has one of no values; every packet differs from all of none.
                            [] if node.negated => continue,
                            [] => {
                                possible = false;
                                continue;
                            }
                            many => Values::Any(many),
                        },
                        Access::Iterator(id) => Values::One(&values(variable)[chosen[&id]]),
                    },
                };
                conditions.push((attribute, value));
            }
            nodes.push(Node { protocol: &node.protocol, negated: node.negated, conditions });
        }
        if possible {
            all.push(nodes);
        }
    }
    Ok(all)
}

/// A failure that names the filter and the rule.
pub(crate) fn failure(placed: Placed<'_>, why: &str) -> Failure {
    let protocol = placed.protocol().unwrap_or("any");
    let (filter, priority) = (&placed.filter.name, placed.rule.priority);
    Failure { message: format!("filter '{filter}', rule of '{protocol}' with priority {priority}: {why}") }
}
