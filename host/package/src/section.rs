//! The manifest inside a component: the custom section `reeve.policy`, at the component's top level, once.
//!
//! A component is a header of 8 bytes and then sections: an id, a length (LEB128) and that many bytes; id 0 is a custom section,
//! whose bytes begin with its name, and its length.

use std::ops::Range;

use crate::manifest::SECTION;

const HEADER: usize = 8;
const CUSTOM: u8 = 0;

/// The bytes end in the middle of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the component is cut off or damaged at byte {0}")]
pub struct Damaged(usize);

/// The payload of the manifest's section; none if the component has none. Of several the first.
pub fn find(component: &[u8]) -> Result<Option<&[u8]>, Damaged> {
    for section in sections(component)? {
        if let Some(payload) = section.payload(component) {
            return Ok(Some(payload));
        }
    }
    Ok(None)
}

/// The component with `json` as its only manifest.
pub fn put(component: &[u8], json: &[u8]) -> Result<Vec<u8>, Damaged> {
    let mut out = component.get(..HEADER).ok_or(Damaged(component.len()))?.to_vec();
    for section in sections(component)? {
        if section.payload(component).is_none() {
            out.extend_from_slice(&component[section.whole.clone()]);
        }
    }
    append(&mut out, SECTION, json);
    Ok(out)
}

/// Appends a custom section; components may have them anywhere.
pub fn append(component: &mut Vec<u8>, name: &str, payload: &[u8]) {
    let mut body = Vec::new();
    push_length(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(payload);
    component.push(CUSTOM);
    push_length(component, body.len());
    component.extend_from_slice(&body);
}

struct Section {
    whole: Range<usize>,
    body: Range<usize>,
}

impl Section {
    /// What the manifest's section holds; none for any other section.
    fn payload<'a>(&self, component: &'a [u8]) -> Option<&'a [u8]> {
        if component[self.whole.start] != CUSTOM {
            return None;
        }
        let body = &component[self.body.clone()];
        let (length, used) = length(body)?;
        let name = body.get(used..used.checked_add(length)?)?;
        (name == SECTION.as_bytes()).then(|| &body[used + length..])
    }
}

fn sections(component: &[u8]) -> Result<Vec<Section>, Damaged> {
    let mut found = Vec::new();
    let mut at = HEADER;
    while at < component.len() {
        let (length, used) = component.get(at + 1..).and_then(length).ok_or(Damaged(at))?;
        let body = at + 1 + used;
        let end = body.checked_add(length).filter(|end| *end <= component.len()).ok_or(Damaged(at))?;
        found.push(Section { whole: at..end, body: body..end });
        at = end;
    }
    Ok(found)
}

/// Unsigned LEB128 of at most 32 bits, and how many bytes it took.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

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

    const EMPTY: [u8; 8] = *b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_section_carries_its_name_and_long_payloads() {
        let mut component = Vec::new();
        append(&mut component, SECTION, &[7; 200]);
        // 1 byte of name length, 12 of name, 200 of payload: 213 = 0xd5 0x01.
        assert_eq!(component[..4], [0, 0xd5, 0x01, 12]);
        assert_eq!(&component[4..16], SECTION.as_bytes());
        assert_eq!(component[16..], [7; 200]);
    }

    #[test]
    fn a_manifest_is_put_and_replaced() {
        let mut component = EMPTY.to_vec();
        append(&mut component, "other", b"kept");
        assert_eq!(find(&component), Ok(None));
        let first = put(&component, b"one").unwrap();
        assert_eq!(find(&first), Ok(Some(&b"one"[..])));
        let second = put(&first, &[b'2'; 300]).unwrap();
        assert_eq!(find(&second), Ok(Some(&[b'2'; 300][..])));
        assert_eq!(second.windows(4).filter(|bytes| bytes == b"kept").count(), 1);
        assert_eq!(put(&second, b"one").unwrap(), first);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = put(&EMPTY, b"one").unwrap();
        for end in 0..HEADER {
            assert!(put(&whole[..end], b"two").is_err(), "{end}");
        }
        for end in HEADER + 1..whole.len() {
            assert!(find(&whole[..end]).is_err(), "{end}");
        }
    }
}
