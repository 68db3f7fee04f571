//! The policy platform: a decision in every language, replay, fan-out, reload. Rates (`1/s`) are better when larger.

mod fanout;
mod languages;
mod reload;
mod replay;

use anyhow::Result;

use crate::row::Row;

/// `lang-rust`, `lang-js`, `lang-python`, `lang-c`, `lang-go`, `replay-10000`, `fanout-10000x50`, `reload-under-load`.
pub async fn measure() -> Result<Vec<Row>> {
    let mut rows = languages::measure().await?;
    rows.extend([replay::measure().await?, fanout::measure().await?, reload::measure().await?]);
    Ok(rows)
}
