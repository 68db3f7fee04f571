//! Sizes as they are typed and shown.

use reeve_image::NewSize;
use reeve_model::Bytes;

/// Reads a size: bytes, or with K, M, G, T, P or E behind it, powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let bytes = number.parse().ok().and_then(|number| match unit {
        "" => Some(Bytes(number)),
        unit => Bytes::of_unit(number, unit),
    });
    bytes.map(|bytes| bytes.0).ok_or_else(|| format!("'{text}' is no size; write bytes, or 512K, 20G, 1T"))
}

/// Reads a size, or with a sign a change of one.
pub(crate) fn new_size(text: &str) -> Result<NewSize, String> {
    match text.split_at_checked(1) {
        Some(("+", rest)) => size(rest).map(NewSize::Grow),
        Some(("-", rest)) => size(rest).map(NewSize::Shrink),
        _ => size(text).map(NewSize::Bytes),
    }
}

/// A size for people: `0`, `20G`, `1.5M`.
pub(crate) fn short(bytes: u64) -> String {
    let units = [('T', 1_u64 << 40), ('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];
    match units.into_iter().find(|(_, size)| bytes >= *size) {
        None => bytes.to_string(),
        Some((unit, size)) if bytes.is_multiple_of(size) => format!("{}{unit}", bytes / size),
        Some((unit, size)) => {
            let tenth = u128::from(bytes % size) * 10 / u128::from(size);
            if tenth == 0 {
                format!("{}{unit}", bytes / size)
            } else {
                format!("{}.{tenth}{unit}", bytes / size)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        assert_eq!(size("20G"), Ok(20 << 30));
        assert_eq!(size("512"), Ok(512));
        assert_eq!(new_size("+1M"), Ok(NewSize::Grow(1 << 20)));
        assert_eq!(new_size("-512"), Ok(NewSize::Shrink(512)));
        for wrong in ["", "G", "1X", "--1", "1.5G", "99999999999G"] {
            assert!(new_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!([short(0), short(20 << 30), short(1_600_000)], ["0", "20G", "1.5M"]);
    }
}
