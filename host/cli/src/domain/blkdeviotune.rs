//! `reeve domain blkdeviotune` (guide 20.16.1.5).

use clap::Args;
use reeve_model::api::XmlOptions;
use reeve_model::domain::{IoLimit, IoLimits, IoTune};
use serde::Serialize;

use super::disk::Named;
use super::interface::InterfaceScope;
use crate::context::Context;
use crate::output::{Show, pairs};

/// Options of `reeve domain blkdeviotune`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a limit they are shown. What is not given stays as it is, and 0 takes a limit away. A burst of --…-max a second lasts as long as
--…-max-length says, one second where it says nothing; then it is the limit, until the guest has asked for less for a while. A limit for
both ways together excludes those of a way.

Examples:
  reeve domain blkdeviotune web vda
  reeve domain blkdeviotune web vda --total-bytes-sec 52428800 --total-iops-sec 500 --live --config
  reeve domain blkdeviotune web vda --read-iops-sec 100 --read-iops-sec-max 1000 --read-iops-sec-max-length 60")]
pub struct Blkdeviotune {
    #[command(flatten)]
    disk: Named,
    #[command(flatten)]
    bytes: BytesLimits,
    #[command(flatten)]
    iops: IopsLimits,
    /// Bytes that count as one request
    #[arg(long, value_name = "BYTES", alias = "size_iops_sec")]
    size_iops_sec: Option<u64>,
    #[command(flatten)]
    scope: InterfaceScope,
}

/// Limits in bytes.
#[derive(Debug, Clone, Copy, Args)]
struct BytesLimits {
    /// Bytes a second
    #[arg(long, value_name = "BYTES", alias = "total_bytes_sec")]
    total_bytes_sec: Option<u64>,
    /// In a burst
    #[arg(long, value_name = "BYTES", alias = "total_bytes_sec_max")]
    total_bytes_sec_max: Option<u64>,
    /// How long a burst may last
    #[arg(long, value_name = "SECONDS", alias = "total_bytes_sec_max_length")]
    total_bytes_sec_max_length: Option<u64>,
    /// Bytes of reads a second
    #[arg(long, value_name = "BYTES", alias = "read_bytes_sec")]
    read_bytes_sec: Option<u64>,
    /// In a burst
    #[arg(long, value_name = "BYTES", alias = "read_bytes_sec_max")]
    read_bytes_sec_max: Option<u64>,
    /// How long a burst may last
    #[arg(long, value_name = "SECONDS", alias = "read_bytes_sec_max_length")]
    read_bytes_sec_max_length: Option<u64>,
    /// Bytes of writes a second
    #[arg(long, value_name = "BYTES", alias = "write_bytes_sec")]
    write_bytes_sec: Option<u64>,
    /// In a burst
    #[arg(long, value_name = "BYTES", alias = "write_bytes_sec_max")]
    write_bytes_sec_max: Option<u64>,
    /// How long a burst may last
    #[arg(long, value_name = "SECONDS", alias = "write_bytes_sec_max_length")]
    write_bytes_sec_max_length: Option<u64>,
}

/// Limits in requests.
#[derive(Debug, Clone, Copy, Args)]
struct IopsLimits {
    /// Requests a second
    #[arg(long, value_name = "NUMBER", alias = "total_iops_sec")]
    total_iops_sec: Option<u64>,
    /// In a burst
    #[arg(long, value_name = "NUMBER", alias = "total_iops_sec_max")]
    total_iops_sec_max: Option<u64>,
    /// How long a burst may last
    #[arg(long, value_name = "SECONDS", alias = "total_iops_sec_max_length")]
    total_iops_sec_max_length: Option<u64>,
    /// Requests of reads a second
    #[arg(long, value_name = "NUMBER", alias = "read_iops_sec")]
    read_iops_sec: Option<u64>,
    /// In a burst
    #[arg(long, value_name = "NUMBER", alias = "read_iops_sec_max")]
    read_iops_sec_max: Option<u64>,
    /// How long a burst may last
    #[arg(long, value_name = "SECONDS", alias = "read_iops_sec_max_length")]
    read_iops_sec_max_length: Option<u64>,
    /// Requests of writes a second
    #[arg(long, value_name = "NUMBER", alias = "write_iops_sec")]
    write_iops_sec: Option<u64>,
    /// In a burst
    #[arg(long, value_name = "NUMBER", alias = "write_iops_sec_max")]
    write_iops_sec_max: Option<u64>,
    /// How long a burst may last
    #[arg(long, value_name = "SECONDS", alias = "write_iops_sec_max_length")]
    write_iops_sec_max_length: Option<u64>,
}

impl Blkdeviotune {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let (domain, disk) = (&self.disk.target.domain, &self.disk.disk);
        let change = self.change();
        if change.is_empty() {
            let options = XmlOptions { inactive: self.scope.is_config() };
            let limits = context.client.disk_limits(domain, disk, options).await?;
            return context.show(&Limits(limits));
        }
        let options = self.scope.options();
        let limits = context.client.set_disk_limits(domain, disk, &change, options).await?;
        context.show(&Limits(limits))
    }

    fn change(&self) -> IoTune {
        let limit = |sec, max, max_length| IoLimit { sec, max, max_length };
        let (bytes, iops) = (self.bytes, self.iops);
        IoTune {
            bytes: IoLimits {
                total: limit(
                    bytes.total_bytes_sec,
                    bytes.total_bytes_sec_max,
                    bytes.total_bytes_sec_max_length,
                ),
                read: limit(bytes.read_bytes_sec, bytes.read_bytes_sec_max, bytes.read_bytes_sec_max_length),
                write: limit(
                    bytes.write_bytes_sec,
                    bytes.write_bytes_sec_max,
                    bytes.write_bytes_sec_max_length,
                ),
            },
            iops: IoLimits {
                total: limit(iops.total_iops_sec, iops.total_iops_sec_max, iops.total_iops_sec_max_length),
                read: limit(iops.read_iops_sec, iops.read_iops_sec_max, iops.read_iops_sec_max_length),
                write: limit(iops.write_iops_sec, iops.write_iops_sec_max, iops.write_iops_sec_max_length),
            },
            size_iops_sec: self.size_iops_sec,
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Limits(IoTune);

impl Show for Limits {
    const ELEMENT: &'static str = "iotune";

    fn human(&self) -> String {
        let mut limits = self.0;
        let numbers =
            limits.numbers().into_iter().map(|(name, value)| (name, value.unwrap_or(0).to_string()));
        let numbers: Vec<(String, String)> = numbers.collect();
        pairs(numbers.iter().map(|(name, value)| (name.as_str(), value.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn limits_are_shown_by_their_names() {
        let total = IoLimit { sec: Some(1000), max: Some(2000), max_length: None };
        let bytes = IoLimits { total, ..IoLimits::default() };
        let tune = IoTune { bytes, size_iops_sec: Some(4096), ..IoTune::default() };
        insta::assert_snapshot!(Format::Table.draw(&Limits(tune)).unwrap());
    }
}
