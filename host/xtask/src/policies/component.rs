//! From a core module to a component, in this process.

use anyhow::Result;
use wit_component::ComponentEncoder;

/// Wraps a core module whose custom sections say which world it implements.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
}

/// Appends a custom section; components may have them anywhere.
pub fn append_custom_section(component: &mut Vec<u8>, name: &str, payload: &[u8]) {
    const CUSTOM: u8 = 0;
    let mut body = Vec::new();
    push_length(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(payload);
    component.push(CUSTOM);
    push_length(component, body.len());
    component.extend_from_slice(&body);
}

/// Unsigned LEB128.
fn push_length(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_carries_its_name_and_long_payloads() {
        let mut component = Vec::new();
        append_custom_section(&mut component, "reeve.policy", &[7; 200]);
        // 1 byte of name length, 12 of name, 200 of payload: 213 = 0xd5 0x01.
        assert_eq!(component[..4], [0, 0xd5, 0x01, 12]);
        assert_eq!(&component[4..16], b"reeve.policy");
        assert_eq!(component[16..], [7; 200]);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(encode(b"not wasm").is_err());
    }
}
