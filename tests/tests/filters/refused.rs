//! What can't become rules is refused, and the refusal names the filter and the rule.

use reeve_filter::Resolved;
use reeve_model::filter::{Access, FilterTree, TreeEntry, TreeFilter, Value};

use crate::Outcome;
use crate::host::{self, Filter};

const NODE: &str = "<filter name='test'><rule action='accept' direction='in' priority='321'>\
                    <udp srcipaddr='$A[@1]' dstportstart='$B[@1]'/></rule></filter>";
const EVEN: [(&str, &str); 4] = [("A", "10.0.0.1"), ("A", "10.0.0.2"), ("B", "80"), ("B", "81")];

fn even() -> anyhow::Result<Resolved> {
    Filter { documents: &[NODE], parameters: &EVEN, ..Filter::default() }.tree()
}

#[test]
fn the_host_does_not_ask_about_a_tree_that_has_no_rules() {
    let uneven = Filter { documents: &[NODE], parameters: &EVEN[..3], ..Filter::default() };
    let said = uneven.tree().expect_err("uneven lists").to_string();
    assert!(said.contains("'test'"), "{said}");
    let document = NODE.replace("$B[@1]", "$B[2]");
    let beyond = Filter { documents: &[&document], parameters: &EVEN, ..Filter::default() };
    let said = beyond.tree().expect_err("no third element").to_string();
    assert!(said.contains("'test'") && said.contains("'B'"), "{said}");
    let unknown = Filter { root: "nowhere", ..Filter::default() };
    let said = unknown.tree().expect_err("no filter").to_string();
    assert!(said.contains("'nowhere'"), "{said}");
}

/// What the policy says of a tree that another host would have asked about.
fn refusal(change: impl FnOnce(&mut TreeFilter)) -> anyhow::Result<String> {
    let mut resolved = even()?;
    let FilterTree { filters } = &mut resolved.tree;
    change(&mut filters[0]);
    Ok(host::packet_filter()?.ask(resolved).expect_err("no rules").to_string())
}

#[test]
fn the_policy_names_the_filter_and_the_rule() -> Outcome {
    let said = refusal(|filter| {
        filter.variables.insert("B".to_owned(), vec!["80".to_owned()]);
    })?;
    for part in
        ["'packet-filter'", "'web'", "'tap0'", "filter 'test'", "'udp' with priority 321", "have 2 and 1"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = refusal(|filter| {
        for entry in &mut filter.entries {
            let TreeEntry::Rule(rule) = entry else { continue };
            for condition in rule.matches.iter_mut().flat_map(|node| &mut node.conditions) {
                if let Value::Variable { access, .. } = &mut condition.value {
                    *access = Access::Element(7);
                }
            }
        }
    })?;
    assert!(said.contains("filter 'test'") && said.contains("has 2 values, none at 7"), "{said}");
    // The tree is good as it was.
    host::packet_filter()?.ask(even()?)?;
    Ok(())
}
