//! Is there anything in these bytes.

/// Short enough to leave early, long enough for the compiler's vector loop.
const BLOCK: usize = 1024;

/// True when every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Most data shows itself in its first bytes.
    let (head, rest) = bytes.split_at(bytes.len().min(16));
    head.iter().all(|byte| *byte == 0)
        && rest.chunks(BLOCK).all(|block| block.iter().fold(0, |seen, byte| seen | byte) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_is_found() {
        let mut bytes = vec![0; 5000];
        assert!(is_zero(&bytes) && is_zero(&[]));
        for place in [0, 15, 16, 1039, 1040, 4999] {
            bytes[place] = 1;
            assert!(!is_zero(&bytes), "{place}");
            bytes[place] = 0;
        }
    }
}
