//! Text for documents that are written by hand: reports, answers in XML.

use crate::tree::is_legal;

/// Text as it may stand in an element or between the quotes of an attribute. What XML 1.0 cannot hold becomes U+FFFD.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\r' => escaped.push_str("&#13;"),
            legal if is_legal(legal) => escaped.push(legal),
            _ => escaped.push(char::REPLACEMENT_CHARACTER),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_escaped_and_what_xml_cannot_hold_replaced() {
        assert_eq!(
            escape("a\u{0}<b a='\"&'>\u{1b}\u{ffff}"),
            "a\u{fffd}&lt;b a=&apos;&quot;&amp;&apos;&gt;\u{fffd}\u{fffd}"
        );
        assert_eq!(escape("lines\n\tstay, \r\n too"), "lines\n\tstay, &#13;\n too");
    }
}
