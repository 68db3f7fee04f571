//! `reeve domain setmem` and `setmaxmem` (guide 14.13.7, 14.13.8).

use clap::Args;
use reeve_model::Bytes;
use reeve_model::tuning::Tuning;
use serde::Serialize;

use super::Target;
use super::tuning::TuneScope;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve domain setmem`.
#[derive(Debug, Args)]
#[command(after_help = "\
The guest gives memory back, or gets it back, through its balloon; that takes a moment and needs a guest with a balloon driver.

Examples:
  reeve domain setmem web 512M
  reeve domain setmem web 524288               the same: a bare number is KiB, as with virsh
  reeve domain setmem web 512M --config        from the next start on")]
pub struct Setmem {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    size: NewSize,
    #[command(flatten)]
    scope: TuneScope,
}

/// A size of memory, said in one of two ways.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct NewSize {
    /// New size: a number with a unit (b, KB, KiB, MB, MiB, GB, GiB, TB, TiB, and K, M, G, T for powers of 1024), in KiB without
    #[arg(value_name = "SIZE", value_parser = size)]
    positional: Option<Bytes>,
    /// The same as the second argument
    #[arg(long, value_name = "SIZE", visible_alias = "kilobytes", value_parser = size)]
    size: Option<Bytes>,
}

impl NewSize {
    fn bytes(&self) -> Bytes {
        self.positional.or(self.size).unwrap_or_default()
    }
}

impl Setmem {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let change = Tuning { current_memory: Some(self.size.bytes()), ..Tuning::default() };
        let domain = self.target.domain;
        let tuning = self.scope.tuning(context, &domain, change).await?;
        context.show(&Memory { domain, word: "is asked to keep", size: tuning.current_memory })
    }
}

/// Options of `reeve domain setmaxmem`.
#[derive(Debug, Args)]
#[command(after_help = "\
The maximum can't be changed while the domain runs; with --config it holds from the next start on. Memory above a lower maximum is lowered
with it.

Example:
  reeve domain setmaxmem web 4G --config")]
pub struct Setmaxmem {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    size: NewSize,
    #[command(flatten)]
    scope: TuneScope,
}

impl Setmaxmem {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let change = Tuning { max_memory: Some(self.size.bytes()), ..Tuning::default() };
        let domain = self.target.domain;
        let tuning = self.scope.tuning(context, &domain, change).await?;
        context.show(&Memory { domain, word: "has at most", size: tuning.max_memory })
    }
}

#[derive(Serialize)]
struct Memory {
    #[serde(skip)]
    domain: String,
    #[serde(skip)]
    word: &'static str,
    size: Option<Bytes>,
}

impl Show for Memory {
    const ELEMENT: &'static str = "memory";

    fn human(&self) -> String {
        let size = self.size.unwrap_or_default();
        format!("Domain '{}' {} {} KiB of memory", self.domain, self.word, size.as_kib())
    }
}

/// Reads `512M`, `512MiB`, `1G` or KiB, rounded up to KiB.
pub(super) fn size(text: &str) -> Result<Bytes, String> {
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| "a size is a whole number with a unit, e.g. 512M".to_owned())?;
    let unit = if unit.is_empty() { "KiB" } else { unit };
    if Bytes::of_unit(0, unit).is_none() {
        return Err(format!(
            "'{unit}' is not a unit: use b, KB, KiB, MB, MiB, GB, GiB, TB, TiB, or K, M, G, T"
        ));
    }
    let size = Bytes::of_unit(number, unit).and_then(Bytes::round_up_to_kib);
    size.ok_or_else(|| "that is more memory than can be addressed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512M"), Ok(Bytes::mib(512)));
        assert_eq!(size("1GiB"), Ok(Bytes::gib(1)));
        assert_eq!(size("2048"), Ok(Bytes::mib(2)));
        for (text, kib) in [("1025000", 1_025_000), ("1000b", 1), ("1MB", 977), ("2bytes", 1), ("1KB", 1)] {
            assert_eq!(size(text), Ok(Bytes::kib(kib)), "{text}");
        }
        assert!(size("12 apples").is_err() && size("M").is_err() && size("99999999999T").is_err());
    }
}
