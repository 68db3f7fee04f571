//! The policy platform: replay, fan-out, reload. Rates (`1/s`) are better when larger.

mod fanout;
mod host;
mod reload;
mod replay;

use anyhow::Result;

use crate::row::Row;

/// `replay-10000`, `fanout-10000x50`, `reload-under-load`.
pub async fn measure() -> Result<Vec<Row>> {
    Ok(vec![replay::measure().await?, fanout::measure().await?, reload::measure().await?])
}
