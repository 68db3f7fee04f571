//! Compressed clusters: deflate without a wrapper in a window of 4 KiB, or one frame of zstd.

use std::io::Read;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use ruzstd::decoding::StreamingDecoder;

use crate::error::ImageError;
use crate::qcow2::{Compression, Qcow2};

/// The window that readers of the format expect, as a power of two.
const WINDOW_BITS: u8 = 12;

impl Qcow2 {
    /// The bytes of a compressed cluster, whose place was judged and whose length is at most two clusters by its encoding.
    pub(crate) fn decompressed(&self, host: u64, length: u64) -> Result<Vec<u8>, ImageError> {
        let mut packed = vec![0; length as usize];
        self.file.read_padded(&mut packed, host)?;
        let mut cluster = vec![0; self.geometry.cluster() as usize];
        let whole = match self.header.compression {
            Compression::Deflate => inflate(&packed, &mut cluster),
            Compression::Zstd => unpack_zstd(&packed, &mut cluster),
        };
        if whole {
            Ok(cluster)
        } else {
            Err(self.file.damaged(format!("the compressed cluster at {host:#x} can't be decompressed")))
        }
    }
}

fn inflate(packed: &[u8], cluster: &mut [u8]) -> bool {
    let mut state = Decompress::new_with_window_bits(false, WINDOW_BITS);
    let status = state.decompress(packed, cluster, FlushDecompress::Finish);
    // Behind the end of the stream is the rest of its last sector.
    matches!(status, Ok(Status::StreamEnd | Status::Ok | Status::BufError))
        && state.total_out() == cluster.len() as u64
}

fn unpack_zstd(packed: &[u8], cluster: &mut [u8]) -> bool {
    StreamingDecoder::new(packed).is_ok_and(|mut stream| stream.read_exact(cluster).is_ok())
}

/// Compresses clusters, one after the other.
pub(crate) struct Compressor {
    state: Compress,
    buffer: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new(cluster: u64) -> Self {
        let level = flate2::Compression::default();
        Self {
            state: Compress::new_with_window_bits(level, false, WINDOW_BITS),
            // With room to spare for what does not compress: it is never asked to stop in the middle.
            buffer: vec![0; (cluster + cluster / 8 + 1024) as usize],
        }
    }

    /// The cluster compressed; none when that is no gain.
    pub(crate) fn compress(&mut self, cluster: &[u8]) -> Option<&[u8]> {
        self.state.reset();
        let status = self.state.compress(cluster, &mut self.buffer, FlushCompress::Finish);
        let length = self.state.total_out() as usize;
        (matches!(status, Ok(Status::StreamEnd)) && length < cluster.len()).then(|| &self.buffer[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        let cluster: Vec<u8> = (0..65536_u32).map(|index| (index / 77) as u8).collect();
        let mut compressor = Compressor::new(65536);
        for _ in 0..2 {
            let packed = compressor.compress(&cluster).unwrap().to_vec();
            let mut back = vec![0; 65536];
            assert!(inflate(&packed, &mut back) && back == cluster);
            assert!(!inflate(&packed[..packed.len() / 2], &mut back));
        }
    }

    #[test]
    fn noise_is_no_gain() {
        let mut seed = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(2 << 20)
        .collect();
        for cluster in [512, 4096, 65536, 2 << 20] {
            let mut compressor = Compressor::new(cluster);
            assert!(noise.chunks(cluster as usize).all(|bytes| compressor.compress(bytes).is_none()));
        }
    }
}
