//! `<metadata>`: one child an application, told apart by namespace (guide 20.2).

use crate::error::{Fault, XmlError};
use crate::print;
use crate::tree::{self, Element, Node};

/// The `<metadata>` element with `child` in place of the child of the same namespace, or added to it. `metadata` is the
/// whole element as text; none begins a new one. The child must name a namespace.
pub fn set(metadata: Option<&str>, child: &str) -> Result<String, XmlError> {
    let new = tree::document(child)?;
    let Some(space) = namespace(&new) else {
        let message = format!("<{}> names no namespace; write <app:{} xmlns:app='…'>", new.name, new.name);
        return Err(tree::placed(child, &new, Fault::new(new.offset, message)));
    };
    let mut root = match metadata {
        Some(text) => tree::document(text)?,
        None => Element::new("metadata"),
    };
    let same = |node: &Node<'_>| node.as_element().and_then(namespace).as_deref() == Some(space.as_str());
    match root.children.iter().position(same) {
        Some(position) => root.children[position] = Node::Element(new),
        None => root.children.push(Node::Element(new)),
    }
    Ok(print::fragment(&Node::Element(root)))
}

/// The namespace that an element declares for its own name.
fn namespace(element: &Element<'_>) -> Option<String> {
    let declaration = match element.name.split_once(':') {
        Some((prefix, _)) => format!("xmlns:{prefix}"),
        None => "xmlns".to_owned(),
    };
    element
        .attribute(&declaration)
        .map(|attribute| attribute.value.to_string())
        .filter(|space| !space.is_empty())
}

#[cfg(test)]
mod tests {
    use super::set;

    #[test]
    fn a_child_replaces_the_one_of_its_namespace() {
        let one = set(None, "<a:x xmlns:a='urn:a'>1</a:x>").unwrap();
        let two = set(Some(&one), "<b:y xmlns:b='urn:b'/>").unwrap();
        let three = set(Some(&two), "<q:x xmlns:q='urn:a'>2</q:x>").unwrap();
        assert!(two.contains(">1<") && two.contains("urn:b"), "{two}");
        assert!(!three.contains(">1<") && three.contains(">2<") && three.contains("urn:b"), "{three}");
    }

    #[test]
    fn a_child_without_a_namespace_is_refused() {
        let error = set(None, "<x/>").unwrap_err();
        assert!(error.to_string().contains("names no namespace"), "{error}");
        set(None, "<a:x xmlns:a='urn:a'>").unwrap_err();
    }
}
