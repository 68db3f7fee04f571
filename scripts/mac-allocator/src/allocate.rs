//! Choosing an address, as a plain function.

use std::collections::HashSet;

use serde::Deserialize;

/// Addresses below a prefix: the fourth byte stays under 0x80.
const RANGE: u32 = 0x80_0000;

/// First three bytes of an address, e.g. `00:16:3e`; never a multicast one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix([u8; 3]);

impl Default for Prefix {
    fn default() -> Self {
        Self([0x00, 0x16, 0x3e])
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("prefix '{text}' is not three hexadecimal bytes such as 00:16:3e");
        let bytes: Vec<u8> = text
            .split(':')
            .map(|part| u8::from_str_radix(part, 16))
            .collect::<Result<_, _>>()
            .map_err(|_| wrong())?;
        let bytes: [u8; 3] = bytes.try_into().map_err(|_| wrong())?;
        if bytes[0] & 1 == 1 {
            return Err(format!("prefix '{text}' is a multicast prefix; the first byte must be even"));
        }
        Ok(Self(bytes))
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}")
    }
}

/// An address under `prefix` that is not among `taken`: the one `seed` points at, else the next free one after it. None when
/// there is none.
pub fn allocate(prefix: Prefix, taken: &[String], seed: u64) -> Option<String> {
    let taken: HashSet<String> = taken.iter().map(|mac| mac.to_ascii_lowercase()).collect();
    let first = (seed % u64::from(RANGE)) as u32;
    // One more candidate than there are taken addresses always finds a free one, if there is any.
    let candidates = (taken.len() as u64 + 1).min(u64::from(RANGE)) as u32;
    (0..candidates)
        .map(|step| (first + step) % RANGE)
        .map(|n| format!("{prefix}:{:02x}:{:02x}:{:02x}", n >> 16, (n >> 8) & 0xff, n & 0xff))
        .find(|mac| !taken.contains(mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_sample_is_one_of_them() {
        assert_eq!(allocate(Prefix::default(), &[], 0x20b011).as_deref(), Some("00:16:3e:20:b0:11"));
    }

    #[test]
    fn the_fourth_byte_stays_below_0x80() {
        for seed in [0, 0x7f_ffff, 0x80_0000, u64::MAX] {
            let mac = allocate(Prefix::default(), &[], seed).expect("free");
            let fourth = u8::from_str_radix(&mac[9..11], 16).expect("hex");
            assert!(fourth < 0x80, "{mac}");
        }
    }

    #[test]
    fn taken_addresses_are_skipped_whatever_their_case_and_the_end_wraps() {
        let taken = ["00:16:3E:7F:FF:FF".to_owned(), "00:16:3e:00:00:00".to_owned()];
        assert_eq!(allocate(Prefix::default(), &taken, 0x7f_ffff).as_deref(), Some("00:16:3e:00:00:01"));
    }

    #[test]
    fn prefixes_are_checked() {
        assert_eq!(Prefix::try_from("52:54:00".to_owned()).map(|p| p.to_string()), Ok("52:54:00".into()));
        assert!(Prefix::try_from("01:00:5e".to_owned()).unwrap_err().contains("multicast"));
        assert!(Prefix::try_from("00:16".to_owned()).unwrap_err().contains("three"));
    }
}
