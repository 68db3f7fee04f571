//! Storage. The peer is qemu-img.

mod images;
mod volumes;

use anyhow::Result;

use crate::row::Row;

/// `convert-raw-qcow2`, `convert-qcow2-raw`, `info-1000`, `clone-sparse-8g`, `upload`, `download`, `refresh-5000`.
pub async fn measure() -> Result<Vec<Row>> {
    tokio::task::block_in_place(|| Ok([images::measure()?, volumes::measure()?].concat()))
}
