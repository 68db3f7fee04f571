//! The configuration schema of a policy: JSON Schema from its manifest, against which every configuration is checked before the
//! policy sees it.
//!
//! The schema is a stranger's and the check runs in the host, so what could make it slow or endless is refused when the component
//! is loaded: recursion, references outside of the schema, regular expressions that backtrack, sheer size.

use std::collections::HashMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::failure::shorten;
use crate::suggest::closest;

/// Bytes of a schema as JSON text.
const SCHEMA_BYTES: usize = 64 * 1024;
/// Values in a schema, those behind references counted wherever they are used.
const SCHEMA_VALUES: u64 = 10_000;
/// Nesting of a schema, references followed.
const SCHEMA_DEPTH: u32 = 64;
/// Bytes of a configuration as JSON text.
const CONFIG_BYTES: usize = 64 * 1024;
/// Bytes of a compiled regular expression.
const PATTERN_BYTES: usize = 256 * 1024;
/// Mistakes that are told at once.
const MISTAKES: usize = 5;

/// Keywords that make the meaning of a reference depend on where it is met, or checks depend on each other.
const REFUSED: [&str; 9] = [
    "$id",
    "id",
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// Keywords whose value maps names of an operator's choice to schemas.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// What a configuration must look like.
#[derive(Debug, Default)]
pub struct ConfigSchema {
    validator: Option<Validator>,
    keys: Vec<String>,
}

impl ConfigSchema {
    /// Reads the schema of a manifest; none accepts every object. The error says what is wrong with it.
    pub fn new(schema: Option<&Value>) -> Result<Self, String> {
        let Some(schema) = schema else { return Ok(Self::default()) };
        let bytes = schema.to_string().len();
        if bytes > SCHEMA_BYTES {
            return Err(format!("it has {bytes} bytes, {SCHEMA_BYTES} are the most"));
        }
        if !schema.is_object() {
            return Err("it must be a JSON object".to_owned());
        }
        let Extent { values, .. } = Measure { root: schema, known: HashMap::new() }.schema(schema, 0)?;
        if values > SCHEMA_VALUES {
            return Err(format!("it has {values} values, {SCHEMA_VALUES} are the most"));
        }
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(schema)
            .map_err(|error| located(&error, &shorten(&error.to_string(), 256)))?;
        let keys = schema.get("properties").and_then(Value::as_object);
        let keys = keys.map(|keys| keys.keys().cloned().collect()).unwrap_or_default();
        Ok(Self { validator: Some(validator), keys })
    }

    /// Checks a configuration. The error names every key that is wrong and why, up to five.
    pub fn check(&self, config: &Value) -> Result<(), String> {
        let bytes = config.to_string().len();
        if bytes > CONFIG_BYTES {
            return Err(format!("it has {bytes} bytes, {CONFIG_BYTES} are the most"));
        }
        let Some(validator) = &self.validator else { return Ok(()) };
        let mut mistakes: Vec<String> =
            validator.iter_errors(config).map(|error| self.mistake(&error)).take(MISTAKES + 1).collect();
        if mistakes.is_empty() {
            return Ok(());
        }
        if mistakes.len() > MISTAKES {
            mistakes[MISTAKES] = "and more".to_owned();
        }
        Err(mistakes.join("; "))
    }

    fn mistake(&self, error: &ValidationError<'_>) -> String {
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let inside = path(error);
                let prefix = if inside.is_empty() { String::new() } else { format!("{inside}.") };
                let unknown = |key: &String| {
                    let known = self.keys.iter().map(String::as_str);
                    let hint = if inside.is_empty() { closest(key, known) } else { None };
                    let hint = hint.map_or_else(String::new, |known| format!(", did you mean '{known}'?"));
                    format!("'{prefix}{}' is no key of it{hint}", shorten(key, 64))
                };
                unexpected.iter().take(MISTAKES).map(unknown).collect::<Vec<_>>().join("; ")
            }
            _ => located(error, &shorten(&error.to_string(), 200)),
        }
    }
}

/// The path of a mistake as people write it: `disks.0.cache`.
fn path(error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().to_string();
    pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
}

fn located(error: &ValidationError<'_>, text: &str) -> String {
    match path(error) {
        path if path.is_empty() => text.to_owned(),
        path => format!("'{path}': {text}"),
    }
}

/// How large a part of a schema is, its references followed.
#[derive(Debug, Clone, Copy)]
struct Extent {
    values: u64,
    height: u32,
}

impl Extent {
    const LEAF: Self = Self { values: 1, height: 0 };

    fn with(self, inner: Self) -> Self {
        let values = self.values.saturating_add(inner.values);
        Self { values, height: self.height.max(inner.height.saturating_add(1)) }
    }
}

/// Measures a schema with its references followed, and refuses what has no end.
struct Measure<'a> {
    root: &'a Value,
    /// What is behind a reference; none while it is being measured.
    known: HashMap<&'a str, Option<Extent>>,
}

impl<'a> Measure<'a> {
    /// A schema, or a list of them, that lies `depth` below the root.
    fn schema(&mut self, value: &'a Value, depth: u32) -> Result<Extent, String> {
        deep_enough(depth)?;
        let mut extent = Extent::LEAF;
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    extent = extent.with(self.keyword(key, value, depth)?);
                }
            }
            Value::Array(items) => {
                for item in items {
                    extent = extent.with(self.schema(item, depth + 1)?);
                }
            }
            _ => {}
        }
        Ok(extent)
    }

    fn keyword(&mut self, key: &'a str, value: &'a Value, depth: u32) -> Result<Extent, String> {
        if REFUSED.contains(&key) {
            return Err(format!("it uses '{key}', which this host does not support"));
        }
        match (key, value) {
            ("$ref", Value::String(reference)) => self.reference(reference, depth),
            ("$ref", _) => Err("'$ref' must be a string".to_owned()),
            // Names of an operator's keys are no keywords.
            (key, Value::Object(named)) if NAMED.contains(&key) => {
                let mut extent = Extent::LEAF;
                for schema in named.values() {
                    extent = extent.with(self.schema(schema, depth + 1)?);
                }
                Ok(extent)
            }
            ("enum" | "const" | "default" | "examples", value) => {
                Ok(Extent { values: values(value), height: 0 })
            }
            (_, value) => self.schema(value, depth + 1),
        }
    }

    fn reference(&mut self, reference: &'a str, depth: u32) -> Result<Extent, String> {
        let place = reference
            .strip_prefix('#')
            .filter(|pointer| pointer.starts_with("/$defs/") || pointer.starts_with("/definitions/"));
        let target = place.and_then(|pointer| self.root.pointer(pointer)).ok_or_else(|| {
            let reference = shorten(reference, 128);
            format!("it refers to '{reference}', only '#/$defs/…' within the schema is allowed")
        })?;
        let extent = match self.known.get(reference) {
            Some(Some(extent)) => *extent,
            Some(None) => return Err(format!("'{}' refers to itself", shorten(reference, 128))),
            None => {
                self.known.insert(reference, None);
                let extent = self.schema(target, depth + 1)?;
                self.known.insert(reference, Some(extent));
                extent
            }
        };
        deep_enough(depth.saturating_add(extent.height))?;
        Ok(extent)
    }
}

fn deep_enough(depth: u32) -> Result<(), String> {
    if depth > SCHEMA_DEPTH {
        return Err(format!("it is nested more than {SCHEMA_DEPTH} deep"));
    }
    Ok(())
}

fn values(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => 1 + fields.values().map(values).sum::<u64>(),
        Value::Array(items) => 1 + items.iter().map(values).sum::<u64>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> ConfigSchema {
        ConfigSchema::new(Some(&json!({
            "type": "object",
            "additionalProperties": false,
            "$defs": { "name": { "type": "string", "pattern": "^[a-z]+$" } },
            "properties": {
                "vcpus-per-cpu": { "type": "number", "minimum": 0.1 },
                "prefixes": { "type": "array", "items": { "$ref": "#/$defs/name" } },
                "id": { "type": "integer" },
                "mode": { "enum": ["a", "b"] },
            },
        })))
        .unwrap()
    }

    #[test]
    fn mistakes_are_named() {
        let schema = schema();
        schema.check(&json!({})).unwrap();
        schema.check(&json!({ "vcpus-per-cpu": 4, "prefixes": ["web"], "id": 1, "mode": "a" })).unwrap();
        for (config, words) in [
            (json!({ "vcpu-per-cpu": 4 }), "'vcpu-per-cpu' is no key of it, did you mean 'vcpus-per-cpu'?"),
            (json!({ "vcpus-per-cpu": "4" }), "'vcpus-per-cpu': \"4\" is not of type \"number\""),
            (json!({ "vcpus-per-cpu": 0 }), "'vcpus-per-cpu': 0 is less than the minimum of 0.1"),
            (json!({ "prefixes": ["web", "WEB"] }), "'prefixes.1': \"WEB\" does not match"),
            (json!({ "mode": "c", "id": 1.5 }), "'mode': \"c\" is not one of"),
            (json!([]), "is not of type \"object\""),
        ] {
            let error = schema.check(&config).unwrap_err();
            assert!(error.contains(words), "'{words}' is not in: {error}");
        }
        let many: serde_json::Map<_, _> = (0..50).map(|n| (format!("key-{n}"), json!(1))).collect();
        assert!(schema.check(&many.into()).unwrap_err().len() < 1000);
        assert!(
            schema.check(&json!({ "prefixes": ["x".repeat(CONFIG_BYTES)] })).unwrap_err().contains("bytes")
        );
    }

    #[test]
    fn schemas_that_could_hurt_the_host_are_refused() {
        let doubling: serde_json::Map<_, _> = (1..40)
            .map(|n| {
                let below = json!({ "$ref": format!("#/$defs/d{}", n - 1) });
                (format!("d{n}"), json!({ "allOf": [below, below] }))
            })
            .chain([("d0".to_owned(), json!({ "type": "object" }))])
            .collect();
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({ "not": deep });
        }
        let wide: Vec<_> = (0..SCHEMA_VALUES).map(|n| json!(n % 7)).collect();
        for (schema, words) in [
            (json!({ "$ref": "#" }), "only '#/$defs/…' within the schema"),
            (json!({ "$ref": "http://example.com/s.json" }), "refers to 'http://example.com/s.json'"),
            (json!({ "$ref": "file:///etc/passwd" }), "refers to 'file:///etc/passwd'"),
            (json!({ "$ref": "#/$defs/none" }), "refers to '#/$defs/none'"),
            (
                json!({ "$ref": "#/$defs/a", "$defs": { "a": { "items": { "$ref": "#/$defs/a" } } } }),
                "refers to itself",
            ),
            (json!({ "$ref": "#/$defs/d39", "$defs": doubling }), "nested more than"),
            (json!({ "items": { "$id": "x" } }), "it uses '$id'"),
            (json!({ "unevaluatedProperties": false }), "it uses 'unevaluatedProperties'"),
            (deep, "nested more than"),
            (json!({ "enum": wide }), "values"),
            (json!({ "description": "x".repeat(SCHEMA_BYTES) }), "bytes"),
            (json!(true), "must be a JSON object"),
            (json!({ "type": "text" }), "text"),
            (json!({ "pattern": "(?:a{1000}){1000}" }), ""),
            (json!({ "pattern": "(" }), ""),
        ] {
            let error = ConfigSchema::new(Some(&schema)).unwrap_err();
            assert!(error.contains(words), "'{words}' is not in: {error}");
        }
    }

    #[test]
    fn doubling_references_are_counted_where_they_are_used() {
        let defs: serde_json::Map<_, _> = (1..16)
            .map(|n| {
                let below = json!({ "$ref": format!("#/$defs/d{}", n - 1) });
                (format!("d{n}"), json!({ "allOf": [below, below] }))
            })
            .chain([("d0".to_owned(), json!({ "type": "object" }))])
            .collect();
        let error = ConfigSchema::new(Some(&json!({ "$ref": "#/$defs/d15", "$defs": defs }))).unwrap_err();
        assert!(error.contains("values"), "{error}");
    }

    #[test]
    fn without_a_schema_every_object_will_do() {
        ConfigSchema::new(None).unwrap().check(&json!({ "anything": [1, 2] })).unwrap();
    }
}
