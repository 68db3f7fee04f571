//! Text of a guest on its way to an operator.

/// Longest text that is taken over, in characters.
const LONGEST: usize = 1024;

/// Without control characters, which a terminal would obey, and of a length that a person would read.
pub(crate) fn plain(text: &str) -> String {
    let seen = |c: char| if c.is_control() || is_direction(c) { '\u{fffd}' } else { c };
    text.chars().take(LONGEST).map(seen).collect()
}

/// Marks that turn the text after them around.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terminal_obeys_a_guest() {
        assert_eq!(plain("web-1 ünïcode"), "web-1 ünïcode");
        assert_eq!(
            plain("a\u{1b}[2Jb\r\n\u{9b}c\u{202e}d"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c\u{fffd}d"
        );
        assert_eq!(plain(&"x".repeat(5000)).len(), LONGEST);
    }
}
