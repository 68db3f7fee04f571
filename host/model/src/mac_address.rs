//! Hardware addresses.

use serde::{Deserialize, Serialize};

/// An Ethernet address. Written in lower case with colons; read in any case, each pair of one or two digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

/// A text that is no hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a MAC address such as 52:54:00:12:34:56")]
pub struct BadMac(pub String);

impl MacAddress {
    /// True for a group address: broadcast or multicast.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl std::str::FromStr for MacAddress {
    type Err = BadMac;

    fn from_str(text: &str) -> Result<Self, BadMac> {
        let bad = || BadMac(text.chars().take(64).collect());
        let mut bytes = [0; 6];
        let mut pairs = text.trim().split(':');
        for byte in &mut bytes {
            let pair = pairs.next().ok_or_else(bad)?;
            let hex = (1..=2).contains(&pair.len()) && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten().ok_or_else(bad)?;
        }
        if pairs.next().is_some() { Err(bad()) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for MacAddress {
    type Error = BadMac;

    fn try_from(text: String) -> Result<Self, BadMac> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

impl std::fmt::Display for MacAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::MacAddress;

    #[test]
    fn addresses_are_read_in_any_case_and_written_in_one() {
        let mac: MacAddress = "52:54:0:AB:cd:01".parse().unwrap();
        assert_eq!(mac.to_string(), "52:54:00:ab:cd:01");
        for bad in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:01:02",
            "52:54:00:ab:cd:+1",
            "52-54-00-ab-cd-01",
            "052:54:00:ab:cd:01",
        ] {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad}");
        }
        assert!("01:00:5e:00:00:01".parse::<MacAddress>().unwrap().is_multicast());
    }
}
