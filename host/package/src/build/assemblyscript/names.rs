//! Names of the contract as AssemblyScript writes them, and its comments.

use wit_parser::Docs;

/// Words that no parameter or field may be called.
const RESERVED: [&str; 15] = [
    "class",
    "continue",
    "default",
    "delete",
    "enum",
    "export",
    "function",
    "import",
    "in",
    "interface",
    "new",
    "return",
    "super",
    "this",
    "void",
];

/// `domain-config` as `DomainConfig`. `Error` is a class of the language.
pub(super) fn pascal(name: &str) -> String {
    if name == "error" {
        return "HostError".to_owned();
    }
    name.split('-').map(capitalised).collect()
}

/// `domain-config` as `domainConfig`.
pub(super) fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let mut out = words.next().unwrap_or_default().to_owned();
    out.extend(words.map(capitalised));
    out
}

/// A parameter's or field's name.
pub(super) fn value(name: &str) -> String {
    let name = camel(name);
    if RESERVED.contains(&name.as_str()) { format!("{name}_") } else { name }
}

/// The function or method of a WIT name like `[method]domain-config.memory`.
pub(super) fn member(name: &str) -> &str {
    name.rsplit(['.', ']']).next().unwrap_or(name)
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_ascii_uppercase() + rest
}

/// A comment in front of a declaration; empty where the contract says nothing.
pub(super) fn comment(docs: &Docs, indent: &str) -> String {
    let text = docs.contents.as_deref().unwrap_or_default();
    let text = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    if text.is_empty() { String::new() } else { format!("{indent}/** {} */\n", text.replace("*/", "* /")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_language() {
        assert_eq!(
            (pascal("pm-suspended"), camel("pm-suspended")),
            ("PmSuspended".into(), "pmSuspended".into())
        );
        assert_eq!((pascal("error"), value("interface")), ("HostError".into(), "interface_".into()));
        assert_eq!((member("[method]domain-config.memory"), member("get-info")), ("memory", "get-info"));
    }
}
