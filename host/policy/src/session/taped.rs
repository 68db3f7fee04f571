//! What host functions give, as JSON on the tape. Both ways are exact: what is read back is what was written.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::document::Domain;
use super::{records, storage};
use crate::bindings::reeve::domain::domains;
use crate::bindings::reeve::network::networks;
use crate::bindings::reeve::node::{host, ksm};
use crate::bindings::reeve::storage::{pools, volumes};
use crate::bindings::reeve::types::errors;
use crate::host::domain_config::DomainView;

/// A result of a host function.
pub(crate) trait Taped: Sized {
    /// Its JSON form.
    fn to_tape(&self) -> Value;

    /// Reads the JSON form; the error says what is wrong with it.
    fn from_tape(value: Value) -> Result<Self, String>;
}

fn write(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Types that are JSON as they are.
macro_rules! plain {
    ($($type:ty),*) => {
        $(impl Taped for $type {
            fn to_tape(&self) -> Value {
                write(self)
            }

            fn from_tape(value: Value) -> Result<Self, String> {
                read(value)
            }
        })*
    };
}

/// Types that have a record of their own.
macro_rules! recorded {
    ($($type:ty => $record:ty),*) => {
        $(impl Taped for $type {
            fn to_tape(&self) -> Value {
                write(<$record>::from(self.clone()))
            }

            fn from_tape(value: Value) -> Result<Self, String> {
                read::<$record>(value).map(Self::from)
            }
        })*
    };
}

plain!(u64, bool, (), String, Vec<String>);
recorded!(
    domains::Commitment => records::Commitment,
    host::Info => records::Info,
    host::Memory => records::Memory,
    ksm::KsmState => records::Ksm,
    networks::Network => records::Network,
    networks::Counters => records::Counters,
    pools::Pool => storage::Pool,
    volumes::Volume => storage::Volume
);

/// Lists of what has a record of its own.
macro_rules! recorded_lists {
    ($($type:ty => $record:ty),*) => {
        $(impl Taped for Vec<$type> {
            fn to_tape(&self) -> Value {
                self.iter().map(|item| write(<$record>::from(item.clone()))).collect()
            }

            fn from_tape(value: Value) -> Result<Self, String> {
                read::<Vec<$record>>(value).map(|list| list.into_iter().map(Into::into).collect())
            }
        })*
    };
}

recorded_lists!(
    domains::Summary => records::Summary,
    networks::Network => records::Network,
    networks::Port => records::Port,
    networks::Lease => records::Lease,
    pools::Pool => storage::Pool,
    volumes::Volume => storage::Volume
);

impl Taped for DomainView {
    fn to_tape(&self) -> Value {
        write(Domain::of(self))
    }

    fn from_tape(value: Value) -> Result<Self, String> {
        let (config, state) = read::<Domain>(value)?.read()?;
        Ok(Self { config: Arc::new(config), state })
    }
}

/// The volume that a change left, where it left one.
impl Taped for Option<volumes::Volume> {
    fn to_tape(&self) -> Value {
        self.clone().map(storage::Volume::from).map_or(Value::Null, write)
    }

    fn from_tape(value: Value) -> Result<Self, String> {
        Ok(read::<Option<storage::Volume>>(value)?.map(Into::into))
    }
}

/// Bytes of a volume: text as it is, others as `{"hex": "00ff"}`.
impl Taped for Vec<u8> {
    fn to_tape(&self) -> Value {
        bytes(self)
    }

    fn from_tape(value: Value) -> Result<Self, String> {
        Option::<Self>::from_tape(value)?.ok_or_else(|| "bytes are text or {\"hex\": …}".to_owned())
    }
}

/// A value of the key-value store: text as it is, other bytes as `{"hex": "00ff"}`, none as `null`.
impl Taped for Option<Vec<u8>> {
    fn to_tape(&self) -> Value {
        self.as_deref().map_or(Value::Null, bytes)
    }

    fn from_tape(value: Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.into_bytes())),
            Value::Object(fields) if fields.len() == 1 => {
                let hex = fields.get("hex").and_then(Value::as_str);
                hex.and_then(unhex).map(Some).ok_or_else(|| "bytes are text or {\"hex\": …}".to_owned())
            }
            _ => Err("bytes are text or {\"hex\": …}".to_owned()),
        }
    }
}

impl<T: Taped> Taped for Result<T, errors::Error> {
    fn to_tape(&self) -> Value {
        match self {
            Ok(value) => json!({ "ok": value.to_tape() }),
            Err(error) => json!({ "err": write(records::Error::from(error.clone())) }),
        }
    }

    fn from_tape(value: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = value else {
            return Err("a result is {\"ok\": …} or {\"err\": …}".to_owned());
        };
        match (fields.remove("ok"), fields.remove("err"), fields.is_empty()) {
            (Some(value), None, true) => T::from_tape(value).map(Ok),
            (None, Some(error), true) => read::<records::Error>(error).map(|error| Err(error.into())),
            _ => Err("a result is {\"ok\": …} or {\"err\": …}".to_owned()),
        }
    }
}

/// Bytes as JSON: text where they are, else in hex.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex })
        }
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Taped>(value: T) -> Value {
        let first = value.to_tape();
        let second = T::from_tape(first.clone()).unwrap().to_tape();
        assert_eq!(first, second);
        first
    }

    #[test]
    fn bytes_are_text_or_hex() {
        assert_eq!(round_trip(Some(b"text".to_vec())), json!("text"));
        assert_eq!(round_trip(Some(vec![0, 255])), json!({"hex": "00ff"}));
        assert_eq!(round_trip(None::<Vec<u8>>), json!(null));
        for bad in
            [json!({"hex": "0"}), json!({"hex": "zz"}), json!({"hex": "\u{e9}1"}), json!([1]), json!({})]
        {
            assert!(Option::<Vec<u8>>::from_tape(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn results_say_which_they_are() {
        let denied = errors::Error { code: errors::Code::Denied, message: "no".into() };
        assert_eq!(round_trip(Err::<u64, _>(denied)), json!({"err": {"code": "denied", "message": "no"}}));
        assert_eq!(round_trip(Ok::<_, errors::Error>(7_u64)), json!({"ok": 7}));
        let both = json!({"ok": 1, "err": {"code": "denied", "message": ""}});
        assert!(Result::<u64, errors::Error>::from_tape(both).is_err());
        let unknown = json!({"err": {"code": "denied", "message": "", "hint": ""}});
        assert!(Result::<u64, errors::Error>::from_tape(unknown).unwrap_err().contains("unknown field"));
    }
}
