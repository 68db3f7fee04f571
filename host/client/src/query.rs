//! Paths and query strings.

use std::fmt::Write as _;

use serde::Serialize;

/// A path with a query string that is built key by key.
#[derive(Debug)]
pub(crate) struct Target(String);

impl Target {
    /// `/v1` and `segments`, each escaped.
    pub(crate) fn new(segments: &[&str]) -> Self {
        let mut path = String::from("/v1");
        for segment in segments {
            path.push('/');
            escape(segment, &mut path);
        }
        Self(path)
    }

    /// Adds one key of the query string.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        escape(key, &mut self.0);
        self.0.push('=');
        escape(value, &mut self.0);
        self
    }

    /// Adds the fields of `query`, a flat struct; fields that are none are left out.
    pub(crate) fn with_fields(mut self, query: &impl Serialize) -> Self {
        let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(query) else { return self };
        for (key, value) in fields {
            self = match value {
                serde_json::Value::Null => self,
                serde_json::Value::String(text) => self.with(&key, &text),
                other => self.with(&key, &other.to_string()),
            };
        }
        self
    }

    /// The finished request target.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Appends `text`, everything but RFC 3986 unreserved characters percent-encoded.
fn escape(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            write!(to, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reeve_model::DomainState;
    use reeve_model::api::DomainFilter;

    #[test]
    fn segments_and_values_are_escaped() {
        let target = Target::new(&["domains", "a/b c"]).with("grant", "domain:read name=web-*&x");
        assert_eq!(target.into_string(), "/v1/domains/a%2Fb%20c?grant=domain%3Aread%20name%3Dweb-%2A%26x");
    }

    #[test]
    fn fields_that_are_none_are_left_out() {
        let filter =
            DomainFilter { active: Some(true), state: Some(DomainState::ShutOff), ..DomainFilter::default() };
        let target = Target::new(&["domains"]).with_fields(&filter).into_string();
        assert_eq!(target, "/v1/domains?active=true&state=shut-off");
    }
}
