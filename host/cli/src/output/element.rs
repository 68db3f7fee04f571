//! JSON data as XML elements, for tools that read nothing else.

use reeve_xml::escape;
use serde_json::Value;

/// `value` as an XML document with the root element `name`.
pub(crate) fn draw(name: &str, value: &Value) -> String {
    let mut text = String::new();
    element(name, value, 0, &mut text);
    text
}

fn element(name: &str, value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Null => text.push_str(&format!("{indent}<{name}/>\n")),
        Value::Array(items) if items.is_empty() => text.push_str(&format!("{indent}<{name}/>\n")),
        Value::Array(items) => {
            text.push_str(&format!("{indent}<{name}>\n"));
            for item in items {
                element("item", item, depth + 1, text);
            }
            text.push_str(&format!("{indent}</{name}>\n"));
        }
        Value::Object(fields) => {
            text.push_str(&format!("{indent}<{name}>\n"));
            for (key, field) in fields {
                // Keys of free-form data need not be XML names; all of ours are.
                if is_name(key) {
                    element(key, field, depth + 1, text);
                } else {
                    text.push_str(&format!("{indent}  <entry key=\"{}\">\n", escape(key)));
                    element("value", field, depth + 2, text);
                    text.push_str(&format!("{indent}  </entry>\n"));
                }
            }
            text.push_str(&format!("{indent}</{name}>\n"));
        }
        Value::String(content) => text.push_str(&format!("{indent}<{name}>{}</{name}>\n", escape(content))),
        other => text.push_str(&format!("{indent}<{name}>{other}</{name}>\n")),
    }
}

fn is_name(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_becomes_elements() {
        let value = serde_json::json!({
            "name": "a<b&c", "id": null, "sizes": [1, 2], "none": [], "config": {"max vcpus": "4\u{7}"}
        });
        insta::assert_snapshot!(draw("domain", &value));
    }
}
