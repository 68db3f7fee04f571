//! Names of links.

use std::fmt;
use std::str::FromStr;

/// Longest name the kernel takes (IFNAMSIZ without its zero byte).
const LONGEST: usize = 15;

/// A name the kernel takes for a network link: 1 to 15 bytes, no '/', ':', '%', white space or control character, and none of the names
/// that mean something else in /proc/sys ("all", "default") or in a path (".", "..").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

/// A text can't be the name of a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' can't be the name of a network interface")]
pub struct NameError(pub String);

impl LinkName {
    /// A checked name.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let fits = (1..=LONGEST).contains(&text.len());
        let plain =
            !text.contains(|c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c.is_control());
        let reserved = matches!(text.as_str(), "." | ".." | "all" | "default");
        if fits && plain && !reserved { Ok(Self(text)) } else { Err(NameError(text)) }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_kernel_takes() {
        for good in ["virbr0", "a", "vnet-1.5", "fifteen-bytes-x", "naïve", "..."] {
            assert_eq!(LinkName::new(good).unwrap().as_str(), good);
        }
        let bad = [
            "",
            "sixteen-bytes-xx",
            "a/b",
            "a:1",
            "a%d",
            "a b",
            "a\tb",
            "a\u{a0}b",
            "a\0",
            ".",
            "..",
            "all",
            "default",
        ];
        for bad in bad {
            assert_eq!(LinkName::new(bad), Err(NameError(bad.to_owned())));
        }
    }
}
