//! `reeve domain setmem` (guide 14.5.21).

use clap::Args;
use reeve_model::Bytes;

use super::{Done, Target};
use crate::context::Context;

/// Options of `reeve domain setmem`.
#[derive(Debug, Args)]
#[command(after_help = "\
The guest gives memory back, or gets it back, through its balloon; that takes a moment and needs a guest with a balloon driver.

Examples:
  reeve domain setmem web 512M
  reeve domain setmem web 524288      the same: a bare number is KiB, as with virsh")]
pub struct Setmem {
    #[command(flatten)]
    target: Target,
    /// New size: a number with K, M, G or T (powers of 1024), in KiB without
    #[arg(value_parser = size)]
    size: Bytes,
}

impl Setmem {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.set_domain_memory(&self.target.domain, self.size).await?;
        context.show(&Done::new(row, "is being ballooned"))
    }
}

/// Reads `512M`, `512MiB`, `1G` or KiB.
fn size(text: &str) -> Result<Bytes, String> {
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| "a size is a whole number with a unit, e.g. 512M".to_owned())?;
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib") {
        "" | "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("'{unit}' is not a unit: use K, M, G or T")),
    };
    number
        .checked_mul(1 << shift)
        .map(Bytes)
        .ok_or_else(|| "that is more memory than can be addressed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512M"), Ok(Bytes::mib(512)));
        assert_eq!(size("1GiB"), Ok(Bytes::gib(1)));
        assert_eq!(size("2048"), Ok(Bytes::mib(2)));
        assert!(size("12 apples").is_err() && size("M").is_err() && size("99999999999T").is_err());
    }
}
