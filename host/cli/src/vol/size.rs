//! Sizes as virsh takes them: a whole number, and a unit after it if it is not bytes.

use reeve_model::Bytes;

/// Reads `8G`, `512MiB`, `1048576`.
pub(crate) fn size(text: &str) -> Result<Bytes, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let unit = unit.trim();
    let count: u64 =
        count.parse().map_err(|_| format!("'{text}' is no size; write a whole number such as 8G"))?;
    let unit = if unit.is_empty() { "bytes" } else { unit };
    Bytes::of_unit(count, unit).ok_or_else(|| {
        format!("'{text}' is no size: units are B, K, M, G, T, P, E, with 'iB' or 'B' after them")
    })
}

/// As [`size`]; a minus sign before it is allowed (guide 14.12.7).
pub(crate) fn signed_size(text: &str) -> Result<(bool, Bytes), String> {
    match text.trim().strip_prefix('-') {
        Some(rest) => Ok((true, size(rest)?)),
        None => Ok((false, size(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_scaled() {
        for (text, bytes) in
            [("8G", 8 << 30), ("512MiB", 512 << 20), ("1KB", 1000), ("7", 7), ("3 M", 3 << 20)]
        {
            assert_eq!(size(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "G", "-1", "8X", "99999999999E", "1.5G"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(signed_size("-2M"), Ok((true, Bytes(2 << 20))));
    }
}
