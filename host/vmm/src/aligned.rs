//! Memory at an alignment, as files that bypass the page cache (O_DIRECT) want it.

/// A buffer of zeros whose start has an alignment.
pub(crate) struct AlignedBuffer {
    storage: Vec<u8>,
    start: usize,
    size: usize,
}

impl AlignedBuffer {
    /// `size` bytes; `alignment` is a power of two.
    pub fn new(size: usize, alignment: usize) -> Self {
        let storage = vec![0; size + alignment];
        let start = storage.as_ptr().align_offset(alignment);
        Self { storage, start, size }
    }

    /// All of it.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_its_size_and_alignment() {
        for alignment in [1, 512, 4096] {
            let mut buffer = AlignedBuffer::new(1000, alignment);
            let bytes = buffer.bytes();
            assert_eq!((bytes.len(), bytes.as_ptr().addr() % alignment), (1000, 0));
        }
    }
}
