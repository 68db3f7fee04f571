//! `reeve domain setmem`, `setmaxmem` (guide 14.13.7, 14.13.8) and `update-memory-device`.

use clap::Args;
use reeve_client::ClientError;
use reeve_model::tuning::{PluggedMemory, Tuning};
use reeve_model::{Bytes, Error, ErrorCode};
use serde::Serialize;

use super::Target;
use super::tuning::TuneScope;
use crate::context::Context;
use crate::output::{Show, pairs};

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

/// Options of `reeve domain update-memory-device`.
#[derive(Debug, Args)]
#[command(after_help = "\
The document of the domain says how much memory can be plugged into it, e.g.
  <memory model='virtio-mem'><target><size unit='GiB'>4</size><requested unit='MiB'>0</requested></target></memory>
A guest with a driver for it (Linux: virtio_mem) takes memory and gives it back in its own time. Without --requested-size it is shown.

Examples:
  reeve domain update-memory-device web
  reeve domain update-memory-device web --requested-size 2G --live --config
  reeve domain update-memory-device web --alias virtiomem1 --requested-size 0")]
pub struct UpdateMemoryDevice {
    #[command(flatten)]
    target: Target,
    /// Alias of the device, where there are several
    #[arg(long)]
    alias: Option<String>,
    /// What the guest shall have of it, whole blocks; in KiB without a unit
    #[arg(long, value_name = "SIZE", value_parser = size)]
    requested_size: Option<Bytes>,
    #[command(flatten)]
    scope: TuneScope,
}

impl UpdateMemoryDevice {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        let found = self.scope.tuning(context, domain, Tuning::default()).await?;
        let wanted = |memory: &&PluggedMemory| self.alias.is_none() || memory.alias == self.alias;
        let found: Vec<PluggedMemory> = found.plugged.iter().filter(wanted).cloned().collect();
        let Some(requested) = self.requested_size else { return context.show(&Plugged(found)) };
        let [memory] = found.as_slice() else {
            let (code, message) = match found.is_empty() {
                true => (ErrorCode::NotFound, format!("domain '{domain}' has no such memory to plug")),
                false => {
                    (ErrorCode::Invalid, format!("domain '{domain}' has {} devices of memory", found.len()))
                }
            };
            let hint =
                format!("'reeve domain update-memory-device {domain}' shows them; choose one with --alias");
            return Err(ClientError::Refused(Error::new(code, message).with_hint(hint)).into());
        };
        let change = PluggedMemory { number: memory.number, requested, ..PluggedMemory::default() };
        let change = Tuning { plugged: vec![change], ..Tuning::default() };
        let mut after = self.scope.tuning(context, domain, change).await?;
        after.plugged.retain(|each| each.number == memory.number);
        context.show(&Plugged(after.plugged))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Plugged(Vec<PluggedMemory>);

impl Show for Plugged {
    const ELEMENT: &'static str = "memory";

    fn human(&self) -> String {
        let kib = |size: Option<Bytes>| {
            size.map_or_else(|| "-".to_owned(), |size| format!("{} KiB", size.as_kib()))
        };
        let memory = |memory: &PluggedMemory| {
            pairs([
                ("Alias", memory.alias.clone().unwrap_or_default()),
                ("Size", kib(memory.size)),
                ("Requested", kib(Some(memory.requested))),
                ("Current", kib(memory.current)),
            ])
        };
        self.0.iter().map(memory).collect::<Vec<_>>().join("\n\n")
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
