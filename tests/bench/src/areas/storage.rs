//! Storage. The peer is qemu-img.

mod images;

use anyhow::Result;

use crate::row::Row;

/// `convert-raw-qcow2`, `convert-qcow2-raw`, `info-1000`.
pub async fn measure() -> Result<Vec<Row>> {
    tokio::task::block_in_place(images::measure)
}
