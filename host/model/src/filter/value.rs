//! Values of attributes: literals and variables.

use serde::{Deserialize, Serialize};

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// As it is written.
    Literal(String),
    /// `$NAME`, `$NAME[2]` or `$NAME[@1]`.
    Variable {
        /// Its name, without the `$`.
        name: String,
        /// Which of its values.
        access: Access,
    },
}

/// Which values of a list are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// The value at this position, from 0.
    Element(u32),
    /// All values, one rule each; variables with the same iterator go in step, others are combined. `$NAME` is iterator 0.
    Iterator(u32),
}

/// A text that looks like a variable and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a variable: write $NAME, $NAME[2] or $NAME[@1]")]
pub struct BadVariable(pub String);

impl Value {
    /// Reads an attribute's text.
    pub fn parse(text: &str) -> Result<Self, BadVariable> {
        let Some(variable) = text.strip_prefix('$') else { return Ok(Self::Literal(text.to_owned())) };
        let bad = || BadVariable(text.chars().take(64).collect());
        let (name, access) = match variable.split_once('[') {
            None => (variable, Access::Iterator(0)),
            Some((name, rest)) => {
                let index = rest.strip_suffix(']').ok_or_else(bad)?;
                let number = |digits: &str| {
                    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
                    plain.then(|| digits.parse().ok()).flatten().ok_or_else(bad)
                };
                match index.strip_prefix('@') {
                    Some(iterator) => (name, Access::Iterator(number(iterator)?)),
                    None => (name, Access::Element(number(index)?)),
                }
            }
        };
        if !is_variable_name(name) {
            return Err(bad());
        }
        Ok(Self::Variable { name: name.to_owned(), access })
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Variable { name, access: Access::Iterator(0) } => write!(f, "${name}"),
            Self::Variable { name, access: Access::Iterator(id) } => write!(f, "${name}[@{id}]"),
            Self::Variable { name, access: Access::Element(index) } => write!(f, "${name}[{index}]"),
        }
    }
}

/// True for letters, digits and `_`.
pub fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{Access, Value};

    #[test]
    fn variables_are_told_from_literals() {
        let variable = |text: &str| match Value::parse(text).unwrap() {
            Value::Variable { name, access } => (name, access),
            Value::Literal(text) => panic!("{text}"),
        };
        assert_eq!(variable("$IP"), ("IP".to_owned(), Access::Iterator(0)));
        assert_eq!(variable("$PORTS[1]"), ("PORTS".to_owned(), Access::Element(1)));
        assert_eq!(variable("$PORTS[@2]"), ("PORTS".to_owned(), Access::Iterator(2)));
        assert_eq!(Value::parse("10.0.0.1").unwrap(), Value::Literal("10.0.0.1".to_owned()));
        for bad in ["$", "$A[", "$A[]", "$A[@]", "$A[1", "$A-B", "$A[+1]", "$A[99999999999]"] {
            assert!(Value::parse(bad).is_err(), "{bad}");
        }
        for text in ["$IP", "$PORTS[1]", "$PORTS[@2]", "ff:ff:ff:ff:ff:ff"] {
            assert_eq!(Value::parse(text).unwrap().to_string(), text);
        }
    }
}
