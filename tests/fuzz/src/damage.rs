//! Saved state that is well-formed and wrong.

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use serde_json::Value;

/// One value of a document is another one.
#[derive(Debug, Arbitrary)]
pub struct Damage {
    /// Which, in the order in which they are written.
    place: u16,
    other: Other,
}

/// What it is.
#[derive(Debug, Arbitrary)]
enum Other {
    Small(u8),
    Number(u64),
    Negative(i64),
    Flag(bool),
    Text(String),
    Nothing,
    /// A list or text of another length.
    Shorter(u8),
    Longer(u8),
}

impl Damage {
    /// Does it.
    pub fn apply(&self, document: &mut Value) {
        let places = count(document);
        let Some(value) = nth(document, &mut (usize::from(self.place) % places)) else { return };
        match &self.other {
            Other::Small(number) => *value = Value::from(*number),
            Other::Number(number) => *value = Value::from(*number),
            Other::Negative(number) => *value = Value::from(*number),
            Other::Flag(flag) => *value = Value::from(*flag),
            Other::Text(text) => *value = Value::from(text.as_str()),
            Other::Nothing => *value = Value::Null,
            Other::Shorter(by) => {
                if let Value::Array(list) = value {
                    list.truncate(list.len().saturating_sub(usize::from(*by)));
                }
            }
            Other::Longer(by) => {
                if let Value::Array(list) = value
                    && let Some(last) = list.last().cloned()
                {
                    list.extend(std::iter::repeat_n(last, usize::from(*by)));
                }
            }
        }
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(list) => list.iter_mut().find_map(|value| nth(value, left)),
        Value::Object(fields) => fields.values_mut().find_map(|value| nth(value, left)),
        _ => None,
    }
}
